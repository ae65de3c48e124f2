"""``fastdefect fit``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastdefect.cli.series import series_lines
from fastdefect.cli.session import (
    INTERRUPTED_EXIT,
    TRAIN,
    ConfigFile,
    Json,
    NewName,
    Quiet,
    Runs,
    app,
    command_line,
    refuse_with_resume,
    run_to_resume,
    session,
)
from fastdefect.config import RunConfig
from fastdefect.config_resolve import resolve
from fastdefect.errors import UsageError
from fastdefect.options import with_config_options

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.cross_validate import CrossReport
    from fastdefect.jobs.ensemble import EnsembleReport
    from fastdefect.jobs.final import FinalReport
    from fastdefect.jobs.training.report import FitReport
    from fastdefect.run import Run


@app.command(rich_help_panel=TRAIN)
@with_config_options(sections=("data", "model", "training", "report"))
def fit(
    flags: dict[str, Any],
    *,
    config: ConfigFile = None,
    runs: Runs = Path("runs"),
    name: NewName = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with an interrupted run.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a classifier on a folder of photos; everything about it lands in runs/NAME."""
    with session(quiet, as_json) as screen:
        refuse_with_resume(resume, {**flags, "config": config, "name": name})
        settings = resolve(flags, config)
        from fastdefect.run import SERIES, RunKind, RunStatus

        interrupted = run_to_resume(resume, runs)
        if interrupted is not None:
            kind = interrupted.read_kind()
            if kind in SERIES:
                raise UsageError(
                    f"{interrupted.name} is several trainings ({kind}), which fit can't resume.",
                    f"Go on with: {interrupted.resume_command}",
                )
            whole = interrupted.read_config().training.final in ("folds", "refit")
            average = _finish if whole else _average
            crossed, ensemble = RunKind.CROSS_VALIDATION, RunKind.ENSEMBLE
            do = {crossed: _cross_validate, ensemble: average}.get(kind, _fit)
        elif _suits_folds(settings):
            do = _finish
        elif settings.training.members > 1:
            do = _average
        else:
            do = _cross_validate if settings.report.folds is not None else _fit
        if do(screen, settings, runs, name, interrupted) == RunStatus.INTERRUPTED:
            raise typer.Exit(INTERRUPTED_EXIT)


def _suits_folds(settings: RunConfig) -> bool:
    if settings.training.final == "none":
        return False  # without the job, whose import takes seconds
    from fastdefect.jobs.final import suits

    return suits(settings)


def _begun(
    job: Any,
    screen: "Screen",
    settings: RunConfig,
    runs: Path,
    name: str | None,
    interrupted: "Run | None",
) -> Any:
    """What the job reports: of a new run, or of one that goes on."""
    if interrupted is not None:
        return job.resume(interrupted, on_event=screen)
    return job.start(settings, runs=runs, name=name, command=command_line(), on_event=screen)


def _fit(
    screen: "Screen", settings: RunConfig, runs: Path, name: str | None, interrupted: "Run | None"
) -> str:
    """One training, new or resumed; how it ended."""
    from fastdefect.jobs import fit as job

    report: FitReport = _begun(job, screen, settings, runs, name, interrupted)
    _show_fit(screen, report)
    return report.reason


def _cross_validate(
    screen: "Screen", settings: RunConfig, runs: Path, name: str | None, interrupted: "Run | None"
) -> str:
    """A training for each fold, new or resumed; how the last one ended."""
    from fastdefect.jobs import cross_validate as job

    report: CrossReport = _begun(job, screen, settings, runs, name, interrupted)
    _show_folds(screen, report)
    return report.reason


def _average(
    screen: "Screen", settings: RunConfig, runs: Path, name: str | None, interrupted: "Run | None"
) -> str:
    """Several networks and their average, new or resumed; how it ended."""
    from fastdefect.jobs import ensemble as job

    report: EnsembleReport = _begun(job, screen, settings, runs, name, interrupted)
    _show_average(screen, report)
    return report.series.reason


def _finish(
    screen: "Screen", settings: RunConfig, runs: Path, name: str | None, interrupted: "Run | None"
) -> str:
    """Networks of the folds and a model that knows all photos, new or resumed; how it ended."""
    from fastdefect.jobs import final as job

    report: FinalReport | None = _begun(job, screen, settings, runs, name, interrupted)
    if report is None:  # too few parts to deal out
        return _fit(screen, settings, runs, name, None)
    _show_final(screen, report)
    return report.series.reason


def _show_fit(screen: "Screen", report: "FitReport") -> None:
    from fastdefect.jobs.training.report import as_event_data

    _show_model(screen, report)
    screen.line(f"Run: {report.run.folder}")
    if report.reason == "interrupted":
        screen.line(f"Go on with: {report.run.resume_command}")
    else:
        _tell_sealed(screen, report)
        _tell_next(screen)
    screen.result("fit", as_event_data(report))


def _show_model(screen: "Screen", report: "FitReport") -> None:
    from fastdefect.reporting.tables.fit import metrics_table, targets_table

    if report.metrics:
        screen.table(metrics_table(report.metrics, report.background_swap))
    if report.verdicts:
        screen.table(targets_table(report.verdicts))


def _tell_sealed(screen: "Screen", report: "FitReport") -> None:
    if report.n_test:
        screen.line(
            f"{report.n_test} test photos are sealed; open them once, when all is chosen: "
            "fastdefect evaluate --split test"
        )


def _tell_next(screen: "Screen") -> None:
    screen.line(
        "Next: fastdefect evaluate, for every figure with its interval; fastdefect threshold, for "
        "how it decides."
    )


def _show_average(screen: "Screen", report: "EnsembleReport") -> None:
    from fastdefect.reporting.tables.ensemble import members_table

    series, average = report.series, report.average
    if average is not None:
        _show_model(screen, average)
        screen.table(members_table(report.members, average.metrics["valid"].as_json()))
    for line in series_lines(series):
        screen.line(line)
    if average is not None:
        _tell_sealed(screen, average)
        _tell_next(screen)
    screen.result("fit", report.as_json())


def _show_final(screen: "Screen", report: "FinalReport") -> None:
    from fastdefect.reporting.tables.fit import folds_table

    series, outcome, model = report.series, report.outcome, report.model
    if outcome is not None and model is not None:
        screen.table(
            folds_table(
                outcome.spreads,
                outcome.pooled,
                outcome.intervals,
                folds=report.n_folds,
                n_parts=outcome.n_parts,
            )
        )
        _show_model(screen, model)
    for line in series_lines(series):
        screen.line(line)
    if model is not None:
        _tell_sealed(screen, model)
        _tell_next(screen)
    screen.result("fit", report.as_json())


def _show_folds(screen: "Screen", report: "CrossReport") -> None:
    from fastdefect.reporting.tables.fit import folds_table, targets_table

    outcome = report.outcome
    if outcome is not None:
        screen.table(
            folds_table(
                outcome.spreads,
                outcome.pooled,
                outcome.intervals,
                folds=report.n_folds,
                n_parts=outcome.n_parts,
            )
        )
        if outcome.verdicts:
            screen.table(targets_table(outcome.verdicts))
    screen.line(f"Run: {report.run.folder}")
    if report.reason == "interrupted":
        screen.line(
            f"{report.done} of {report.n_folds} folds are done. "
            f"Go on with: {report.run.resume_command}"
        )
    elif report.n_test:
        screen.line(f"{report.n_test} test photos are sealed and were in no fold.")
    screen.result("fit", report.as_json())
