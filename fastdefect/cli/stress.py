"""``fastdefect stress``."""

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

_Limit = Annotated[
    float | None,
    typer.Option(help="A share from 0 to 1; tells the first strength beyond it.", metavar="SHARE"),
]


@app.command(rich_help_panel=JUDGE)
@with_request("split", "data", "views", "threshold", "device")
def stress(
    run: RunName = None,
    *,
    request: Request,
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
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Disturb photos more and more: decisions that flip, escapes and overkill.

    Light, blur, noise, JPEG, turns, shifts, dust and more, each by itself. With limits
    it tells how far each may go. The exit code is 0 whatever breaks.
    """
    with session(quiet, as_json) as screen:
        chosen = run_with_model(run, runs)
        from fastdefect.evaluation.robustness.stress import Limits
        from fastdefect.jobs.stress import StressPlan
        from fastdefect.jobs.stress import stress as job
        from fastdefect.reporting.tables.stress import break_lines, stress_table

        limits = Limits(max_flips, max_escape, max_overkill)
        found = job(chosen, StressPlan(limits, only, photos, seed), request, on_event=screen)
        table = stress_table(
            found.report,
            found.limits,
            found.decision,
            split=found.split,
            available=found.available,
            opening=found.opening,
        )
        show(
            screen,
            "stress",
            found.as_json(),
            tables=[table],
            lines=break_lines(found.report, found.limits),
            files=found.files,
        )
