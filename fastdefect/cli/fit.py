"""``fastdefect fit``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastdefect.cli.series import Launch, series_lines
from fastdefect.cli.session import (
    INTERRUPTED_EXIT,
    TRAIN,
    ConfigFile,
    DataRoot,
    Json,
    NewName,
    Quiet,
    Runs,
    app,
    refuse_with_resume,
    run_to_resume,
    sealed_text,
    session,
    show,
)
from fastdefect.config_resolve import resolve
from fastdefect.errors import UsageError
from fastdefect.options import with_config_options
from fastdefect.tracking.catalogue import parse_trackers

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.cross_validate import CrossReport
    from fastdefect.jobs.each_product import EachProductReport
    from fastdefect.jobs.ensemble import EnsembleReport
    from fastdefect.jobs.final import FinalReport
    from fastdefect.jobs.training.report import FitReport


@app.command(rich_help_panel=TRAIN)
@with_config_options(sections=("data", "model", "training", "report"))
def fit(
    flags: dict[str, Any],
    *,
    config: ConfigFile = None,
    runs: Runs = Path("runs"),
    name: NewName = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Resume an interrupted run.")
    ] = None,
    data_root: DataRoot = None,
    log: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRACKER,...",
            help="Also log the training to trackers: mlflow, tensorboard or wandb. --resume "
            "continues with the trackers of the run; --log none turns them off.",
            show_default=False,
        ),
    ] = None,
    each_product: Annotated[
        bool,
        typer.Option(
            "--each-product", help="Train a run for each product, to compare with one of all."
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a classifier on a folder of photos, and write the run to runs/NAME."""
    with session(quiet, as_json) as screen:
        others = {"from" if key == "from_run" else key: value for key, value in flags.items()}
        products = True if each_product else None
        refuse_with_resume(
            resume, {**others, "config": config, "name": name, "each_product": products}
        )
        settings, trackers = resolve(flags, config), parse_trackers(log)
        from fastdefect.run import SERIES, RunKind, RunStatus

        resumed = run_to_resume(resume, runs, data_root, screen)
        launch = Launch(settings, runs, name, resumed, trackers)
        if launch.resumed is not None:
            kind = launch.resumed.read_kind()
            if kind in SERIES and kind != RunKind.EACH_PRODUCT:
                raise UsageError(
                    f"{launch.resumed.name}: fit can't resume a series of trainings ({kind}).",
                    f"Resume it with: {launch.resumed.resume_command}",
                )
            final = launch.resumed.read_config().training.final in ("folds", "refit")
            average = _fit_final if final else _fit_ensemble
            crossed, ensemble = RunKind.CROSS_VALIDATION, RunKind.ENSEMBLE
            by_product = RunKind.EACH_PRODUCT
            do = {crossed: _cross_validate, ensemble: average, by_product: _fit_products}.get(
                kind, _fit
            )
        elif each_product:
            do = _fit_products
        else:
            from fastdefect.jobs.train import training_of

            do = _BY_TRAINING[training_of(settings)]
        if do(screen, launch) == RunStatus.INTERRUPTED:
            raise typer.Exit(INTERRUPTED_EXIT)


def _fit(screen: "Screen", launch: Launch) -> str:
    """Run one training; return how it ended."""
    from fastdefect.jobs import fit as job

    report: FitReport = launch.run_job(job, screen)
    _show_fit(screen, report)
    return report.reason


def _cross_validate(screen: "Screen", launch: Launch) -> str:
    """Run a training for each fold; return how the last one ended."""
    from fastdefect.jobs import cross_validate as job

    report: CrossReport = launch.run_job(job, screen)
    _show_folds(screen, report)
    return report.reason


def _fit_ensemble(screen: "Screen", launch: Launch) -> str:
    """Train several networks and average them; return how it ended."""
    from fastdefect.jobs import ensemble as job

    report: EnsembleReport = launch.run_job(job, screen)
    _show_ensemble(screen, report)
    return report.series.reason


def _fit_final(screen: "Screen", launch: Launch) -> str:
    """Train the networks of the folds and a final model on all photos; return how it ended."""
    from fastdefect.jobs import final as job

    report: FinalReport | None = launch.run_job(job, screen)
    if report is None:  # too few parts for folds
        return _fit(screen, replace(launch, resumed=None))
    _show_final(screen, report)
    return report.series.reason


def _fit_products(screen: "Screen", launch: Launch) -> str:
    """Train a run for each product; return how the last one ended."""
    from fastdefect.jobs import each_product as job
    from fastdefect.reporting.tables.products import trained_table

    report: EachProductReport = launch.run_job(job, screen)
    show(
        screen,
        "fit",
        report.as_json(),
        tables=[trained_table(report.products)],
        lines=series_lines(report.series),
    )
    return report.series.reason


_BY_TRAINING = {
    "one": _fit,
    "folds": _cross_validate,
    "ensemble": _fit_ensemble,
    "final": _fit_final,
}


def _show_fit(screen: "Screen", report: "FitReport") -> None:
    from fastdefect.jobs.training.report import as_event_data

    _show_model(screen, report)
    screen.line(f"Run: {report.run.folder}")
    _show_page(screen, report.page)
    if report.reason == "interrupted":
        screen.line(f"Resume with: {report.run.resume_command}")
    else:
        _show_sealed(screen, report)
        _show_next(screen)
    screen.result("fit", as_event_data(report))


def _show_page(screen: "Screen", page: Path | None) -> None:
    if page is not None:
        screen.line(f"Report: {page}")


def _show_model(screen: "Screen", report: "FitReport") -> None:
    from fastdefect.reporting.tables.fit import metrics_table, targets_table

    if report.metrics:
        screen.table(metrics_table(report.metrics, report.background_swap))
    if report.verdicts:
        screen.table(targets_table(report.verdicts))


def _show_sealed(screen: "Screen", report: "FitReport") -> None:
    if report.n_test:
        screen.line(f"{sealed_text(report.n_test)}: fastdefect evaluate --split test")


def _show_next(screen: "Screen") -> None:
    screen.line(
        "Next: fastdefect evaluate, to show all metrics with intervals; fastdefect threshold, to "
        "choose the decision threshold; fastdefect predict, to decide on new photos."
    )


def _show_ensemble(screen: "Screen", report: "EnsembleReport") -> None:
    from fastdefect.reporting.tables.ensemble import members_table

    series, average = report.series, report.average
    if average is not None:
        _show_model(screen, average)
        screen.table(members_table(report.members, average.metrics["valid"].as_json()))
    for line in series_lines(series):
        screen.line(line)
    if average is not None:
        _show_page(screen, average.page)
        _show_sealed(screen, average)
        _show_next(screen)
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
        _show_page(screen, model.page)
        _show_sealed(screen, model)
        _show_next(screen)
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
    _show_page(screen, report.page)
    if report.reason == "interrupted":
        screen.line(
            f"{report.done} of {report.n_folds} folds are done. "
            f"Resume with: {report.run.resume_command}"
        )
    elif report.n_test:
        screen.line(f"{report.n_test} test photos are sealed. They were in no fold.")
    screen.result("fit", report.as_json())
