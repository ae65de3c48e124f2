"""``fastdefect audit``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastdefect.cli.ci import Annotations, Junit, check_junit, publish
from fastdefect.cli.session import DATA, Json, Quiet, app, session, show
from fastdefect.config_resolve import resolve
from fastdefect.options import with_config_options


@app.command(rich_help_panel=DATA)
@with_config_options(
    only=(
        *("data", "good", "rename", "join_defects", "part_from", "label_from", "resplit"),
        *("parts", "strict", "white", "max_megapixels", "image_size", "resize", "seed"),
    )
)
def audit(
    flags: dict[str, Any],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the findings.")] = Path("audit"),
    fail_on: Annotated[
        str | None,
        typer.Option(metavar="KIND,...", help="Exit with 1 if there are findings of these kinds."),
    ] = None,
    junit: Junit = None,
    annotations: Annotations = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check the photos before training: files, labels, duplicates, leaks and shortcuts."""
    with session(quiet, as_json) as screen:
        settings = resolve(flags)
        check_junit(junit)
        from fastdefect.jobs.audit import audit as job
        from fastdefect.jobs.audit import parse_kinds

        report = job(
            settings.data,
            seed=settings.training.seed,
            out=out,
            fail_on=parse_kinds(fail_on),
            on_event=screen,
        )
        files = [*report.files, *publish(report.outcomes(), junit, annotations)]
        show(screen, "audit", report.as_json(), tables=report.tables(), files=files)
        if report.failed:
            screen.line(f"Failed on: {', '.join(report.failed)}")
            raise typer.Exit(1)
