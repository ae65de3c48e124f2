"""``fastdefect preview``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastdefect.cli.session import DATA, app, session
from fastdefect.config import resolve
from fastdefect.options import with_config_options


@app.command(rich_help_panel=DATA)
@with_config_options(
    only=(
        *("data", "part_from", "white", "max_megapixels", "image_size", "resize"),
        *("augment", "light", "seed"),
    )
)
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
        from fastdefect.jobs.preview import preview as job

        path = job(
            settings.data,
            seed=settings.training.seed,
            photos=photos,
            draws=draws,
            out=out,
            on_event=screen,
        )
        screen.line(f"Contact sheet: {path}")
