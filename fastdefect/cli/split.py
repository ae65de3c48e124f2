"""``fastdefect split``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastdefect.cli.session import DATA, Json, Quiet, app, session, show
from fastdefect.config_resolve import resolve
from fastdefect.options import with_config_options


@app.command(rich_help_panel=DATA)
@with_config_options(
    only=(
        *("data", "good", "rename", "join_defects", "part_from", "label_from", "resplit"),
        *("parts", "valid", "test", "unleak", "strict", "white", "max_megapixels"),
        *("folds", "seed"),
    )
)
def split(
    flags: dict[str, Any],
    *,
    out: Annotated[Path, typer.Option(help="File for the split, CSV.")] = Path("split.csv"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the split (train, valid, test, or folds) to a CSV for other tools; parts stay whole."""
    with session(quiet, as_json) as screen:
        settings = resolve(flags)
        from fastdefect.jobs.split import split as job
        from fastdefect.reporting.tables.split import split_table

        report = job(
            settings.data,
            seed=settings.training.seed,
            folds=settings.report.folds,
            out=out,
            on_event=screen,
        )
        table = split_table(
            report.sides, report.labels, report.parts, report.manifest.classes, kind=report.kind
        )
        lines = [f"Split: {report.path}"]
        show(screen, "split", report.as_json(), tables=[table], lines=lines)
