"""The commands that train several times on the same photos."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastdefect.cli.session import Json, Quiet, Runs, app, command_line, session
from fastdefect.config import resolve
from fastdefect.errors import UsageError
from fastdefect.options import with_config_options

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.learning_curve import CurveReport

_INTERRUPTED_EXIT = 130  # as a shell reports a program that Ctrl-C ended


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
    budget: Annotated[
        float | None,
        typer.Option(min=0, metavar="MIN", help="Begin no training that would end later."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings; flags override it.")
    ] = None,
    runs: Runs = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Name of the run.", show_default="time")] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Do what is left of a learning curve.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train on an eighth to all of the parts: what would twice as many photos bring?"""
    with session(quiet, as_json) as screen:
        own = {"config": config, "name": name, "points": points, "repeats": repeats}
        given = [*flags, *(option for option, value in own.items() if value is not None)]
        if resume is not None and given:
            raise UsageError(
                "--resume goes on with the run's own settings, but also got "
                + ", ".join(f"--{option.replace('_', '-')}" for option in given)
                + ".",
                "Leave them out; only --budget may be given anew.",
            )
        settings = resolve(flags, config)
        from fastdefect.run import INTERRUPTED
        from fastdefect.runs import open_run

        # Before the job, whose import takes seconds: a mistyped name is told at once.
        begun = open_run(resume, runs) if resume is not None else None
        from fastdefect.jobs import learning_curve as job

        if begun is not None:
            report = job.resume(begun, budget_minutes=budget, on_event=screen)
        else:
            report = job.start(
                settings,
                points=4 if points is None else points,
                repeats=3 if repeats is None else repeats,
                budget_minutes=budget,
                runs=runs,
                name=name,
                command=command_line(),
                on_event=screen,
            )
        _show(screen, report)
        if report.series.reason == INTERRUPTED:
            raise typer.Exit(_INTERRUPTED_EXIT)


def _show(screen: "Screen", report: "CurveReport") -> None:
    from fastdefect.jobs.learning_curve import left_line
    from fastdefect.reporting.learning_table import learning_table, outlook_lines

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
        for line in outlook_lines(report.outlook):
            screen.line(line)
    for file in report.files:
        screen.line(f"Written: {file}")
    screen.line(f"Run: {folder}")
    if series.left:
        screen.line(left_line(series))
        screen.line(f"Go on with: fastdefect learning-curve --resume {folder}")
    screen.result("result", report.as_json())
