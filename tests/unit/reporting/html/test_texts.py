"""Each text is used, and each text that is used exists."""

import re
from pathlib import Path
from typing import get_args

import pytest

import fastdefect
from fastdefect.evaluation.ablation import COMPARED, Evidence, Plan
from fastdefect.reporting.html.sections.compared import _SHIP
from fastdefect.reporting.html.texts import say, texts

_FOLDERS = ("reporting/html", "jobs")
# The names that the code composes: say(f"splits.{name}").
_COMPOSED = (
    *("splits", "sections", "outcomes", "meaning", "card", "record", "before", "script"),
    *("audit_sections", "audit_severities", "audit_files", "exhibits"),
)
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


def test_words_agree_with_their_number() -> None:
    assert say("verdict.sealed", n=1) == "1 test photo is still sealed."
    assert say("verdict.sealed", n=2) == "2 test photos are still sealed."
    assert say("data.duplicates", n=1).startswith("1 photo is a byte-identical copy of another.")
    with pytest.raises(KeyError):
        say("verdict.sealed")


def test_no_number_is_before_a_plural_that_never_changes() -> None:
    """``{n} photos`` would be ``1 photos``."""
    bare = re.compile(r"\{\w+\} (?:\w+ )?(?:photos|parts|decisions|findings|epochs|threads)\b")
    # These numbers are always above 1.
    fixed = {
        "verdict.limit",
        "figures.example",
        "photos.capped",
        "photos.full",
        "calibration.temperature",
    }
    found = {
        f"{section}.{name}": match[0]
        for section, of in texts().items()
        for name, text in of.items()
        if (match := bare.search(text))
    }
    assert found.keys() <= fixed, found
