"""The commands that train several times on the same photos."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from fastdefect.config import resolve
from fastdefect.options import with_config_options

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.learning_curve import CurveReport


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
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Do what is left of a learning curve.")
    ] = None,
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
        from fastdefect.run import INTERRUPTED
        from fastdefect.runs import open_run

        # Before the job, whose import takes seconds: a mistyped name is told at once.
        begun = open_run(resume, runs) if resume is not None else None
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
        _show(screen, report)
        if report.series.reason == INTERRUPTED:
            raise typer.Exit(INTERRUPTED_EXIT)


def _show(screen: "Screen", report: "CurveReport") -> None:
    from fastdefect.reporting.learning_table import learning_table, outlook_lines
    from fastdefect.reporting.left import left_line

    series, folder = report.series, report.series.run.folder
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
    for file in report.files:
        screen.line(f"Written: {file}")
    screen.line(f"Run: {folder}")
    if series.left:
        left = [member.name for member in series.left]
        screen.line(left_line(len(series.finished), left, series.seconds_left))
        screen.line(f"Go on with: {series.run.resume_command}")
    screen.result("result", report.as_json())
