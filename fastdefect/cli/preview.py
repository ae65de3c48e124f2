"""``fastdefect preview``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastdefect.cli.session import DATA, app, session
from fastdefect.config_resolve import resolve
from fastdefect.options import with_config_options


@app.command(rich_help_panel=DATA)
@with_config_options(
    only=(
        *("data", "good", "rename", "join_defects", "part_from", "label_from"),
        *("white", "max_megapixels", "image_size", "resize", "augment", "light", "seed"),
    )
)
def preview(
    flags: dict[str, Any],
    *,
    photos: Annotated[int, typer.Option(min=1, max=200, help="Number of photos, one per row.")] = 8,
    draws: Annotated[
        int, typer.Option(min=1, max=20, help="Augmented versions of each photo.")
    ] = 5,
    out: Annotated[Path, typer.Option(help="File for the contact sheet, PNG.")] = Path(
        "preview.png"
    ),
) -> None:
    """Write a contact sheet of training photos: originals next to augmented versions."""
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
