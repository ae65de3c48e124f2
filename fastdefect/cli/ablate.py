"""``fastdefect ablate``."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fastdefect.cli.series import show_series
from fastdefect.cli.session import (
    TRAIN,
    Budget,
    ConfigFile,
    Json,
    NewName,
    Quiet,
    Resume,
    Runs,
    app,
    budget_minutes,
    command_line,
    refuse_with_resume,
    run_to_resume,
    session,
)
from fastdefect.config_resolve import resolve
from fastdefect.options import with_config_options


@app.command(rich_help_panel=TRAIN)
@with_config_options(sections=("data", "model", "training"))
def ablate(
    flags: dict[str, Any],
    *,
    steps: Annotated[
        Literal["ladder", "leave-one-out"] | None,
        typer.Option(help="One thing after the other, or all without each.", show_default="ladder"),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=100, show_default="3", help="Seeds of split and training."),
    ] = None,
    budget: Budget = None,
    config: ConfigFile = None,
    runs: Runs = Path("runs"),
    name: NewName = None,
    resume: Resume = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure what each step of the improved pipeline gains over the old one."""
    with session(quiet, as_json) as screen:
        own = {"config": config, "name": name, "steps": steps, "seeds": seeds}
        refuse_with_resume(
            resume, {**flags, **own}, "Leave them out; only --budget may be given anew."
        )
        settings, minutes = resolve(flags, config), budget_minutes(budget)
        begun = run_to_resume(resume, runs)
        from fastdefect.jobs import ablate as job
        from fastdefect.reporting.tables.ablate import ablation_table

        if begun is not None:
            report = job.resume(begun, budget_minutes=minutes, on_event=screen)
        else:
            report = job.start(
                settings,
                plan=steps or "ladder",
                seeds=seeds or 3,
                budget_minutes=minutes,
                runs=runs,
                name=name,
                command=command_line(),
                on_event=screen,
            )
        tables = []
        if report.figures:
            n_seeds = max(len(by_seed) for by_seed in report.figures.values())
            title = f"Ablation, {n_seeds} seed{'s' if n_seeds > 1 else ''}, validation"
            tables = [ablation_table(report.steps, report.figures, report.gains, title=title)]
        show_series(screen, "ablate", report, tables=tables)
