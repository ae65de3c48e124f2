"""What every command shares: the app, its usual options, and the screen that it talks to."""

import inspect
import math
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fastdefect import __version__
from fastdefect.config import Device
from fastdefect.errors import FastdefectError, UsageError
from fastdefect.jobs.trained.request import Request

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.reporting.tables.table_data import TableData
    from fastdefect.run import Run

INTERRUPTED_EXIT = 130  # as a shell reports a program that Ctrl-C ended

app = typer.Typer(
    name="fastdefect",
    help="From a folder of part photos to a defect classifier that a factory can trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

# The groups of the commands in --help.
TRAIN, DATA, JUDGE, DECIDE, USE = "Train", "Data", "Judge", "Decide", "Use"

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
Resume = Annotated[
    str | None, typer.Option("--resume", metavar="RUN", help="Do what is left of a run.")
]
RunName = Annotated[
    str | None, typer.Argument(help="A run's folder or name.", show_default="the latest")
]
# The options of a request, by its fields; see with_request.
_REQUEST: Mapping[str, Any] = {
    "split": Annotated[Literal["valid", "test"], typer.Option("--split", help="Which photos.")],
    "data": Annotated[Path | None, typer.Option("--data", help="Other labelled photos instead.")],
    "views": Annotated[
        str | None,
        typer.Option(
            "--views",
            help="Average over views: none, auto, flips, dihedral, turns, mirror, half-turn.",
            show_default="the operating point's, or the run's own",
        ),
    ],
    "threshold": Annotated[
        str,
        typer.Option("--threshold", help="stored (the operating point), argmax, or a number."),
    ],
    "device": Annotated[Device, typer.Option("--device", help="Where to run.")],
}


def with_request(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options for these fields of ``Request``; it gets them as ``request``."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters.values()

        @wraps(command)
        def wrapper(**given: Any) -> None:
            asked = {name: given.pop(name) for name in names}
            command(request=Request(**asked, command=command_line()), **given)

        options = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=getattr(Request, name),
                annotation=_REQUEST[name],
            )
            for name in names
        ]
        arguments = [p for p in own if p.kind is not inspect.Parameter.KEYWORD_ONLY]
        others = [
            p for p in own if p.kind is inspect.Parameter.KEYWORD_ONLY and p.name != "request"
        ]
        parameters = [*arguments, *options, *others]
        # Typer reads the signature and the annotations alike.
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapper

    return decorate


def run_with_model(name: str | None, runs: Path) -> "Run":
    """The run of that name or folder, or the latest; ``RunError`` without a model.

    Called before the job is imported, which takes seconds.
    """
    from fastdefect.run_registry import open_run

    run = open_run(name, runs)
    run.require_model()
    return run


def run_to_resume(name: str | None, runs: Path) -> "Run | None":
    """The run to go on with; None where none is asked for."""
    from fastdefect.run_registry import open_run

    return open_run(name, runs) if name is not None else None


def show(
    screen: "Screen",
    command: str,
    result: Any,
    *,
    tables: "Iterable[TableData]" = (),
    lines: Iterable[str] = (),
    files: Iterable[Path] = (),
) -> None:
    """What a command ends with: tables, lines, the files written, and the event named after it."""
    for table in tables:
        screen.table(table)
    for line in lines:
        screen.line(line)
    for file in files:
        screen.line(f"Written: {file}")
    screen.result(command, result)


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
