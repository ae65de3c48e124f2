"""Each text is used, and each text that is used exists."""

import re
from pathlib import Path
from typing import get_args

import fastdefect
from fastdefect.evaluation.ablation import COMPARED, Evidence, Plan
from fastdefect.reporting.html.sections.compared import _SHIP
from fastdefect.reporting.html.texts import texts

_FOLDERS = ("reporting/html", "jobs")
# The names that the code composes: say(f"splits.{name}").
_COMPOSED = ("splits", "sections", "outcomes", "meaning", "card", "record", "before", "script")
_COMPOSED_NAMES = {
    *(f"compared.{name}" for name in (*_SHIP.values(), "same", "same_class")),
    *("compared.better_class", "compared.worse_class"),
    *(f"compared.judged_{name}" for name in ("valid", "test", "data", "trained")),
    *(f"ablated.{kind}_{name}" for kind in ("plot", "by_seed") for name in COMPARED),
    *(f"ablated.{name.replace(' ', '_')}" for name in get_args(Evidence)),
    *(f"ablated.plan_{name.replace('-', '_')}" for name in get_args(Plan)),
    *("ablated.better", "ablated.worse"),
}


def _sources() -> str:
    root = Path(fastdefect.__file__).parent
    files = [path for folder in _FOLDERS for path in (root / folder).rglob("*")]
    return "\n".join(
        path.read_text(encoding="utf-8") for path in files if path.suffix in (".py", ".html", ".js")
    )


def test_each_text_is_used() -> None:
    source = _sources()
    known = {f"{section}.{name}" for section, of in texts().items() for name in of}
    used = set(re.findall(r"[\"'](\w+\.\w+)[\"']", source))
    unused = {
        key for key in known - used - _COMPOSED_NAMES if key.partition(".")[0] not in _COMPOSED
    }
    assert not unused
    words = {key for key in texts()["script"] if f"words.{key}" not in source}
    assert not words


def test_each_used_text_exists() -> None:
    known = {f"{section}.{name}" for section, of in texts().items() for name in of}
    said = set(re.findall(r"say\(\s*[\"'](\w+\.\w+)[\"']", _sources()))
    assert said | _COMPOSED_NAMES <= known
