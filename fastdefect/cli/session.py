"""What every command shares: the app, its usual options, and the screen that it talks to."""

import math
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fastdefect import __version__
from fastdefect.config import Device
from fastdefect.errors import FastdefectError, UsageError

if TYPE_CHECKING:
    from fastdefect.console import Screen

INTERRUPTED_EXIT = 130  # as a shell reports a program that Ctrl-C ended

app = typer.Typer(
    name="fastdefect",
    help="From a folder of part photos to a defect classifier that a factory can trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Quiet = Annotated[bool, typer.Option("--quiet", help="Show nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder of all runs.")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="TOML file of settings; flags override it.")
]
NewName = Annotated[
    str | None, typer.Option("--name", help="Name of the run.", show_default="time")
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget", metavar="MIN", help="Minutes to keep to, 30m or 2h; --resume does the rest."
    ),
]
RunName = Annotated[
    str | None, typer.Argument(help="A run's folder or name.", show_default="the latest")
]
Split = Annotated[Literal["valid", "test"], typer.Option("--split", help="Which photos.")]
Data = Annotated[Path | None, typer.Option("--data", help="Other labelled photos instead.")]
OnDevice = Annotated[Device, typer.Option("--device", help="Where to run.")]
Views = Annotated[
    str | None,
    typer.Option(
        "--views",
        help="Average over views: none, auto, flips, dihedral, turns, mirror, half-turn.",
        show_default="the operating point's, or the run's own",
    ),
]
Threshold = Annotated[
    str,
    typer.Option("--threshold", help="stored (the operating point), argmax, or a number."),
]


@contextmanager
def session(quiet: bool = False, as_json: bool = False) -> Iterator["Screen"]:
    """A screen for the command; an error for people becomes a message and an exit code."""
    from fastdefect.console import screen, show_error

    if quiet and as_json:
        raise typer.BadParameter("--quiet and --json exclude each other.")
    with screen("json" if as_json else "quiet" if quiet else "auto") as shown:
        try:
            yield shown
            return
        except FastdefectError as error:
            failed = error
            shown.result("error", {"message": error.message, "hint": error.hint})
    show_error(failed)
    raise typer.Exit(failed.exit_code)


def refuse_with_resume(
    resume: str | None,
    others: Mapping[str, Any],
    hint: str = "Leave them out; or start anew with --config RUN/config.toml and the flags.",
) -> None:
    """Raise ``UsageError`` if anything of ``others``, by name, was given beside ``--resume``."""
    given = [option for option, value in others.items() if value is not None]
    if resume is not None and given:
        raise UsageError(
            "--resume goes on with the run's own settings, but also got "
            + ", ".join(f"--{option.replace('_', '-')}" for option in given)
            + ".",
            hint,
        )


def budget_minutes(text: str | None) -> float | None:
    """``30``, ``30m`` or ``1.5h`` in minutes, None without one; raises ``UsageError`` for others.

    A budget of 0 begins nothing: what would be trained is checked and told.
    """
    if text is None:
        return None
    given = text.strip().lower()
    units = {"m": 1, "h": 60}
    number, unit = (given[:-1], given[-1]) if given[-1:] in units else (given, "m")
    try:
        minutes = float(number) * units[unit]
    except ValueError:
        minutes = math.nan
    if not 0 <= minutes < math.inf:
        raise UsageError(f"--budget {text}: expected minutes, such as 30, 30m or 2h.")
    return minutes


def command_line() -> str:
    """What the user typed, for the run's records."""
    return shlex.join(["fastdefect", *sys.argv[1:]])


def _version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From a folder of part photos to a defect classifier that a factory can trust."""
