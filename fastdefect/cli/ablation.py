"""The commands that compare the old pipeline with the improved one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fastdefect.cli.session import Json, Quiet, Runs, app, command_line, session
from fastdefect.config import resolve
from fastdefect.errors import UsageError
from fastdefect.options import with_config_options

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.ablate import AblationReport
    from fastdefect.jobs.quick_test import QuickReport

_INTERRUPTED_EXIT = 130  # as a shell reports a program that Ctrl-C ended
_QUICK_EPOCHS = 3

Config = Annotated[
    Path | None, typer.Option("--config", help="TOML file of settings; flags override it.")
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the run.", show_default="time")]
Resume = Annotated[
    str | None, typer.Option("--resume", metavar="RUN", help="Do what is left of a run.")
]


@app.command("quick-test")
@with_config_options(sections=("data", "model", "training"))
def quick_test(
    flags: dict[str, Any],
    *,
    config: Config = None,
    runs: Runs = Path("runs"),
    name: Name = None,
    resume: Resume = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Old small CNN against improved pipeline, same photos, 3 epochs unless said otherwise."""
    with session(quiet, as_json) as screen:
        _refuse_with_resume(resume, {**flags, "config": config, "name": name})
        quick = {} if config is not None else {"epochs": _QUICK_EPOCHS}
        settings = resolve(quick | flags, config)
        from fastdefect.run import INTERRUPTED
        from fastdefect.runs import open_run

        begun = open_run(resume, runs) if resume is not None else None
        from fastdefect.jobs import quick_test as job

        if begun is not None:
            report = job.resume(begun, on_event=screen)
        else:
            report = job.start(
                settings, runs=runs, name=name, command=command_line(), on_event=screen
            )
        _show_quick(screen, report)
        if report.series.reason == INTERRUPTED:
            raise typer.Exit(_INTERRUPTED_EXIT)


def _show_quick(screen: "Screen", report: "QuickReport") -> None:
    from fastdefect.reporting.quick_table import quick_table

    if report.comparison is not None:
        seconds = {each.member.name: each.seconds for each in report.series.finished}
        screen.table(quick_table(report.metrics, report.comparison, report.verdicts, seconds))
    screen.line(f"Run: {report.series.run.folder}")
    if report.series.left:
        screen.line(f"Go on with: fastdefect quick-test --resume {report.series.run.folder}")
    screen.result("result", report.as_json())


@app.command()
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
    budget: Annotated[
        str | None,
        typer.Option(metavar="MIN", help="Begin no training that would end later; 30 or 30m."),
    ] = None,
    config: Config = None,
    runs: Runs = Path("runs"),
    name: Name = None,
    resume: Resume = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure what each step of the improved pipeline gains over the old one."""
    with session(quiet, as_json) as screen:
        own = {"config": config, "name": name, "steps": steps, "seeds": seeds}
        _refuse_with_resume(resume, {**flags, **own})
        settings = resolve(flags, config)
        minutes = _minutes(budget)
        from fastdefect.run import INTERRUPTED
        from fastdefect.runs import open_run

        begun = open_run(resume, runs) if resume is not None else None
        from fastdefect.jobs import ablate as job

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
        _show_ablation(screen, report)
        if report.series.reason == INTERRUPTED:
            raise typer.Exit(_INTERRUPTED_EXIT)


def _show_ablation(screen: "Screen", report: "AblationReport") -> None:
    from fastdefect.jobs.learning_curve import left_line
    from fastdefect.reporting.ablation_table import ablation_table

    series = report.series
    if report.figures:
        n_seeds = max(len(by_seed) for by_seed in report.figures.values())
        title = f"Ablation, {n_seeds} seed{'s' if n_seeds > 1 else ''}, validation"
        screen.table(ablation_table(report.steps, report.figures, report.gains, title=title))
    for file in report.files:
        screen.line(f"Written: {file}")
    screen.line(f"Run: {series.run.folder}")
    if series.left:
        screen.line(left_line(series))
        screen.line(f"Go on with: fastdefect ablate --resume {series.run.folder}")
    screen.result("result", report.as_json())


def _refuse_with_resume(resume: str | None, others: dict[str, Any]) -> None:
    given = [option for option, value in others.items() if value is not None]
    if resume is not None and given:
        raise UsageError(
            "--resume goes on with the run's own settings, but also got "
            + ", ".join(f"--{option.replace('_', '-')}" for option in given)
            + ".",
            "Leave them out; only --budget may be given anew.",
        )


def _minutes(text: str | None) -> float | None:
    """``30``, ``30m`` or ``1.5h`` in minutes."""
    if text is None:
        return None
    units = {"m": 1.0, "h": 60.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "m")
    try:
        minutes = float(number) * units[unit]
    except ValueError:
        minutes = -1.0
    if not 0 < minutes < float("inf"):
        raise UsageError(f"--budget {text}: expected minutes, such as 30, 30m or 2h.")
    return minutes
