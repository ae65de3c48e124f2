"""The texts of the pages, apart from the code."""

import string
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


def say(key: str, **values: Any) -> str:
    """The text ``key`` of ``en.toml`` with ``values`` in its fields.

    ``key`` is ``section.name``. A field ``{n:photo|photos}`` is the first word if ``n`` is 1, else
    the second one. Raises ``KeyError`` for an unknown key or a missing value.
    """
    section, name = key.split(".")
    return _FORMATTER.vformat(str(texts()[section][name]), (), values)


@cache
def texts() -> dict[str, dict[str, str]]:
    """All texts, by section and name."""
    content = files(__name__).joinpath("en.toml").read_text(encoding="utf-8")
    return tomllib.loads(content)


class _Formatter(string.Formatter):
    """The fields of ``str.format``, and words that agree with a number."""

    def format_field(self, value: Any, format_spec: str) -> str:
        one, bar, many = format_spec.partition("|")
        if bar:
            return one if str(value) == "1" else many
        return str(super().format_field(value, format_spec))


_FORMATTER = _Formatter()
