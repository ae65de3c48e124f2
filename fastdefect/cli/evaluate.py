"""``fastdefect evaluate``."""

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


@app.command(rich_help_panel=JUDGE)
@with_request(
    "split",
    "data",
    "include_trained",
    "data_root",
    "views",
    "threshold",
    "decide",
    "part_rule",
    "device",
)
def evaluate(
    run: RunName = None,
    *,
    request: Request,
    attention: Annotated[
        bool,
        typer.Option(
            "--attention",
            help="Also measure how much of the evidence for a defect is on the part.",
        ),
    ] = False,
    unseen_types: Annotated[
        bool,
        typer.Option(
            "--unseen-types",
            help="Also train without each type of defect, and measure the escapes of this type.",
        ),
    ] = False,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure the model of a run: all metrics with intervals, guaranteed rates, and plots."""
    with session(quiet, as_json) as screen:
        chosen = run_with_model(run, runs)
        from fastdefect.jobs.evaluate import evaluate as job
        from fastdefect.reporting.tables.evaluate import claim_lines

        report = job(
            chosen, request, attention=attention, unseen_types=unseen_types, on_event=screen
        )
        show(
            screen,
            "evaluate",
            report.as_json(),
            tables=report.tables(),
            lines=claim_lines(report.decided),
            files=report.files,
        )
