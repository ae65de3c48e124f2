"""The commands about photos alone: are they to be trusted, how are they split."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastdefect.cli.session import Json, Quiet, app, session
from fastdefect.config import resolve
from fastdefect.options import with_config_options


@app.command()
@with_config_options(
    only=(
        *("data", "good", "part_from", "parts", "valid", "test", "unleak", "strict"),
        *("folds", "seed"),
    )
)
def split(
    flags: dict[str, Any],
    *,
    out: Annotated[Path, typer.Option(help="Where the CSV goes.")] = Path("split.csv"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write who is in train, valid and test, or in which fold, for other tools: parts whole."""
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
        screen.table(
            split_table(
                report.sides,
                report.labels,
                report.parts,
                report.manifest.classes,
                kind=report.kind,
            )
        )
        screen.line(f"Split: {report.path}")
        screen.result("result", report.as_json())


@app.command()
@with_config_options(only=("data", "good", "part_from", "parts", "strict", "seed"))
def audit(
    flags: dict[str, Any],
    *,
    out: Annotated[Path, typer.Option(help="Folder for what is found.")] = Path("audit"),
    fail_on: Annotated[
        str | None,
        typer.Option(metavar="KIND,...", help="Exit 1 if there are findings of these kinds."),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Find out whether the photos can be trusted: files, labels, repeats, leaks, shortcuts."""
    with session(quiet, as_json) as screen:
        settings = resolve(flags)
        from fastdefect.jobs.audit import audit as job
        from fastdefect.jobs.audit import parse_kinds
        from fastdefect.reporting.tables.audit import findings_table

        report = job(
            settings.data,
            seed=settings.training.seed,
            out=out,
            fail_on=parse_kinds(fail_on),
            on_event=screen,
        )
        screen.table(findings_table(report.audit.findings))
        for file in report.files:
            screen.line(f"Written: {file}")
        screen.result("audit", report.as_json())
        if report.failed:
            screen.line(f"Failed on: {', '.join(report.failed)}")
            raise typer.Exit(1)


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    *,
    n: Annotated[int, typer.Option("--n", min=1, help="Number of photos.")] = 120,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    size: Annotated[int, typer.Option(min=48, max=2048, help="Side of a photo, pixels.")] = 256,
    photos_per_part: Annotated[int, typer.Option(min=1, help="Photos of each part.")] = 3,
    defective: Annotated[float, typer.Option(min=0, max=1, help="Share of defective parts.")] = 0.5,
    difficulty: Annotated[
        int | None,
        typer.Option(min=1, max=3, help="1 obvious to 3 faint.", show_default="mixed"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Render photos of cast parts, good and defective, with labels and boxes in a CSV."""
    with session(quiet) as screen:
        from fastdefect.events import Progress
        from fastdefect.sample.render import render_sample

        path = render_sample(
            folder,
            n=n,
            seed=seed,
            size=size,
            photos_per_part=photos_per_part,
            defective=defective,
            difficulty=difficulty,
            on_progress=lambda done, total: screen(Progress("rendering", done, total)),
        )
        screen.line(f"{n} photos and their labels: {path}")
