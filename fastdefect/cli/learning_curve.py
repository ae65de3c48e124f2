"""``fastdefect learning-curve``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastdefect.cli.series import Launch, show_series
from fastdefect.cli.session import (
    TRAIN,
    Budget,
    ConfigFile,
    DataRoot,
    Json,
    NewName,
    Quiet,
    Resume,
    Runs,
    app,
    budget_minutes,
    refuse_with_resume,
    run_to_resume,
    session,
)
from fastdefect.config_resolve import resolve
from fastdefect.options import with_config_options

if TYPE_CHECKING:
    from fastdefect.jobs.learning_curve import CurveReport


@app.command("learning-curve", rich_help_panel=TRAIN)
@with_config_options(sections=("data", "model", "training"))
def learning_curve(
    flags: dict[str, Any],
    *,
    points: Annotated[
        int | None,
        typer.Option(
            min=3, max=10, show_default="4", help="Number of shares of the parts: 1, 1/2, 1/4, ..."
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            min=1, max=100, show_default="3", help="Trainings per share, on different parts."
        ),
    ] = None,
    budget: Budget = None,
    config: ConfigFile = None,
    runs: Runs = Path("runs"),
    name: NewName = None,
    resume: Resume = None,
    data_root: DataRoot = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train on growing shares of the parts, and forecast the gain of twice as many photos."""
    with session(quiet, as_json) as screen:
        own = {"config": config, "name": name, "points": points, "repeats": repeats}
        refuse_with_resume(resume, {**flags, **own}, "Remove them; only --budget can be changed.")
        settings, minutes = resolve(flags, config), budget_minutes(budget)
        launch = Launch(
            settings, runs, name, resumed=run_to_resume(resume, runs, data_root, screen)
        )
        from fastdefect.jobs import learning_curve as job
        from fastdefect.reporting.tables.learning_curve import learning_table, outlook_lines

        plan = {"points": points or 4, "repeats": repeats or 3}
        report: CurveReport = launch.run_job(job, screen, plan, budget_minutes=minutes)
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
