"""Shared parts of the commands: the app, common options, and the screen."""

import inspect
import math
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fastdefect import __version__
from fastdefect.config import Device, PartRule, Unit
from fastdefect.errors import FastdefectError, UsageError
from fastdefect.jobs.trained.request import Request
from fastdefect.machine import machine_error

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.reporting.tables.table_data import TableData
    from fastdefect.run import Run

FOUND_EXIT = 3  # --fail-on names what was found; beside 1 (an error) and 2 (wrong usage)
INTERRUPTED_EXIT = 130  # the exit code that a shell reports after Ctrl-C

# The small installation for a line (inspector.txt) lacks two packages that rich needs for --help.
_RICH_HELP = bool(find_spec("markdown_it") and find_spec("pygments"))

app = typer.Typer(
    name="fastdefect",
    help="From a folder of part photos to a defect classifier that a factory can trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if _RICH_HELP else None,
)

# The groups of the commands in --help.
TRAIN, DATA, JUDGE, DECIDE, USE = "Train", "Data", "Judge", "Decide", "Use"

Quiet = Annotated[bool, typer.Option("--quiet", help="Show only errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder of the runs.")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="TOML file with settings; flags override it.")
]
NewName = Annotated[
    str | None, typer.Option("--name", help="Name of the run.", show_default="time")
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="MIN",
        help="Time limit, e.g. 30m or 2h; --resume continues with the rest.",
    ),
]
Resume = Annotated[
    str | None, typer.Option("--resume", metavar="RUN", help="Resume an unfinished run.")
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        metavar="DIR",
        help="Folder where the photos of the run are now; found by their bytes, and remembered.",
    ),
]
PageFile = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="FILE", help="Also write one HTML file, to read and to print."
    ),
]
PagePhotos = Annotated[
    Literal["all", "errors", "none"] | None,
    typer.Option(
        "--photos",
        help="Photos in the file of --report: all, the most important ones, or none.",
        show_default="errors",
    ),
]
RunName = Annotated[
    str | None, typer.Argument(help="Folder or name of a run.", show_default="the latest")
]
# The options of a request, by its fields; see with_request.
_REQUEST: Mapping[str, Any] = {
    "split": Annotated[Literal["valid", "test"], typer.Option("--split", help="Split to use.")],
    "data": Annotated[
        Path | None, typer.Option("--data", help="Use other labelled photos instead.")
    ],
    "include_trained": Annotated[
        bool,
        typer.Option(
            "--include-trained",
            help="Keep photos of --data that the run was trained on; they are left out otherwise.",
        ),
    ],
    "data_root": DataRoot,
    "views": Annotated[
        str | None,
        typer.Option(
            "--views",
            help="Average over views: none, auto, flips, dihedral, turns, mirror, half-turn.",
            show_default="those of the operating point or the run",
        ),
    ],
    "threshold": Annotated[
        str,
        typer.Option("--threshold", help="stored (the operating point), argmax, or a number."),
    ],
    "decide": Annotated[
        Unit | None,
        typer.Option(
            "--decide",
            help="What one decision is about: each photo, or each part with all its photos.",
            show_default="that of the operating point, else photo",
        ),
    ],
    "part_rule": Annotated[
        PartRule | None,
        typer.Option(
            "--part-rule",
            help="Score of a part, of those of its photos: the highest (worst), mean, noisy-or, "
            "or learned (stacking).",
            show_default="that of the operating point, else worst",
        ),
    ],
    "device": Annotated[Device, typer.Option("--device", help="Device to run on.")],
}


def with_request(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add options to a command for these fields of ``Request``; it receives ``request``."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters.values()

        @wraps(command)
        def wrapper(**given: Any) -> None:
            values = {name: given.pop(name) for name in names}
            command(request=Request(**values, command=command_line()), **given)

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
        # Typer reads both the signature and the annotations.
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapper

    return decorate


def check_page(path: Path | None, photos: str | None = None) -> None:
    """Raise ``UsageError`` if ``--report`` names no file that can be written.

    Also if there is a value of ``--photos``, but no ``--report``.
    """
    from fastdefect.files import check_output_path

    if path is not None:
        check_output_path(path, "--report", (".html", ".htm"))
    elif photos is not None:
        raise UsageError(
            f"--photos {photos} selects the photos of --report, but there is no --report.",
            "Add --report FILE, or remove --photos.",
        )


def run_with_model(name: str | None, runs: Path) -> "Run":
    """The run with this name or folder, or the latest. Raises ``RunError`` if it has no model.

    Call this before importing the job, which takes seconds.
    """
    from fastdefect.run_registry import open_run

    run = open_run(name, runs)
    run.require_model()
    return run


def run_to_resume(
    name: str | None, runs: Path, data_root: Path | None, screen: "Screen"
) -> "Run | None":
    """The run to resume, or None if there is no ``name``; its photos are now below ``data_root``.

    Raises ``UsageError`` for ``data_root`` without a run, and ``DataError`` if photos are missing.
    """
    from fastdefect.run_registry import open_run

    if name is None:
        if data_root is not None:
            raise UsageError(
                "--data-root names the place of a run's photos and needs --resume.",
                "Give a new run its photos as DATA.",
            )
        return None
    run = open_run(name, runs)
    if data_root is not None:
        from fastdefect.jobs.trained.run_photos import ALL_SIDES, settle_root

        settle_root(run, data_root, ALL_SIDES, screen)
    return run


def show(
    screen: "Screen",
    command: str,
    result: Any,
    *,
    tables: "Iterable[TableData]" = (),
    lines: Iterable[str] = (),
    files: Iterable[Path | str] = (),
) -> None:
    """Show the result of a command: tables, lines, written files, and an event with its name."""
    for table in tables:
        screen.table(table)
    for line in lines:
        screen.line(line)
    for file in files:
        screen.line(f"Written: {file}")
    screen.result(command, result)


def sealed_text(n_test: int) -> str:
    """The start of a line with the command that opens the sealed test."""
    return f"{n_test} test photos are sealed. Open them once, after all choices are made"


@contextmanager
def session(quiet: bool = False, as_json: bool = False) -> Iterator["Screen"]:
    """A screen for the command. A ``FastdefectError`` becomes a message and an exit code.

    So do a full disk and other errors of the machine, and a missing package in the small
    installation for a line (``inspector.txt``).
    """
    from fastdefect.console import screen, show_error

    if quiet and as_json:
        raise typer.BadParameter("--quiet and --json exclude each other.")
    with screen("json" if as_json else "quiet" if quiet else "auto") as shown:
        try:
            yield shown
            return
        except FastdefectError as error:
            failed = error
        except ModuleNotFoundError as error:
            if find_spec("torch"):
                raise
            failed = UsageError(
                f"This command needs {error.name}, which is not installed: this is the small "
                "installation for predict with a bundle.",
                "Install all dependencies: python -m pip install -c constraints.txt .",
            )
        except Exception as error:
            known = machine_error(error)
            if known is None:
                raise
            failed = known
        shown.result("error", {"message": failed.message, "hint": failed.hint})
    show_error(failed)
    raise typer.Exit(failed.exit_code)


def refuse_with_resume(
    resume: str | None,
    others: Mapping[str, Any],
    hint: str = "Remove them, or start a new run with --config RUN/config.toml and these flags.",
) -> None:
    """Raise ``UsageError`` if any option in ``others``, by name, is given with ``--resume``."""
    given = [option for option, value in others.items() if value is not None]
    if resume is not None and given:
        raise UsageError(
            "--resume uses the settings of the run, but also got "
            + ", ".join(f"--{option.replace('_', '-')}" for option in given)
            + ".",
            hint,
        )


def budget_minutes(text: str | None) -> float | None:
    """Parse ``30``, ``30m`` or ``1.5h`` to minutes; None stays None. Raises ``UsageError``.

    With a budget of 0 no training starts, but the trainings are checked and listed.
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
        raise UsageError(
            f"--budget {text}: expected minutes or hours, such as 30, 30m or 2h.",
            "Give one number, with m or h after it or without a unit.",
        )
    return minutes


def command_line() -> str:
    """The command line as typed, for the records of the run."""
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
