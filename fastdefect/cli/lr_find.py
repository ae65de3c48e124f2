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
    out: Annotated[Path, typer.Option(help="Where the plot goes, PNG.")] = Path("lr-find.png"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Try rising learning rates for a hundred batches; plot the loss and suggest one."""
    with session(quiet, as_json) as screen:
        settings = resolve(flags, config)
        from fastdefect.jobs.lr_find import lr_find as job

        report = job(settings, out=out, on_event=screen)
        found = {"learning_rate": report.suggestion, "plot": str(report.plot)}
        suggested = f"Suggested: --learning-rate {report.suggestion:.2g} (plot: {report.plot})"
        show(screen, "lr-find", found, lines=[suggested])
