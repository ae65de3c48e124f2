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
    PageFile,
    Quiet,
    Resume,
    Runs,
    app,
    budget_minutes,
    check_page,
    command_line,
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
    report: PageFile = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure the gain of each step from the old pipeline to the improved one."""
    with session(quiet, as_json) as screen:
        own = {"config": config, "name": name, "steps": steps, "seeds": seeds}
        hint = "Remove them; only --budget and --report can be given."
        refuse_with_resume(resume, {**flags, **own}, hint)
        check_page(report)
        settings, minutes = resolve(flags, config), budget_minutes(budget)
        launch = Launch(
            settings, runs, name, resumed=run_to_resume(resume, runs, data_root, screen)
        )
        from fastdefect.jobs import ablate as job
        from fastdefect.jobs.ablate_page import table_of, with_page

        plan = {"plan": steps or "ladder", "seeds": seeds or 3}
        found: AblationReport = launch.run_job(job, screen, plan, budget_minutes=minutes)
        if report is not None:
            found = with_page(found, report, command_line())
        table = table_of(found)
        show_series(screen, "ablate", found, tables=[table] if table else [])
