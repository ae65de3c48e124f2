"""``fastdefect lr-find``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastdefect.cli.session import TRAIN, ConfigFile, Json, Quiet, app, session, show
from fastdefect.config_resolve import resolve
from fastdefect.options import with_config_options


@app.command("lr-find", rich_help_panel=TRAIN)
@with_config_options(sections=("data", "model", "training"))
def lr_find(
    flags: dict[str, Any],
    *,
    config: ConfigFile = None,
    out: Annotated[Path, typer.Option(help="File for the plot, PNG.")] = Path("lr-find.png"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Increase the learning rate over a hundred batches, plot the loss, and suggest a value."""
    with session(quiet, as_json) as screen:
        settings = resolve(flags, config)
        from fastdefect.jobs.lr_find import lr_find as job

        report = job(settings, out=out, on_event=screen)
        result = {"learning_rate": report.suggestion, "plot": str(report.plot)}
        line = f"Suggested: --learning-rate {report.suggestion:.2g} (plot: {report.plot})"
        show(screen, "lr-find", result, lines=[line])
