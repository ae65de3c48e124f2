"""``fastdefect compare``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fastdefect.cli.session import (
    JUDGE,
    Json,
    PageFile,
    PagePhotos,
    Quiet,
    Runs,
    app,
    check_page,
    run_with_model,
    session,
    show,
    with_request,
)
from fastdefect.errors import UsageError
from fastdefect.jobs.trained.request import Request

if TYPE_CHECKING:
    from fastdefect.events import Event
    from fastdefect.run import Run


@app.command(rich_help_panel=JUDGE)
@with_request("split", "data", "include_trained", "data_root", "decide", "part_rule", "device")
def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN...", help="Folders or names of runs; each is compared with the first."
        ),
    ],
    *,
    request: Request,
    out: Annotated[
        Path, typer.Option(help="Folder for compare.json and the list of changed decisions.")
    ] = Path("compare"),
    report: PageFile = None,
    photos: PagePhotos = None,
    runs: Runs = Path("runs"),
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables as Markdown, for GitHub.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare runs on the same photos: differences with intervals, and new escapes."""
    if markdown and (quiet or as_json):
        raise typer.BadParameter("--markdown, --quiet and --json exclude each other.")
    with session(quiet or markdown, as_json) as screen:
        if len(names) < 2:
            raise UsageError(
                f"compare needs two runs or more, but got only {names[0]}.",
                "Give the old run first, then the new run: fastdefect compare RUN RUN",
            )
        check_page(report, photos)
        chosen = [_run(name, runs) for name in names]
        from fastdefect.jobs.compare import compare as job
        from fastdefect.jobs.comparing.page import ComparePage

        page = None if report is None else ComparePage(report, photos or "errors")
        on_event = _warn if markdown else screen
        found = job(chosen, request, out=out, on_event=on_event, page=page)
        tables = found.tables()
        if markdown:
            from fastdefect.reporting.tables.markdown import as_markdown

            typer.echo("\n".join(map(as_markdown, tables)), nl=False)
            if report is not None:
                typer.echo(f"Written: {report}", err=True)
            return
        show(screen, "compare", found.as_json(), tables=tables, files=found.files)


def _run(name: str, runs: Path) -> "Run":
    """A run with a model, or one with a run for each product."""
    from fastdefect.run import RunKind
    from fastdefect.run_registry import open_run

    run = open_run(name, runs)
    return run if run.read_kind() == RunKind.EACH_PRODUCT else run_with_model(name, runs)


def _warn(event: "Event") -> None:
    """Print warnings on standard error, separate from the Markdown."""
    from fastdefect.events import Note

    if isinstance(event, Note) and event.level == "warning":
        typer.echo(f"! {event.text}", err=True)
