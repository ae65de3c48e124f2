"""``fastdefect ablate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fastdefect.cli.series import Launch, show_series
from fastdefect.cli.session import (
    TRAIN,
    Budget,
    ConfigFile,
    DataRoot,
    Json,
    NewName,
    Quiet,
    Resume,
    Runs,
    app,
    budget_minutes,
    refuse_with_resume,
    run_to_resume,
    session,
)
from fastdefect.config_resolve import resolve
from fastdefect.options import with_config_options

if TYPE_CHECKING:
    from fastdefect.jobs.ablate import AblationReport


@app.command(rich_help_panel=TRAIN)
@with_config_options(sections=("data", "model", "training"))
def ablate(
    flags: dict[str, Any],
    *,
    steps: Annotated[
        Literal["ladder", "leave-one-out"] | None,
        typer.Option(
            help="ladder: add one step after the other; leave-one-out: all steps without each one.",
            show_default="ladder",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, max=100, show_default="3", help="Number of seeds of split and training."
        ),
    ] = None,
    budget: Budget = None,
    config: ConfigFile = None,
    runs: Runs = Path("runs"),
    name: NewName = None,
    resume: Resume = None,
    data_root: DataRoot = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure the gain of each step from the old pipeline to the improved one."""
    with session(quiet, as_json) as screen:
        own = {"config": config, "name": name, "steps": steps, "seeds": seeds}
        refuse_with_resume(resume, {**flags, **own}, "Remove them; only --budget can be changed.")
        settings, minutes = resolve(flags, config), budget_minutes(budget)
        launch = Launch(
            settings, runs, name, resumed=run_to_resume(resume, runs, data_root, screen)
        )
        from fastdefect.jobs import ablate as job
        from fastdefect.reporting.tables.ablate import ablation_table

        plan = {"plan": steps or "ladder", "seeds": seeds or 3}
        report: AblationReport = launch.run_job(job, screen, plan, budget_minutes=minutes)
        tables = []
        if report.figures:
            n_seeds = max(len(by_seed) for by_seed in report.figures.values())
            title = f"Ablation, {n_seeds} seed{'s' if n_seeds > 1 else ''}, validation"
            tables = [ablation_table(report.steps, report.figures, report.gains, title=title)]
        show_series(screen, "ablate", report, tables=tables)
