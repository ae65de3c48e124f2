"""What every command shares: the app, its usual options, and the screen that it talks to."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fastdefect import __version__
from fastdefect.errors import FastdefectError

if TYPE_CHECKING:
    from fastdefect.console import Screen

app = typer.Typer(
    name="fastdefect",
    help="From a folder of part photos to a defect classifier that a factory can trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Quiet = Annotated[bool, typer.Option("--quiet", help="Show nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder of all runs.")]
RunName = Annotated[
    str | None, typer.Argument(help="A run's folder or name.", show_default="the latest")
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
