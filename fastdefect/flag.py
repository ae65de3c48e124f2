"""How a setting appears on the command line, beside its type and default in ``config``."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Former:
    """The name of a field in earlier versions, and its old values with their current names."""

    name: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Flag:
    """How a field appears on the command line: one line of help, and other names for it.

    ``option`` is its name there if that differs from the field's name. ``former`` is still
    accepted in files and on the command line, but not listed.
    """

    help: str
    option: str | None = None
    aliases: tuple[str, ...] = ()
    argument: bool = False
    former: Former | None = None
