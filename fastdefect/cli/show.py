"""``fastdefect show``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fastdefect.cli.session import (
    USE,
    Json,
    Quiet,
    Runs,
    app,
    run_with_model,
    session,
    with_request,
)
from fastdefect.explain.methods import AUTO
from fastdefect.jobs.trained.request import Request

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.explaining.explainer import Explainer


@app.command(rich_help_panel=USE)
@with_request("data_root", "views", "threshold", "device")
def show(
    photo: Annotated[Path, typer.Argument(help="A photo.")],
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="RUN|BUNDLE",
            help="The model that decides.",
            show_default="the latest run",
        ),
    ] = None,
    request: Request,
    method: Annotated[
        str, typer.Option("--method", help="Of the heat map, as for explain.")
    ] = AUTO,
    view: Annotated[
        str | None,
        typer.Option(
            "--view",
            help="The view of the photo, such as the camera, for a model that takes it.",
            show_default="that in the file name",
        ),
    ] = None,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Decide on one photo and show where the evidence for a defect is."""
    with session(quiet, as_json) as screen:
        from fastdefect.jobs.show import show as job

        shown = job(_explainer(model, request, method, runs, screen), photo, view)
        screen.picture(shown.photo.overlay())
        for line in shown.lines():
            screen.line(line)
        screen.result("show", shown.as_json())


def _explainer(
    model: str | None, request: Request, method: str, runs: Path, screen: "Screen"
) -> "Explainer":
    from fastdefect.jobs.explaining.explainer import bundle_explainer, run_explainer
    from fastdefect.jobs.predicting.open_model import open_model
    from fastdefect.jobs.trained.bundle_path import bundle_path

    if model is not None and bundle_path(model, request) is not None:
        return bundle_explainer(open_model(model, runs, request, screen), method, None)
    return run_explainer(run_with_model(model, runs), request, method, None, on_event=screen)
