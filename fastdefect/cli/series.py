"""The commands that train several times on the same photos: quick-test, ablate, learning-curve."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fastdefect.cli.session import (
    INTERRUPTED_EXIT,
    Budget,
    ConfigFile,
    Json,
    NewName,
    Quiet,
    Runs,
    app,
    budget_minutes,
    command_line,
    refuse_with_resume,
    session,
)
from fastdefect.config import RunConfig, load_config_file, override, resolve
from fastdefect.errors import UsageError
from fastdefect.options import with_config_options

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.ablate import AblationReport
    from fastdefect.jobs.learning_curve import CurveReport
    from fastdefect.jobs.quick_test import QuickReport
    from fastdefect.jobs.series.series import SeriesReport
    from fastdefect.run import Run

_QUICK_EPOCHS = 3

Resume = Annotated[
    str | None, typer.Option("--resume", metavar="RUN", help="Do what is left of a run.")
]


@app.command("quick-test")
@with_config_options(sections=("data", "model", "training"))
def quick_test(
    flags: dict[str, Any],
    *,
    config: ConfigFile = None,
    runs: Runs = Path("runs"),
    name: NewName = None,
    resume: Resume = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Old small CNN against improved pipeline, same photos, 3 epochs unless said otherwise."""
    with session(quiet, as_json) as screen:
        refuse_with_resume(resume, {**flags, "config": config, "name": name})
        settings = _quick_settings(flags, config)
        begun = _begun(resume, runs)
        from fastdefect.jobs import quick_test as job

        if begun is not None:
            report = job.resume(begun, on_event=screen)
        else:
            report = job.start(
                settings, runs=runs, name=name, command=command_line(), on_event=screen
            )
        _show_quick(screen, report)


def _begun(resume: str | None, runs: Path) -> "Run | None":
    """The run to go on with. Before the job, whose import takes seconds: a typo is told at once."""
    from fastdefect.run_registry import open_run

    return open_run(resume, runs) if resume is not None else None


def _quick_settings(flags: dict[str, Any], config: Path | None) -> RunConfig:
    settings = resolve(flags, config)  # which refuses a file that is none
    file = load_config_file(config) if config is not None else {}
    if "epochs" in flags or "epochs" in file.get("training", {}):
        return settings
    if settings.training.freeze_epochs >= _QUICK_EPOCHS:
        raise UsageError(
            f"--freeze-epochs {settings.training.freeze_epochs}: a quick test has {_QUICK_EPOCHS} "
            "epochs unless said, frozen ones included.",
            "Give more --epochs, too.",
        )
    return override(settings, {"epochs": _QUICK_EPOCHS})


def _show_quick(screen: "Screen", report: "QuickReport") -> None:
    from fastdefect.reporting.tables.quick_test import quick_table

    if report.comparison is not None:
        seconds = {each.member.name: each.seconds for each in report.series.finished}
        screen.table(quick_table(report.metrics, report.comparison, report.verdicts, seconds))
    _close(screen, report.series, report.files, report.as_json())


@app.command()
@with_config_options(sections=("data", "model", "training"))
def ablate(
    flags: dict[str, Any],
    *,
    steps: Annotated[
        Literal["ladder", "leave-one-out"] | None,
        typer.Option(help="One thing after the other, or all without each.", show_default="ladder"),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=100, show_default="3", help="Seeds of split and training."),
    ] = None,
    budget: Budget = None,
    config: ConfigFile = None,
    runs: Runs = Path("runs"),
    name: NewName = None,
    resume: Resume = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure what each step of the improved pipeline gains over the old one."""
    with session(quiet, as_json) as screen:
        own = {"config": config, "name": name, "steps": steps, "seeds": seeds}
        refuse_with_resume(
            resume, {**flags, **own}, "Leave them out; only --budget may be given anew."
        )
        settings, minutes = resolve(flags, config), budget_minutes(budget)
        begun = _begun(resume, runs)
        from fastdefect.jobs import ablate as job

        if begun is not None:
            report = job.resume(begun, budget_minutes=minutes, on_event=screen)
        else:
            report = job.start(
                settings,
                plan=steps or "ladder",
                seeds=seeds or 3,
                budget_minutes=minutes,
                runs=runs,
                name=name,
                command=command_line(),
                on_event=screen,
            )
        _show_ablation(screen, report)


def _show_ablation(screen: "Screen", report: "AblationReport") -> None:
    from fastdefect.reporting.tables.ablate import ablation_table

    if report.figures:
        n_seeds = max(len(by_seed) for by_seed in report.figures.values())
        title = f"Ablation, {n_seeds} seed{'s' if n_seeds > 1 else ''}, validation"
        screen.table(ablation_table(report.steps, report.figures, report.gains, title=title))
    _close(screen, report.series, report.files, report.as_json())


@app.command("learning-curve")
@with_config_options(sections=("data", "model", "training"))
def learning_curve(
    flags: dict[str, Any],
    *,
    points: Annotated[
        int | None,
        typer.Option(
            min=3, max=10, show_default="4", help="Shares of the parts: all, 1/2, 1/4, ..."
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(min=1, max=100, show_default="3", help="Trainings of each, other parts each."),
    ] = None,
    budget: Budget = None,
    config: ConfigFile = None,
    runs: Runs = Path("runs"),
    name: NewName = None,
    resume: Resume = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train on an eighth to all of the parts: what would twice as many photos bring?"""
    with session(quiet, as_json) as screen:
        own = {"config": config, "name": name, "points": points, "repeats": repeats}
        refuse_with_resume(
            resume, {**flags, **own}, "Leave them out; only --budget may be given anew."
        )
        settings, minutes = resolve(flags, config), budget_minutes(budget)
        begun = _begun(resume, runs)
        from fastdefect.jobs import learning_curve as job

        if begun is not None:
            report = job.resume(begun, budget_minutes=minutes, on_event=screen)
        else:
            report = job.start(
                settings,
                points=4 if points is None else points,
                repeats=3 if repeats is None else repeats,
                budget_minutes=minutes,
                runs=runs,
                name=name,
                command=command_line(),
                on_event=screen,
            )
        _show_curve(screen, report)


def _show_curve(screen: "Screen", report: "CurveReport") -> None:
    from fastdefect.reporting.tables.learning_curve import learning_table, outlook_lines

    if report.valid is not None:
        screen.table(
            learning_table(
                report.points,
                report.outlook,
                valid_photos=report.valid.photos,
                valid_parts=report.valid.parts,
            )
        )
        for line in outlook_lines(report.points, report.outlook):
            screen.line(line)
    _close(screen, report.series, report.files, report.as_json())


def _close(screen: "Screen", series: "SeriesReport", files: Sequence[Path], result: Any) -> None:
    """What every series ends with; exits with its own code if it was interrupted."""
    from fastdefect.reporting.tables.unfinished import left_line
    from fastdefect.run import INTERRUPTED

    for file in files:
        screen.line(f"Written: {file}")
    screen.line(f"Run: {series.run.folder}")
    if series.diverged:
        screen.line(f"Diverged and left out: {', '.join(m.name for m in series.diverged)}")
    if series.left:
        left = [member.name for member in series.left]
        screen.line(left_line(len(series.finished), left, series.seconds_left))
        screen.line(f"Go on with: {series.run.resume_command}")
    screen.result("result", result)
    if series.reason == INTERRUPTED:
        raise typer.Exit(INTERRUPTED_EXIT)
