"""The commands to try settings by eye, before a training."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastdefect.cli.session import Json, Quiet, app, session
from fastdefect.config import resolve
from fastdefect.options import with_config_options


@app.command()
@with_config_options(only=("data", "part_from", "image_size", "resize", "augment", "light", "seed"))
def preview(
    flags: dict[str, Any],
    *,
    photos: Annotated[int, typer.Option(min=1, max=200, help="Rows of the sheet.")] = 8,
    draws: Annotated[int, typer.Option(min=1, max=20, help="Augmented versions of each.")] = 5,
    out: Annotated[Path, typer.Option(help="Where the sheet goes, PNG.")] = Path("preview.png"),
) -> None:
    """Write a contact sheet of what the model will see: originals beside augmented."""
    with session() as screen:
        settings = resolve(flags)
        from fastdefect.jobs.look import preview as job

        path = job(
            settings.data,
            seed=settings.training.seed,
            photos=photos,
            draws=draws,
            out=out,
            on_event=screen,
        )
        screen.line(f"Contact sheet: {path}")


@app.command("lr-find")
@with_config_options(sections=("data", "model", "training"))
def lr_find(
    flags: dict[str, Any],
    *,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings; flags override it.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the plot goes, PNG.")] = Path("lr-find.png"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Try rising learning rates for a hundred batches; plot the loss and suggest one."""
    with session(quiet, as_json) as screen:
        settings = resolve(flags, config)
        from fastdefect.jobs.look import lr_find as job

        report = job(settings, out=out, on_event=screen)
        screen.line(f"Suggested: --learning-rate {report.suggestion:.2g} (plot: {report.plot})")
        screen.result("result", {"learning_rate": report.suggestion, "plot": str(report.plot)})
