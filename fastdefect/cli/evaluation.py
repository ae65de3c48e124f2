"""The commands about a finished run's worth."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fastdefect.cli.session import Json, Quiet, RunName, Runs, app, command_line, session
from fastdefect.config import Device


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
    with session(quiet, as_json) as screen:
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
            command=command_line(),
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


@app.command("runs")
def list_of_runs(
    *,
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """List the runs, oldest first."""
    with session(as_json=as_json) as screen:
        from fastdefect.reporting.tables import runs_table
        from fastdefect.runs import list_runs, summarise

        rows = [summarise(run) for run in list_runs(runs)]
        screen.table(runs_table(rows))
        screen.result("runs", {"runs": rows})
