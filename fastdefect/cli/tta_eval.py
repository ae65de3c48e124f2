"""``fastdefect tta-eval``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from fastdefect.cli.session import (
    JUDGE,
    Json,
    Quiet,
    RunName,
    Runs,
    app,
    run_with_model,
    session,
    show,
    with_request,
)
from fastdefect.jobs.trained.request import Request


@app.command("tta-eval", rich_help_panel=JUDGE)
@with_request("split", "data", "include_trained", "data_root", "device")
def tta_eval(
    run: RunName = None,
    *,
    request: Request,
    views: Annotated[
        str,
        typer.Option(
            help="auto, flips, dihedral, turns, mirror, half-turn, none, or random:N (learn.tta)."
        ),
    ] = "flips",
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure the model of a run without and with test-time augmentation."""
    with session(quiet, as_json) as screen:
        chosen = run_with_model(run, runs)
        from fastdefect.jobs.tta_eval import tta_eval as job
        from fastdefect.reporting.tables.fit import MeasuredOn, ViewsResult, tta_table

        report = job(chosen, replace(request, views=views), on_event=screen)
        table = tta_table(
            ViewsResult(report.plain, report.seconds[0], report.swaps[0]),
            ViewsResult(report.averaged, report.seconds[1], report.swaps[1]),
            views=report.views,
            measured_on=MeasuredOn(report.split, report.opening),
            changes={"photos": report.photos, "parts": report.parts},
        )
        show(screen, "tta-eval", report.as_json(), tables=[table], files=report.files)
