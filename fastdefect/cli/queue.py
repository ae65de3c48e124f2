"""``fastdefect queue``: what people answered at the line."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from fastdefect.cli.session import USE, Json, Quiet, Runs, app, session, show
from fastdefect.errors import UsageError

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


@queue.command("audit")
def queue_audit(
    store: Store,
    *,
    since: Since = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until",
            formats=_FORMATS,
            metavar="DATE",
            help="Only inspections before this local time.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="SHARE",
            help="Share of defects among shipped parts to plan checks for, such as 0.5%.",
            show_default="half of the present limit",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write all values, as a .json file.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Estimate the line's true escape rate, with its interval, from the checks of people."""
    with session(quiet, as_json) as screen:
        from fastdefect.jobs.queue_audit import Asked
        from fastdefect.jobs.queue_audit import queue_audit as job
        from fastdefect.reporting.tables.queue_audit import audit_lines, audit_tables

        first, last = (None if at is None else at.astimezone() for at in (since, until))
        asked = Asked(store, first, last, None if target is None else _share(target), out)
        audited = job(asked, on_event=screen)
        show(
            screen,
            "queue-audit",
            audited.as_json(),
            tables=audit_tables(audited.rates, audited.by_model),
            lines=audit_lines(audited.rates, audited.agreement, audited.plan),
            files=audited.written,
        )


def _share(text: str) -> float:
    """``0.5%`` or ``0.005`` as a share. Raises ``UsageError``."""
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        return float(number) / (100 if percent else 1)
    except ValueError:
        raise UsageError(
            f"--target {text}: expected a share.", "For example --target 0.5% or --target 0.005"
        ) from None
