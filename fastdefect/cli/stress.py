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
    typer.Option(
        help="Limit, 0 to 1; the first strength that exceeds it is reported.", metavar="SHARE"
    ),
]


@app.command(rich_help_panel=JUDGE)
@with_request("split", "data", "include_trained", "data_root", "views", "threshold", "device")
def stress(
    run: RunName = None,
    *,
    request: Request,
    max_flips: _Limit = None,
    max_escape: _Limit = None,
    max_overkill: _Limit = None,
    only: Annotated[
        str | None,
        typer.Option(help="Names of disturbances, separated by commas.", show_default="all"),
    ] = None,
    photos: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number, sampled by class.", show_default="all"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of photos and disturbances.")] = 0,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Disturb photos with increasing strength, and count flipped decisions, escapes and overkill.

    Light, blur, noise, JPEG, rotation, shift, dust and more, one at a time. With limits it
    reports the strength up to which each limit is met. The exit code is 0 in any case.
    """
    with session(quiet, as_json) as screen:
        chosen = run_with_model(run, runs)
        from fastdefect.evaluation.robustness.stress import Limits
        from fastdefect.jobs.stress import StressPlan
        from fastdefect.jobs.stress import stress as job
        from fastdefect.reporting.tables.stress import break_lines, stress_table

        limits = Limits(max_flips, max_escape, max_overkill)
        stressed = job(chosen, StressPlan(limits, only, photos, seed), request, on_event=screen)
        table = stress_table(
            stressed.report,
            stressed.limits,
            stressed.decision,
            split=stressed.split,
            available=stressed.available,
            opening=stressed.opening,
        )
        show(
            screen,
            "stress",
            stressed.as_json(),
            tables=[table],
            lines=break_lines(stressed.report, stressed.limits),
            files=stressed.files,
        )
