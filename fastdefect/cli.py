"""The commands: options to a config, one call, and what it gave to the screen.

Nothing heavy is imported here: each command imports its job when it runs, so that help
appears at once.
"""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fastdefect import __version__
from fastdefect.config import Device, RunConfig, resolve
from fastdefect.errors import FastdefectError, UsageError
from fastdefect.options import with_config_options

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.cross_validate import CrossReport
    from fastdefect.jobs.fit import FitReport
    from fastdefect.run import Run

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
RunName = Annotated[
    str | None, typer.Argument(help="A run's folder or name.", show_default="the latest")
]


def main() -> None:
    """The console script."""
    app()


@contextmanager
def _session(quiet: bool = False, as_json: bool = False) -> Iterator["Screen"]:
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


@app.command()
@with_config_options(sections=("data", "model", "training", "report"))
def fit(
    flags: dict[str, Any],
    *,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings; flags override it.")
    ] = None,
    runs: Runs = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Name of the run.", show_default="time")] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with an interrupted run.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a classifier on a folder of photos; everything about it lands in runs/NAME."""
    with _session(quiet, as_json) as screen:
        if resume is not None and (flags or config or name):
            given = [*flags, *(["config"] if config else []), *(["name"] if name else [])]
            raise UsageError(
                "--resume goes on with the run's own settings, but also got "
                + ", ".join(f"--{flag.replace('_', '-')}" for flag in given)
                + ".",
                "Leave them out; or start anew with --config RUN/config.toml and the flags.",
            )
        settings = resolve(flags, config)
        from fastdefect.run import CROSS_VALIDATION, INTERRUPTED
        from fastdefect.runs import open_run

        # Before the job, whose import takes seconds: a mistyped name is told at once.
        interrupted = open_run(resume, runs) if resume is not None else None
        if interrupted is not None:
            crossing = interrupted.read_kind() == CROSS_VALIDATION
        else:
            crossing = settings.report.folds is not None
        do = _cross_validate if crossing else _fit
        if do(screen, settings, runs, name, interrupted) == INTERRUPTED:
            raise typer.Exit(INTERRUPTED_EXIT)


def _fit(
    screen: "Screen", settings: RunConfig, runs: Path, name: str | None, interrupted: "Run | None"
) -> str:
    """One training, new or resumed; how it ended."""
    from fastdefect.jobs import fit as job

    if interrupted is not None:
        report = job.resume(interrupted, on_event=screen)
    else:
        report = job.start(settings, runs=runs, name=name, command=_command_line(), on_event=screen)
    _show_fit(screen, report)
    return report.reason


def _cross_validate(
    screen: "Screen", settings: RunConfig, runs: Path, name: str | None, interrupted: "Run | None"
) -> str:
    """A training for each fold, new or resumed; how the last one ended."""
    from fastdefect.jobs import cross_validate as job

    if interrupted is not None:
        report = job.resume(interrupted, on_event=screen)
    else:
        report = job.start(settings, runs=runs, name=name, command=_command_line(), on_event=screen)
    _show_folds(screen, report)
    return report.reason


def _command_line() -> str:
    """What the user typed, for the run's records."""
    return shlex.join(["fastdefect", *sys.argv[1:]])


def _show_fit(screen: "Screen", report: "FitReport") -> None:
    from fastdefect.jobs.fit import as_event_data
    from fastdefect.reporting.tables import metrics_table, targets_table

    if report.metrics:
        screen.table(metrics_table(report.metrics, report.bench_swap))
    if report.verdicts:
        screen.table(targets_table(report.verdicts))
    screen.line(f"Run: {report.run.folder}")
    if report.reason == "interrupted":
        screen.line(f"Go on with: fastdefect fit --resume {report.run.folder}")
    elif report.n_test:
        screen.line(
            f"{report.n_test} test photos are sealed; open them once, when all is chosen: "
            "fastdefect tta-eval --split test"
        )
    screen.result("result", as_event_data(report))


def _show_folds(screen: "Screen", report: "CrossReport") -> None:
    from fastdefect.reporting.tables import folds_table, targets_table

    outcome = report.outcome
    if outcome is not None:
        screen.table(
            folds_table(
                outcome.spreads,
                outcome.pooled,
                outcome.intervals,
                folds=report.n_folds,
                n_parts=outcome.n_parts,
            )
        )
        if outcome.verdicts:
            screen.table(targets_table(outcome.verdicts))
    screen.line(f"Run: {report.run.folder}")
    if report.reason == "interrupted":
        screen.line(
            f"{report.done} of {report.n_folds} folds are done. "
            f"Go on with: fastdefect fit --resume {report.run.folder}"
        )
    elif report.n_test:
        screen.line(f"{report.n_test} test photos are sealed and were in no fold.")
    screen.result("result", report.as_json())


@app.command()
@with_config_options(
    only=(
        *("data", "good", "part_from", "parts", "valid", "test", "unleak", "strict"),
        *("folds", "seed"),
    )
)
def split(
    flags: dict[str, Any],
    *,
    out: Annotated[Path, typer.Option(help="Where the CSV goes.")] = Path("split.csv"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write who is in train, valid and test, or in which fold, for other tools: parts whole."""
    with _session(quiet, as_json) as screen:
        settings = resolve(flags)
        from fastdefect.jobs.split import split as job
        from fastdefect.reporting.split_table import split_table

        report = job(
            settings.data,
            seed=settings.training.seed,
            folds=settings.report.folds,
            out=out,
            on_event=screen,
        )
        screen.table(
            split_table(
                report.sides,
                report.labels,
                report.parts,
                report.manifest.classes,
                kind=report.kind,
            )
        )
        screen.line(f"Split: {report.path}")
        screen.result("result", report.as_json())


@app.command()
@with_config_options(only=("data", "good", "part_from", "parts", "strict", "seed"))
def audit(
    flags: dict[str, Any],
    *,
    out: Annotated[Path, typer.Option(help="Folder for what is found.")] = Path("audit"),
    fail_on: Annotated[
        str | None,
        typer.Option(metavar="KIND,...", help="Exit 1 if there are findings of these kinds."),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Find out whether the photos can be trusted: files, labels, repeats, leaks, shortcuts."""
    with _session(quiet, as_json) as screen:
        settings = resolve(flags)
        from fastdefect.jobs.audit import audit as job
        from fastdefect.jobs.audit import parse_kinds
        from fastdefect.reporting.audit import findings_table

        report = job(
            settings.data,
            seed=settings.training.seed,
            out=out,
            fail_on=parse_kinds(fail_on),
            on_event=screen,
        )
        screen.table(findings_table(report.audit.findings))
        for file in report.files:
            screen.line(f"Written: {file}")
        screen.result("audit", report.as_json())
        if report.failed:
            screen.line(f"Failed on: {', '.join(report.failed)}")
            raise typer.Exit(1)


@app.command("tta-eval")
def tta_eval(
    run: RunName = None,
    *,
    views: Annotated[
        str, typer.Option(help="none, flips, dihedral, or random:N (fastai's learn.tta).")
    ] = "flips",
    split: Annotated[Literal["valid", "test"], typer.Option(help="Which photos.")] = "valid",
    data: Annotated[Path | None, typer.Option(help="Other labelled photos instead.")] = None,
    device: Annotated[Device, typer.Option(help="Where to run.")] = "auto",
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure a run's model without and with test-time augmentation."""
    with _session(quiet, as_json) as screen:
        from fastdefect.runs import open_run

        chosen = open_run(run, runs)
        chosen.require_model()
        from fastdefect.jobs.tta_eval import tta_eval as job
        from fastdefect.reporting.tables import tta_table

        report = job(
            chosen,
            views=views,
            split=split,
            data=data,
            device=device,
            command=_command_line(),
            on_event=screen,
        )
        screen.table(
            tta_table(
                report.plain,
                report.averaged,
                report.seconds,
                split=report.split,
                views=report.views,
                opening=report.opening,
                swaps=report.swaps,
            )
        )
        for file in report.files:
            screen.line(f"Predictions: {file}")
        screen.result("result", report.as_json())


@app.command()
@with_config_options(only=("data", "part_from", "image_size", "resize", "augment", "light", "seed"))
def preview(
    flags: dict[str, Any],
    *,
    photos: Annotated[int, typer.Option(min=1, max=200, help="Rows of the sheet.")] = 8,
    draws: Annotated[int, typer.Option(min=1, max=20, help="Augmented versions of each.")] = 5,
    out: Annotated[Path, typer.Option(help="Where the sheet goes, PNG.")] = Path("preview.png"),
) -> None:
    """Write a contact sheet of what the model will see: originals beside augmented."""
    with _session() as screen:
        settings = resolve(flags)
        from fastdefect.jobs.look import preview as job

        path = job(
            settings.data,
            seed=settings.training.seed,
            photos=photos,
            draws=draws,
            out=out,
            on_event=screen,
        )
        screen.line(f"Contact sheet: {path}")


@app.command("lr-find")
@with_config_options(sections=("data", "model", "training"))
def lr_find(
    flags: dict[str, Any],
    *,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings; flags override it.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the plot goes, PNG.")] = Path("lr-find.png"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Try rising learning rates for a hundred batches; plot the loss and suggest one."""
    with _session(quiet, as_json) as screen:
        settings = resolve(flags, config)
        from fastdefect.jobs.look import lr_find as job

        report = job(settings, out=out, on_event=screen)
        screen.line(f"Suggested: --learning-rate {report.suggestion:.2g} (plot: {report.plot})")
        screen.result("result", {"learning_rate": report.suggestion, "plot": str(report.plot)})


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    *,
    n: Annotated[int, typer.Option("--n", min=1, help="Number of photos.")] = 120,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    size: Annotated[int, typer.Option(min=48, max=2048, help="Side of a photo, pixels.")] = 256,
    photos_per_part: Annotated[int, typer.Option(min=1, help="Photos of each part.")] = 3,
    defective: Annotated[float, typer.Option(min=0, max=1, help="Share of defective parts.")] = 0.5,
    difficulty: Annotated[
        int | None,
        typer.Option(min=1, max=3, help="1 obvious to 3 faint.", show_default="mixed"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Render photos of cast parts, good and defective, with labels and boxes in a CSV."""
    with _session(quiet) as screen:
        from fastdefect.data.sample import render_sample
        from fastdefect.events import Progress

        path = render_sample(
            folder,
            n=n,
            seed=seed,
            size=size,
            photos_per_part=photos_per_part,
            defective=defective,
            difficulty=difficulty,
            on_progress=lambda done, total: screen(Progress("rendering", done, total)),
        )
        screen.line(f"{n} photos and their labels: {path}")


@app.command("runs")
def list_of_runs(
    *,
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """List the runs, oldest first."""
    with _session(as_json=as_json) as screen:
        from fastdefect.reporting.tables import runs_table
        from fastdefect.runs import list_runs, summarise

        rows = [summarise(run) for run in list_runs(runs)]
        screen.table(runs_table(rows))
        screen.result("runs", {"runs": rows})
