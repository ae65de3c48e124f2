"""``fastdefect queue``: what people answered at the line."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from fastdefect.cli.session import USE, Json, Quiet, Runs, app, session, show

queue = typer.Typer(no_args_is_help=True, help="Use the answers of people at the line.")
app.add_typer(queue, name="queue", rich_help_panel=USE)

Store = Annotated[
    Path, typer.Argument(metavar="STORE", help="Folder of the store of fastdefect serve.")
]
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since", formats=_FORMATS, metavar="DATE", help="Only inspections from this local time."
    ),
]


@queue.command("export")
def queue_export(
    store: Store,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for the set.")],
    since: Since = None,
    with_run: Annotated[
        str | None,
        typer.Option("--with", metavar="RUN", help="Add the photos of this run, on their sides."),
    ] = None,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the photos that people answered as a labelled set, for fit --from RUN."""
    with session(quiet, as_json) as screen:
        from fastdefect.jobs.queue_export import TABLE, Asked, next_commands
        from fastdefect.jobs.queue_export import queue_export as job
        from fastdefect.reporting.tables.queue_export import export_table
        from fastdefect.run_registry import open_run

        run = None if with_run is None else open_run(with_run, runs)
        asked = Asked(store, out, None if since is None else since.astimezone(), run)
        exported = job(asked, on_event=screen)
        show(
            screen,
            "queue-export",
            exported.as_json(),
            tables=[export_table([(each.label, each.chosen_by) for each in exported.photos])],
            lines=next_commands(exported),
            files=[out / TABLE],
        )
