"""The commands that ask what a run's figures hang on: disturbed photos, and wrong labels."""

from pathlib import Path
from typing import Annotated

import typer

from fastdefect.cli.session import (
    Data,
    Json,
    OnDevice,
    Quiet,
    RunName,
    Runs,
    Split,
    Threshold,
    Views,
    app,
    command_line,
    session,
)

_Limit = Annotated[
    float | None,
    typer.Option(help="A share from 0 to 1; tells the first strength beyond it.", metavar="SHARE"),
]


@app.command()
def stress(
    run: RunName = None,
    *,
    split: Split = "valid",
    data: Data = None,
    views: Views = None,
    threshold: Threshold = "stored",
    max_flips: _Limit = None,
    max_escape: _Limit = None,
    max_overkill: _Limit = None,
    only: Annotated[
        str | None, typer.Option(help="Names with commas between.", show_default="all")
    ] = None,
    photos: Annotated[
        int | None, typer.Option(min=1, help="At most so many, by class.", show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the photos and the disturbances.")] = 0,
    device: OnDevice = "auto",
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Disturb photos more and more: decisions that flip, escapes and overkill.

    Light, blur, noise, JPEG, turns, shifts, dust and more, each by itself. With limits
    it tells how far each may go. The exit code is 0 whatever breaks.
    """
    with session(quiet, as_json) as screen:
        from fastdefect.run_registry import open_run

        chosen = open_run(run, runs)
        chosen.require_model()
        from fastdefect.evaluation.robustness.stress import Limits
        from fastdefect.jobs.stress import stress as job
        from fastdefect.reporting.tables.stress import break_lines, stress_table

        found = job(
            chosen,
            split=split,
            data=data,
            views=views,
            threshold=threshold,
            limits=Limits(max_flips, max_escape, max_overkill),
            only=only,
            most=photos,
            seed=seed,
            device=device,
            command=command_line(),
            on_event=screen,
        )
        screen.table(
            stress_table(
                found.report,
                found.limits,
                found.decision,
                split=found.split,
                available=found.available,
                opening=found.opening,
            )
        )
        for line in break_lines(found.report, found.limits):
            screen.line(line)
        for file in found.files:
            screen.line(f"Written: {file}")
        screen.result("result", found.as_json())


@app.command("label-check")
def label_check(
    run: RunName = None,
    *,
    show: Annotated[int, typer.Option(min=1, max=400, help="Photos on the sheet.")] = 40,
    device: OnDevice = "auto",
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Rank the labels that are probably wrong, with a contact sheet to look at.

    A cross-validation (`fit --folds 5`) is asked about all photos outside the test,
    another run only about its validation photos.
    """
    with session(quiet, as_json) as screen:
        from fastdefect.run_registry import open_run

        chosen = open_run(run, runs)
        from fastdefect.jobs.label_check import label_check as job
        from fastdefect.reporting.tables.label_check import suspects_table

        found = job(chosen, show=show, device=device, on_event=screen)
        screen.table(suspects_table(found.predictions, found.suspects))
        for file in found.files:
            screen.line(f"Written: {file}")
        screen.result("result", found.as_json())
