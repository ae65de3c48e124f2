"""``fastdefect learning-curve``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastdefect.cli.series import show_series
from fastdefect.cli.session import (
    TRAIN,
    Budget,
    ConfigFile,
    Json,
    NewName,
    Quiet,
    Resume,
    Runs,
    app,
    budget_minutes,
    command_line,
    refuse_with_resume,
    run_to_resume,
    session,
)
from fastdefect.config_resolve import resolve
from fastdefect.options import with_config_options


@app.command("learning-curve", rich_help_panel=TRAIN)
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
        begun = run_to_resume(resume, runs)
        from fastdefect.jobs import learning_curve as job
        from fastdefect.reporting.tables.learning_curve import learning_table, outlook_lines

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
        tables, lines = [], []
        if report.valid is not None:
            tables.append(
                learning_table(
                    report.points,
                    report.outlook,
                    valid_photos=report.valid.photos,
                    valid_parts=report.valid.parts,
                )
            )
            lines = list(outlook_lines(report.points, report.outlook))
        show_series(screen, "learning-curve", report, tables=tables, lines=lines)
