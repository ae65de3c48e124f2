"""``fastdefect label-check``."""

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
    session,
    show,
    with_request,
)
from fastdefect.jobs.trained.request import Request


@app.command("label-check", rich_help_panel=JUDGE)
@with_request("data_root", "device")
def label_check(
    run: RunName = None,
    *,
    request: Request,
    show_photos: Annotated[
        int, typer.Option("--show", min=1, max=400, help="Photos on the sheet.")
    ] = 40,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Rank the labels that are probably wrong, and write a contact sheet of their photos.

    A cross-validation (`fit --folds 5`) covers all photos outside the test, any other run
    only its validation photos.
    """
    with session(quiet, as_json) as screen:
        from fastdefect.run_registry import open_run

        chosen = open_run(run, runs)  # a cross-validation is accepted, too: it needs no model
        from fastdefect.jobs.label_check import label_check as job
        from fastdefect.reporting.tables.label_check import suspects_table

        found = job(
            chosen,
            show=show_photos,
            device=request.device,
            on_event=screen,
            data_root=request.data_root,
        )
        table = suspects_table(found.predictions, found.suspects)
        show(screen, "label-check", found.as_json(), tables=[table], files=found.files)
