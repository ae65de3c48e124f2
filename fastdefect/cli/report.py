"""``fastdefect report``."""

from pathlib import Path
from typing import Annotated, Literal

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
from fastdefect.run_registry import open_run


@app.command(rich_help_panel=JUDGE)
@with_request("data_root")
def report(
    run: RunName = None,
    *,
    request: Request,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The file.", show_default="report.html in the run folder"),
    ] = None,
    photos: Annotated[
        Literal["all", "errors", "none"],
        typer.Option("--photos", help="all, those decided wrongly or hardly, or none."),
    ] = "errors",
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write one HTML file about a run: verdict, figures, sliders, photos, model card.

    The file needs no network and no other file. The sealed test stays sealed.
    """
    with session(quiet, as_json) as screen:
        chosen = open_run(run, runs)
        chosen.require_trained()
        from fastdefect.jobs.report import report as job

        made = job(chosen, on_event=screen, out=out, photos=photos, data_root=request.data_root)
        megabytes = f"{made.size / 1e6:.1f} MB"
        lines = (f"{made.photos} photos, {made.pictures} of them with a picture; {megabytes}.",)
        show(screen, "report", made.as_json(), lines=lines, files=(made.path,))
