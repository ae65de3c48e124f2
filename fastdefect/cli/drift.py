"""``fastdefect drift``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fastdefect.cli.session import (
    FOUND_EXIT,
    USE,
    Json,
    Quiet,
    Runs,
    app,
    session,
    show,
    with_request,
)
from fastdefect.jobs.trained.request import Request


@app.command(rich_help_panel=USE)
@with_request("data_root", "views", "threshold", "device")
def drift(
    model: Annotated[str, typer.Argument(metavar="RUN|BUNDLE", help="A run, or a bundle.")],
    files: Annotated[
        list[Path],
        typer.Argument(help="Results of fastdefect predict --out, in the order of time."),
    ],
    *,
    request: Request,
    alpha: Annotated[
        float,
        typer.Option(
            "--alpha", min=0.001, max=0.2, help="Chance of a false alarm, for all files together."
        ),
    ] = 0.01,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write all values, as a .json file.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write a plot, as a .png file.")
    ] = None,
    fail_on: Annotated[
        Literal["drift", "never"], typer.Option("--fail-on", help="drift: exit with 3 on drift.")
    ] = "never",
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Test whether the photos of a day differ from those that the model was measured on."""
    with session(quiet, as_json) as screen:
        from fastdefect.jobs.drift import Asked, check_asked, open_baseline
        from fastdefect.jobs.drift import drift as job
        from fastdefect.reporting.tables.drift import drift_tables

        asked = Asked(tuple(files), alpha, out, plot)
        check_asked(asked)
        opened = open_baseline(model, runs, request, screen)
        drifted = job(opened, asked, on_event=screen)
        tables = drift_tables(drifted.report)
        show(screen, "drift", drifted.as_json(), tables=tables, files=drifted.written)
        if fail_on == "drift" and drifted.report.drifted:
            raise typer.Exit(FOUND_EXIT)
