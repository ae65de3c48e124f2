"""Command-line options from the fields of the config, so that each flag is defined once."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Literal, get_args

import typer

from fastdefect.config import ConfigField, config_fields
from fastdefect.flag import Former


def with_config_options(
    *, sections: tuple[str, ...] = (), only: tuple[str, ...] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add an option to a Typer command for each field in ``sections`` and each in ``only``.

    The first parameter of the command, ``flags``, receives the values that the user gave, by
    field name. The other parameters are further options of the command.
    """
    leaves = [leaf for leaf in config_fields() if leaf.section in sections or leaf.name in only]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command).parameters.values())[1:]

        @wraps(command)
        def wrapper(**given: Any) -> None:
            flags = {leaf.name: _pop_value(leaf, given) for leaf in leaves}
            command({k: v for k, v in flags.items() if v not in (None, [])}, **given)

        parameters = [_parameter(leaf) for leaf in leaves]
        parameters += [
            _former_parameter(leaf.flag.former)
            for leaf in leaves
            if leaf.flag.former and leaf.flag.former.name != leaf.name
        ]
        # Typer reads both the signature and the annotations.
        wrapper.__signature__ = inspect.Signature([*parameters, *own])  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in [*parameters, *own]}
        return wrapper

    return decorate


def _parameter(leaf: ConfigField) -> inspect.Parameter:
    panel = leaf.section.capitalize()
    kind: Any = list[str] if leaf.type == tuple[str, ...] else leaf.type
    help_text = leaf.flag.help + _default_text(leaf)
    option: Any
    if leaf.flag.argument:
        option = typer.Argument(None, help=help_text, show_default=False)
    else:
        names = [leaf.option, *leaf.flag.aliases]
        if kind is bool:
            names = [f"{name}/--no-{name[2:]}" for name in names]
        extra: dict[str, Any] = {}
        if leaf.flag.former and leaf.flag.former.name == leaf.name:
            # Values of earlier versions are accepted, but not listed.
            extra = {
                "parser": _parser(get_args(kind), leaf.flag.former.values),
                "metavar": f"[{'|'.join(get_args(kind))}]",
            }
            kind = str
        option = typer.Option(
            None, *names, help=help_text, rich_help_panel=panel, show_default=False, **extra
        )
    return inspect.Parameter(
        leaf.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option,
        annotation=kind | None,
    )


def _parser(values: tuple[str, ...], former: Mapping[str, str]) -> Callable[[str], str]:
    """A parser that accepts ``values``, and replaces values of earlier versions."""

    def parse(text: str) -> str:
        value = former.get(text, text)
        if value not in values:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(repr, values))}.")
        return value

    return parse


def _former_parameter(former: Former) -> inspect.Parameter:
    """An option with the former name of a field: accepted, but not listed."""
    kind: Any = Literal[tuple(former.values)]
    return inspect.Parameter(
        former.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=typer.Option(None, f"--{former.name}", hidden=True),
        annotation=kind | None,
    )


def _pop_value(leaf: ConfigField, given: dict[str, Any]) -> Any:
    """Remove the value of the field from ``given`` and return it; None if it was not given."""
    value = given.pop(leaf.name)
    former = leaf.flag.former
    if former is None or former.name == leaf.name:
        return value
    former_value = given.pop(former.name)
    return former.values[former_value] if value is None and former_value is not None else value


def _default_text(leaf: ConfigField) -> str:
    # Part of the help text, as the default of the option itself means "not given".
    if leaf.default is None or leaf.default == ():
        return ""
    if isinstance(leaf.default, bool):
        return f" (default: {'yes' if leaf.default else 'no'})"
    return f" (default: {leaf.default})"
