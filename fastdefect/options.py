"""From the fields of the config to the options of a command: no flag is written twice."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Literal, get_args

import typer

from fastdefect.config import ConfigField, Former, config_fields


def with_config_options(
    *, sections: tuple[str, ...] = (), only: tuple[str, ...] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a Typer command an option for each field of ``sections`` or named in ``only``.

    The command's first parameter, ``flags``, receives those that the user gave, by field
    name; its other parameters stay options of its own.
    """
    leaves = [leaf for leaf in config_fields() if leaf.section in sections or leaf.name in only]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command).parameters.values())[1:]

        @wraps(command)
        def wrapper(**given: Any) -> None:
            flags = {leaf.name: _taken(leaf, given) for leaf in leaves}
            command({k: v for k, v in flags.items() if v not in (None, [])}, **given)

        parameters = [_parameter(leaf) for leaf in leaves]
        parameters += [
            _former_parameter(leaf.flag.former)
            for leaf in leaves
            if leaf.flag.former and leaf.flag.former.name != leaf.name
        ]
        # Typer reads the signature and the annotations alike.
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
        words: dict[str, Any] = {}
        if leaf.flag.former and leaf.flag.former.name == leaf.name:
            # Values of earlier versions are taken, but not listed.
            words = {
                "parser": _reader(get_args(kind), leaf.flag.former.values),
                "metavar": f"[{'|'.join(get_args(kind))}]",
            }
            kind = str
        option = typer.Option(
            None, *names, help=help_text, rich_help_panel=panel, show_default=False, **words
        )
    return inspect.Parameter(
        leaf.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option,
        annotation=kind | None,
    )


def _reader(values: tuple[str, ...], former: Mapping[str, str]) -> Callable[[str], str]:
    """Reads one of ``values``, or a word of earlier versions in today's words."""

    def read(text: str) -> str:
        value = former.get(text, text)
        if value not in values:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(repr, values))}.")
        return value

    return read


def _former_parameter(former: Former) -> inspect.Parameter:
    """The field under its former name: taken, but not listed."""
    kind: Any = Literal[tuple(former.values)]
    return inspect.Parameter(
        former.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=typer.Option(None, f"--{former.name}", hidden=True),
        annotation=kind | None,
    )


def _taken(leaf: ConfigField, given: dict[str, Any]) -> Any:
    """What the user gave for the field, taken out of ``given``; None if nothing."""
    value = given.pop(leaf.name)
    former = leaf.flag.former
    if former is None or former.name == leaf.name:
        return value
    earlier = given.pop(former.name)
    return former.values[earlier] if value is None and earlier is not None else value


def _default_text(leaf: ConfigField) -> str:
    # In the help text, since the option's own default is "not given".
    if leaf.default is None or leaf.default == ():
        return ""
    if isinstance(leaf.default, bool):
        return f" (default: {'yes' if leaf.default else 'no'})"
    return f" (default: {leaf.default})"
