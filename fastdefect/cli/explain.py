"""``fastdefect explain``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fastdefect.cli.session import (
    JUDGE,
    Json,
    Quiet,
    Runs,
    app,
    run_with_model,
    session,
    show,
    with_request,
)
from fastdefect.errors import UsageError
from fastdefect.explain.methods import AUTO, METHODS
from fastdefect.jobs.trained.request import Request
from fastdefect.text import counted, first

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.explain import Asked, Explanation


@app.command(rich_help_panel=JUDGE)
@with_request("split", "data_root", "views", "threshold", "device")
def explain(
    model: Annotated[str, typer.Argument(metavar="RUN|BUNDLE", help="A run, or a bundle.")],
    photos: Annotated[
        list[str] | None,
        typer.Argument(
            help="Photos to explain, as for predict.",
            show_default="mistakes and examples of the run's split",
        ),
    ] = None,
    *,
    context: typer.Context,
    request: Request,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help=f"{', '.join([AUTO, *METHODS][:-1])} or {[*METHODS][-1]}.",
        ),
    ] = AUTO,
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="NAME",
            help="Explain this class against all others.",
            show_default="defect against good",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder of the pictures.",
            show_default="explain-SPLIT/ in the run; for PHOTOS: heat-maps/",
        ),
    ] = None,
    each: Annotated[
        int,
        typer.Option("--show", min=1, max=400, help="Photos of each group beside the mistakes."),
    ] = 10,
    view_from: Annotated[
        str | None,
        typer.Option(
            "--view-from",
            help="Regular expression for the view, such as the camera, in the path of a photo.",
            show_default="that of the model",
        ),
    ] = None,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Show where the model looks: heat maps of its mistakes and surest decisions, checked."""
    with session(quiet, as_json) as screen:
        from fastdefect.jobs.explain import Asked

        _refuse_split(model, photos, request, given=_is_given(context, "split"))
        asked = Asked(method, class_name, out, each, view_from)
        found = _explain(model, photos or [], request, asked, runs, screen)
        few = (found.figures, *found.sheets)
        show(screen, "explain", found.as_json(), tables=found.tables(), files=few)
        if found.pictures:
            written = counted(len(found.pictures), "picture")
            screen.line(f"Written: {written} in {found.pictures[0].parent}")


def _is_given(context: typer.Context, option: str) -> bool:
    """Whether the command line has the option, also with the value that it has without."""
    source = context.get_parameter_source(option)
    return source is not None and source.name != "DEFAULT"


def _refuse_split(model: str, photos: list[str] | None, request: Request, *, given: bool) -> None:
    """Raise ``UsageError`` for a split where the photos are not those of a run."""
    if not given:
        return
    option = f"--split {request.split} chooses photos of a run"
    if photos:
        raise UsageError(
            f"{option}, but the command names the photos: {first(photos)}.",
            "Remove --split, or the photos.",
        )
    from fastdefect.jobs.trained.bundle_path import bundle_path

    if bundle_path(model, request) is not None:
        raise UsageError(
            f"{option}, but {model} is a bundle, which contains no photos.",
            "Remove --split and name photos, or name the run that the bundle is of.",
        )


def _explain(
    model: str, photos: list[str], request: Request, asked: "Asked", runs: Path, screen: "Screen"
) -> "Explanation":
    from fastdefect.data.reading.unlabelled import Sources
    from fastdefect.jobs.explain import explain_bundle, explain_photos_of_run, explain_run
    from fastdefect.jobs.predicting.open_model import open_model
    from fastdefect.jobs.trained.bundle_path import bundle_path

    if bundle_path(model, request) is not None:
        sources = Sources.of(photos, sys.stdin.buffer)
        scorer = open_model(model, runs, request, screen)
        return explain_bundle(
            scorer, sources.labelled(scorer.judge.classes), asked, on_event=screen
        )
    run = run_with_model(model, runs)
    if not photos:
        if asked.view_from is not None:
            raise UsageError(
                "--view-from finds the view in the paths of photos, but no photos are named: those "
                "of a run have the views of its training.",
                "Name photos, or remove --view-from.",
            )
        return explain_run(run, request, asked, on_event=screen)
    sources = Sources.of(photos, sys.stdin.buffer)
    return explain_photos_of_run(run, request, sources, asked, on_event=screen)
