"""``fastdefect sample``."""

from pathlib import Path
from typing import Annotated

import typer

from fastdefect.cli.session import DATA, Quiet, app, session


@app.command(rich_help_panel=DATA)
def sample(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    *,
    n: Annotated[int, typer.Option("--n", min=1, help="Number of photos.")] = 120,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    size: Annotated[
        int, typer.Option(min=48, max=2048, help="Width and height of a photo, pixels.")
    ] = 256,
    photos_per_part: Annotated[int, typer.Option(min=1, help="Photos per part.")] = 3,
    defective: Annotated[float, typer.Option(min=0, max=1, help="Share of defective parts.")] = 0.5,
    difficulty: Annotated[
        int | None,
        typer.Option(min=1, max=3, help="1 (obvious) to 3 (faint).", show_default="mixed"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Render photos of cast parts, good and defective, with labels and boxes in a CSV."""
    with session(quiet) as screen:
        from fastdefect.events import Progress
        from fastdefect.sample.render import SampleSettings, render_sample

        path = render_sample(
            folder,
            SampleSettings(
                n=n,
                seed=seed,
                size=size,
                photos_per_part=photos_per_part,
                defective=defective,
                difficulty=difficulty,
            ),
            lambda done, total: screen(Progress("rendering", done, total)),
        )
        screen.line(f"{n} photos and labels: {path}")
