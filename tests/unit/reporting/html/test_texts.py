"""Each text is used, and each text that is used exists."""

import re
from pathlib import Path

import fastdefect
from fastdefect.reporting.html.texts import texts

_FOLDERS = ("reporting/html", "jobs/reports")
# The names that the code composes: say(f"splits.{name}").
_COMPOSED = ("splits", "sections", "outcomes", "meaning", "card", "record", "before", "script")


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
    unused = {key for key in known - used if key.partition(".")[0] not in _COMPOSED}
    assert not unused
    words = {key for key in texts()["script"] if f"words.{key}" not in source}
    assert not words


def test_each_used_text_exists() -> None:
    known = {f"{section}.{name}" for section, of in texts().items() for name in of}
    said = set(re.findall(r"say\(\s*[\"'](\w+\.\w+)[\"']", _sources()))
    assert said <= known
