"""For each field of the config, a value that is not its default."""

import typing
from pathlib import Path
from typing import Any, Literal

from fastdefect.config import ConfigField, config_fields


def other_value(leaf: ConfigField) -> Any:
    """A value that the field takes and that is not its default."""
    if typing.get_origin(leaf.type) is Literal:
        return next(value for value in typing.get_args(leaf.type) if value != leaf.default)
    if leaf.type == tuple[str, ...]:
        return ("f1=0.9", "auc=0.8")
    match leaf.default:
        case bool():
            return not leaf.default
        case int():
            return leaf.default + 3
        case float():
            return leaf.default / 2 or 0.25
        case Path():
            return Path("elsewhere")
    if leaf.name == "tiles":  # a text, but only of some forms
        return "4"
    if leaf.name == "tile_background":
        return "keep"
    if float in typing.get_args(leaf.type):
        return 4095.0
    return 3 if int in typing.get_args(leaf.type) else f"other-{leaf.name}"


def other_values() -> dict[str, Any]:
    """One value for each field, by name."""
    return {leaf.name: other_value(leaf) for leaf in config_fields()}


def as_arguments(values: dict[str, Any]) -> list[str]:
    """The command line that gives ``values``."""
    positional, options = [], []
    for leaf in config_fields():
        if leaf.name not in values:
            continue
        value, flag = values[leaf.name], leaf.option
        if leaf.flag.argument:
            positional.append(str(value))
        elif leaf.type is bool:
            options.append(flag if value else flag.replace("--", "--no-", 1))
        elif isinstance(value, tuple):
            options += [part for one in value for part in (flag, one)]
        else:
            options += [flag, str(value)]
    return [*positional, *options]
