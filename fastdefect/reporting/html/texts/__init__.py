"""The texts of the pages, apart from the code."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


def say(key: str, **values: Any) -> str:
    """The text ``key`` of ``en.toml`` with ``values`` in its fields.

    ``key`` is ``section.name``. Raises ``KeyError`` for an unknown key or a missing value.
    """
    section, name = key.split(".")
    return str(texts()[section][name]).format_map(values)


@cache
def texts() -> dict[str, dict[str, str]]:
    """All texts, by section and name."""
    content = files(__name__).joinpath("en.toml").read_text(encoding="utf-8")
    return tomllib.loads(content)
