"""``fastdefect fit --folds K``: train a run per fold and measure it on the held-out photos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.aliases import Interval
from fastdefect.config import RunConfig
from fastdefect.data.findings import Finding, findings_as_json
from fastdefect.data.load import divide_into_folds, limit_training, read_and_audit
from fastdefect.data.photos import Manifest
from fastdefect.data.settle import as_read
from fastdefect.data.splitting.folds import Folds, fold_rows, read_folds, split_for_fold
from fastdefect.data.splitting.split import read_split
from fastdefect.data.store import PhotoStore
from fastdefect.data.training_data import TrainingData
from fastdefect.evaluation.evaluate import evaluate
from fastdefect.evaluation.predictions import (
    Predictions,
    pooled,
    read_predictions,
)
from fastdefect.evaluation.statistics.intervals import BOOTSTRAP_SEED, Spread, spread_over_folds
from fastdefect.evaluation.targets import Verdict, judge
from fastdefect.events import Note, OnEvent, silent
from fastdefect.jobs.fit import absolute, begin, go_on, reassemble
from fastdefect.jobs.report import leave_report
from fastdefect.jobs.trained.run_photos import read_to_resume
from fastdefect.jobs.training.assemble import Job, assemble, choose_machine
from fastdefect.jobs.training.environment import describe_environment
from fastdefect.jobs.training.failing import failing_run
from fastdefect.jobs.training.interrupt import StopRequested, stop_on_interrupt
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.network import settle_weights
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.jobs.training.one_epoch import check_one_epoch
from fastdefect.jobs.training.parent import refuse_parent
from fastdefect.jobs.training.recipe import settle_for
from fastdefect.jobs.training.report import parse_targets, predict
from fastdefect.jobs.training.steps import with_enough_steps
from fastdefect.metrics import HEADLINE, Metrics
from fastdefect.reporting.plots.fit import plot_confusion
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.run_registry import create_fold, create_run
from fastdefect.training.checkpoint import restore_network
from fastdefect.training.learner import ModelSpec

HELD_OUT, OUT_OF_FOLD = "heldout", "oof"  # as in predictions-<...>.csv


@dataclass(frozen=True)
class Outcome:
    """The figures of each held-out fold, and of all held-out photos together."""

    folds: Mapping[int, Metrics]
    pooled: Metrics
    spreads: Mapping[str, Spread]
    intervals: Mapping[str, Interval | None]
    verdicts: list[Verdict]
    n_parts: int


@dataclass(frozen=True)
class CrossReport:
    """The result of a cross-validation; ``outcome`` is None while folds are left.

    ``page`` is its report for people, ``report.html``, if there is one.
    """

    run: Run
    reason: RunStatus
    done: int
    n_folds: int
    n_test: int
    outcome: Outcome | None
    page: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``."""
        return {
            "run": str(self.run.folder),
            "reason": self.reason,
            "folds_done": self.done,
            "folds": self.n_folds,
            "metrics": self.run.read("metrics.json") if self.outcome else {},
            "report": str(self.page) if self.page else None,
        }


@dataclass(frozen=True)
class _Photos:
    """The photos and their folds, read once."""

    manifest: Manifest
    store: PhotoStore
    folds: Folds
    findings: Sequence[Finding] = ()


def start(config: RunConfig, new_run: NewRun, *, on_event: OnEvent) -> CrossReport:
    """Cross-validate in a new run; nothing is written before all folds are checked."""
    log = Log(on_event)
    config, photos = _prepare(config, log)
    run = create_run(
        new_run.runs,
        new_run.name,
        absolute(config),
        new_run.command,
        kind=RunKind.CROSS_VALIDATION,
    )
    with run.held():
        return _begin(run, config, photos, log)


def resume(run: Run, *, on_event: OnEvent) -> CrossReport:
    """Train the folds that are not finished; if all are, only report again."""
    log = Log(on_event)
    with run.held():
        config = run.read_config()
        if not run.path("folds.csv").exists():
            log(Note(f"{run.name} stopped before its first fold began: it begins now."))
            return _begin(run, *_prepare(config, log), log)
        log.to(run.path("log.txt"))
        k = _folds_of(config)
        if _done(run, k) == k:
            log(Note(f"{run.name} is finished: nothing to train, reporting again."))
            return _close(run, config, k, RunStatus.FINISHED, log)
        run.update_state(status=RunStatus.RUNNING)
        machine = choose_machine(config.training)
        manifest, store = read_to_resume(run, config.data, workers=machine.workers, on_event=log)
        photos = _Photos(manifest, store, read_folds(run.path("folds.csv"), manifest))
        return _train_all(run, config, photos, log)


def _prepare(config: RunConfig, log: Log) -> tuple[RunConfig, _Photos]:
    """Read the photos, make the folds and settle the recipe; write nothing."""
    check_one_epoch(config)
    refuse_parent(config)
    parse_targets(config)
    k = _folds_of(config)
    machine = choose_machine(config.training)
    seed = config.training.seed
    audit, store = read_and_audit(config.data, seed=seed, workers=machine.workers, on_event=log)
    manifest = audit.manifest
    config = as_read(config, manifest)
    folds = divide_into_folds(manifest, audit.parts, config.data, k, seed=seed, on_event=log)
    photos = _Photos(manifest, store, folds, audit.findings)
    # Check that every fold leaves enough photos to train on, and that the network can be built.
    splits = [_data_for(photos, config, fold) for fold in range(1, k + 1)]
    config = with_enough_steps(config, len(splits[0].split.train), log)
    # The recipe is chosen on the training photos of the first fold and used for all.
    config = settle_for(settle_weights(config, log), splits[0], machine.device, log)
    assemble(config, silent, data=splits[0])
    return config, photos


def _folds_of(config: RunConfig) -> int:
    if config.report.folds is None:
        raise ValueError("Expected a config with folds")
    return config.report.folds


def _begin(run: Run, config: RunConfig, photos: _Photos, log: Log) -> CrossReport:
    """Write what the folds share, ``folds.csv`` last: with it, they can be continued."""
    with failing_run(run):
        log.to(run.path("log.txt"))
        run.write_findings(findings_as_json(photos.findings))
        machine = choose_machine(config.training)
        run.write(
            "environment.json",
            describe_environment(machine.device, machine.precision, machine.workers),
        )
        run.write("folds.csv", fold_rows(photos.manifest, photos.folds))
    return _train_all(run, config, photos, log)


def _train_all(run: Run, config: RunConfig, photos: _Photos, log: Log) -> CrossReport:
    """Train each fold that is not finished, and combine them."""
    with failing_run(run):
        reason = _train_folds(run, config, photos, log)
        return _close(run, config, _folds_of(config), reason, log)


def _train_folds(run: Run, config: RunConfig, photos: _Photos, log: Log) -> RunStatus:
    """Train each fold that is not finished; stop at the first that is interrupted."""
    k = _folds_of(config)
    try:
        with stop_on_interrupt() as stop_requested:
            for fold in range(1, k + 1):
                if _is_done(run.fold(fold)):
                    log(Note(f"Fold {fold} of {k} is finished."))
                    continue
                # Interrupted while the previous fold finished, or during this one.
                if stop_requested():
                    return RunStatus.INTERRUPTED
                ended = _train_fold(run, config, photos, fold, stop_requested, log)
                if ended == RunStatus.INTERRUPTED:
                    return ended
    except KeyboardInterrupt:  # a second one ends the current step at once
        return RunStatus.INTERRUPTED
    return RunStatus.FINISHED


def _train_fold(
    run: Run, config: RunConfig, photos: _Photos, fold: int, stop: StopRequested, log: Log
) -> RunStatus:
    """Train one fold as its own run, then predict its held-out photos; return how it ended."""
    own, own_log = run.fold(fold), Log(log)
    held_out = photos.folds.held_out(fold)
    if own.path("checkpoint.safetensors").exists():
        data = TrainingData(
            photos.manifest, photos.store, read_split(own.path("split.csv"), photos.manifest)
        )
        _tell_fold(data, photos.folds.k, fold, len(held_out), log)
        job, checkpoint = reassemble(own, own_log, data)
        report = go_on(own, job, checkpoint, own_log, stop)
    else:
        data = _data_for(photos, config, fold)
        _tell_fold(data, photos.folds.k, fold, len(held_out), log)
        job = assemble(config, own_log, data=data)
        report = begin(create_fold(run, fold), job, own_log, stop)
    if report.reason == RunStatus.INTERRUPTED:
        return RunStatus.INTERRUPTED
    predictions = _predict(own, job, held_out, fold, own_log)
    own.write_predictions(HELD_OUT, predictions.rows(), predictions.columns(), "none")
    return RunStatus.FINISHED


def _data_for(photos: _Photos, config: RunConfig, fold: int) -> TrainingData:
    seed = config.training.seed
    whole = split_for_fold(photos.manifest, photos.folds, fold, valid=config.data.valid, seed=seed)
    split = limit_training(photos.manifest, whole, config.data, seed=seed, on_event=silent)
    return TrainingData(photos.manifest, photos.store, split)


def _tell_fold(data: TrainingData, k: int, fold: int, held_out: int, log: Log) -> None:
    log(
        Note(
            f"Fold {fold} of {k}: train {len(data.split.train)}, "
            f"valid {len(data.split.valid)} (to choose the epoch), held out {held_out}."
        )
    )


def _predict(own: Run, job: Job, held_out: tuple[int, ...], fold: int, log: Log) -> Predictions:
    """Predict, with the fold's best model, the photos that neither trained nor chose it."""
    restore_network(job.learn.model, own.path("model.safetensors"))
    return predict(job, held_out, f"fold {fold}, held out", log)


def _is_done(own: Run) -> bool:
    """Whether the fold is trained to its end and its held-out photos are predicted."""
    return own.predictions_path(HELD_OUT).exists() and own.read_state()["status"] in (
        RunStatus.FINISHED,
        RunStatus.EARLY_STOPPING,
    )


def _done(run: Run, k: int) -> int:
    return sum(_is_done(run.fold(fold)) for fold in range(1, k + 1))


def _close(run: Run, config: RunConfig, k: int, reason: RunStatus, log: Log) -> CrossReport:
    """Combine the folds once all are finished; the result depends on the files alone."""
    rows = {row["path"]: row for row in run.read("folds.csv")}
    n_test = sum(row["split"] == "test" for row in rows.values())
    done = _done(run, k)
    outcome = _outcome(run, config, k, rows) if done == k else None
    run.update_state(status=reason)
    page = leave_report(run, log) if outcome else None
    return CrossReport(run, reason, done, k, n_test, outcome, page)


def _outcome(run: Run, config: RunConfig, k: int, rows: Mapping[str, Mapping[str, str]]) -> Outcome:
    spec = ModelSpec.from_json(run.fold(1).read("model.json"))
    by_fold = {
        fold: read_predictions(run.fold(fold).predictions_path(HELD_OUT), spec.classes, spec.good)
        for fold in range(1, k + 1)
    }
    whole = pooled(list(by_fold.values()))
    parts = [rows[name]["part"] for name in whole.names]
    run.write_predictions(
        OUT_OF_FOLD,
        [
            {**row, "fold": rows[row["path"]]["fold"], "part": rows[row["path"]]["part"]}
            for row in whole.rows()
        ],
        [*whole.columns(), "fold", "part"],
        "none",
    )
    verdicts = _judge(run, config, whole.metrics(), k)
    outcome = outcome_of(by_fold, whole, parts, verdicts)
    _keep(run, outcome, spec)
    return outcome


def outcome_of(
    by_fold: Mapping[int, Predictions],
    whole: Predictions,
    parts: Sequence[str],
    verdicts: list[Verdict],
) -> Outcome:
    """The figures of the held-out photos, by fold and together (``whole``, showing ``parts``)."""
    metrics = {fold: predictions.metrics() for fold, predictions in by_fold.items()}
    together = evaluate(whole, parts, seed=BOOTSTRAP_SEED)
    return Outcome(
        metrics,
        together.metrics,
        spread_over_folds(list(metrics.values())),
        {name: together.estimates[name].interval for name in HEADLINE},
        verdicts,
        len(set(parts)),
    )


def _judge(run: Run, config: RunConfig, held_out: Metrics, k: int) -> list[Verdict]:
    """Check validation targets on all held-out photos, training targets on the mean of folds."""
    trained = [run.fold(fold).read("metrics.json")["train"]["accuracy"] for fold in range(1, k + 1)]
    figures = {"train": {"accuracy": float(np.mean(trained))}, "valid": held_out.as_json()}
    return judge(parse_targets(config), figures)


def _keep(run: Run, outcome: Outcome, spec: ModelSpec) -> None:
    run.put(
        "metrics.json", OUT_OF_FOLD, {**outcome.pooled.as_json(), "intervals": outcome.intervals}
    )
    for fold, metrics in outcome.folds.items():
        run.put("metrics.json", f"fold-{fold}", metrics.as_json())
    run.put(
        "metrics.json", "folds", {name: vars(spread) for name, spread in outcome.spreads.items()}
    )
    plot_confusion(
        outcome.pooled.confusion,
        spec.classes,
        run.path("confusion.png"),
        title=f"All held-out photos, {outcome.pooled.n}",
        good=spec.good,
    )
