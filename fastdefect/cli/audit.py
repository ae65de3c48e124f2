"""``fastdefect audit``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastdefect.cli.ci import Annotations, Junit, check_junit, publish
from fastdefect.cli.session import (
    DATA,
    Json,
    PageFile,
    PagePhotos,
    Quiet,
    app,
    check_page,
    command_line,
    session,
    show,
)
from fastdefect.config import AUDIT_SETTINGS
from fastdefect.config_resolve import resolve
from fastdefect.options import with_config_options


@app.command(rich_help_panel=DATA)
@with_config_options(only=AUDIT_SETTINGS)
def audit(
    flags: dict[str, Any],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the findings.")] = Path("audit"),
    fail_on: Annotated[
        str | None,
        typer.Option(metavar="KIND,...", help="Exit with 1 if there are findings of these kinds."),
    ] = None,
    report: PageFile = None,
    photos: PagePhotos = None,
    junit: Junit = None,
    annotations: Annotations = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check the photos before training: files, labels, duplicates, leaks and shortcuts."""
    with session(quiet, as_json) as screen:
        settings = resolve(flags)
        check_junit(junit)
        check_page(report, photos)
        from fastdefect.jobs.audit import audit as job
        from fastdefect.jobs.audit import parse_kinds
        from fastdefect.jobs.reports.of_audit import WantedPage

        made = job(
            settings.data,
            seed=settings.training.seed,
            out=out,
            fail_on=parse_kinds(fail_on),
            on_event=screen,
            page=WantedPage(report, photos or "errors", command_line()) if report else None,
        )
        files = [*made.files, *publish(made.outcomes(), junit, annotations)]
        files += [made.page] if made.page else []
        show(screen, "audit", made.as_json(), tables=made.tables(), files=files)
        if made.failed:
            screen.line(f"Failed on: {', '.join(made.failed)}")
            raise typer.Exit(1)
