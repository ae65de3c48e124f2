"""``fastdefect fit --final folds|refit``: measure on held-out photos, train on all of them.

The photos outside the test are divided into folds of whole parts, and one network is trained
without each fold. Its predictions of the held-out fold give the run's figures, and later its views,
temperature and threshold. No epoch is chosen on the fold: each network is kept after its last
epoch. ``folds`` ships the mean of these networks (all but one trained on any given part), ``refit``
one more network, trained on all photos for as many epochs.

The run behaves like any other: each of its validation photos is always predicted by the network
that never trained on its part (``TrainedModel``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override
from fastdefect.data.findings import findings_as_json
from fastdefect.data.load import list_data
from fastdefect.data.photos import Manifest
from fastdefect.data.settle import as_read
from fastdefect.data.splitting.folds import Folds, fold_rows, make_folds, split_without
from fastdefect.data.splitting.split import Split, run_rows
from fastdefect.errors import DataError, FastdefectError, UsageError
from fastdefect.evaluation.predictions import Predictions, pooled, read_predictions
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.cross_validate import Outcome, outcome_of
from fastdefect.jobs.ensemble import ModelPlan, train_to_model
from fastdefect.jobs.report import leave_report
from fastdefect.jobs.series.members import Finished
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    Series,
    SeriesReport,
    create_series,
    read_plan,
    seeds_from,
    settle,
)
from fastdefect.jobs.trained.model import fold_name, load_model
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.jobs.training.one_epoch import check_one_epoch
from fastdefect.jobs.training.report import (
    FitReport,
    MeasuredModel,
    as_event_data,
    keep_figures,
    parse_targets,
)
from fastdefect.jobs.training.steps import with_enough_steps
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.text import counted

FOLDS = 5
# With at most so many photos five folds take minutes, and holding out one photo in five costs much
# accuracy (docs/benchmarks.md, learning from every photo).
FEW_PHOTOS = 150
_ALL = "all"  # the folder of the network that is trained on all photos


@dataclass(frozen=True)
class FinalReport:
    """The result of the folds; ``outcome`` and ``model`` are None while trainings are left."""

    series: SeriesReport
    n_folds: int
    outcome: Outcome | None
    model: FitReport | None

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``: that of one training, with the trainings left."""
        series = self.series
        known = as_event_data(self.model) if self.model else {"metrics": {}, "targets": []}
        return {
            **known,
            "run": str(series.run.folder),
            "reason": series.reason,
            "folds": self.n_folds,
            "left": [member.name for member in series.left],
            "seconds_left": series.seconds_left,
        }


@dataclass(frozen=True)
class _WithoutFold:
    """Train on the other folds and validate on ``fold``; for fold 0, train on all of them."""

    folds: Folds
    fold: int

    def __call__(self, split: Split, manifest: Manifest) -> Split:
        """The fold's split, with the test of ``split``."""
        if self.fold:
            return replace(split_without(self.folds, self.fold), test=split.test)
        pool = self.folds.pool
        return Split(pool, pool, split.test, split.parts)


def suits(config: RunConfig) -> bool:
    """Whether to train by folds: requested, or ``auto`` with few photos.

    ``auto`` does not apply if the data names the splits, or if the user requests other trainings or
    chooses the epoch. Photos that can't be listed are an error of the training, not of this check.
    """
    training = config.training
    if training.final != "auto":
        return training.final != "none"
    others = training.members > 1 or config.report.folds or config.data.photos_per_class
    if others or config.one_epoch or training.recipe in ("full", "legacy"):
        return False
    if {"keep", "patience"} & config.given or config.model.from_run is not None:
        return False
    if config.data.learn == "both":  # the memory is of one training
        return False
    try:
        entries = list_data(config.data).entries
    except FastdefectError:
        return False
    return len(entries) <= FEW_PHOTOS and all(entry.split is None for entry in entries)


def start(config: RunConfig, new_run: NewRun, *, on_event: OnEvent) -> FinalReport | None:
    """Train the networks in a new run; nothing is written before they are checked.

    Return None, with nothing trained, if ``auto`` finds too few parts for folds.
    """
    _refuse(config)
    check_one_epoch(config)
    parse_targets(config)
    log = Log(on_event)
    auto = config.training.final == "auto"
    config = override(config, {"final": "folds"}) if auto else config
    photos = SeriesPhotos.read(config, log)
    config = as_read(config, photos.manifest)
    try:
        folds = _make_folds(config, photos)
    except DataError as error:
        if not auto:
            raise
        log(Note(f"One training, without folds: {error.message}"))
        return None
    if auto:
        log(
            Note(
                f"Only {counted(len(folds.pool), 'photo')}: {folds.k} trainings, so that the model "
                f"learns from all of them; --final none trains once, in about 1/{folds.k} of the "
                "time."
            )
        )
    config = with_enough_steps(config, len(folds.pool) * (folds.k - 1) // folds.k, log)
    config = settle(config, photos, log)
    members = _members(config, folds)
    run = create_series(RunKind.ENSEMBLE, config, members, photos, new_run, {})
    everything = Split((), folds.pool, folds.test, folds.parts)
    run.write("split.csv", run_rows(photos.manifest, everything))
    run.write("folds.csv", fold_rows(photos.manifest, folds))
    run.write_findings(findings_as_json(photos.findings))
    log.to(run.path("log.txt"))
    log(_folds_note(config, folds))
    return _train(Series(run, members, photos, log), config, folds)


def resume(run: Run, *, on_event: OnEvent) -> FinalReport:
    """Train the networks that are not finished; if all are, only report again."""
    read_plan(run, RunKind.ENSEMBLE)
    log = Log(on_event)
    log.to(run.path("log.txt"))
    config = run.read_config()
    photos = SeriesPhotos.read_again(run, log)
    folds = _make_folds(config, photos)
    if run.read_state()["status"] == RunStatus.FINISHED:
        log(Note(f"{run.name} is finished: nothing to train, reporting again."))
    return _train(Series(run, _members(config, folds), photos, log), config, folds)


def _refuse(config: RunConfig) -> None:
    final = config.training.final
    if config.training.members > 1:
        raise UsageError(
            f"--final {final} and --members {config.training.members} exclude each other: the "
            "networks of the folds are the members.",
            "Remove one of them.",
        )
    if config.data.photos_per_class is not None:
        raise UsageError(
            f"--final {final} and --photos-per-class {config.data.photos_per_class} exclude each "
            "other: --final trains on all photos.",
            "Remove one of them.",
        )


def _make_folds(config: RunConfig, photos: SeriesPhotos) -> Folds:
    k = config.report.folds or FOLDS
    return make_folds(photos.manifest, photos.base, k, seed=config.training.seed)


def _members(config: RunConfig, folds: Folds) -> list[Member]:
    """One training without each fold, each with its own seed; for refit, one more on all photos."""
    training = replace(config.training, final="none", keep="last", patience=0)
    plain = replace(config, training=training, report=replace(config.report, folds=None, target=()))
    seeds = seeds_from(config.training.seed, folds.k + 1)
    members = [
        Member(
            fold_name(fold),
            replace(plain, training=replace(training, seed=seeds[fold - 1])),
            config.training.seed,
            _WithoutFold(folds, fold),
        )
        for fold in range(1, folds.k + 1)
    ]
    if config.training.final == "refit":
        own = replace(plain, training=replace(training, seed=seeds[-1]))
        members.append(Member(_ALL, own, config.training.seed, _WithoutFold(folds, 0)))
    return members


def _folds_note(config: RunConfig, folds: Folds) -> Note:
    sizes = ", ".join(str(len(folds.held_out(fold))) for fold in range(1, folds.k + 1))
    shipped = {
        "folds": f"the mean of the {folds.k} networks is the model",
        "refit": "one more network, trained on all photos, is the model; the validation figures "
        "of its own epochs are of photos that it trains on",
    }[config.training.final]
    return Note(
        f"{folds.k} folds of whole parts, {sizes} photos: each fold is predicted by a network that "
        f"did not train on it, and {shipped}."
    )


def _train(series: Series, config: RunConfig, folds: Folds) -> FinalReport:
    """Train the networks that are left, then make the run's model and write its figures."""
    refit = config.training.final == "refit"
    plan = ModelPlan(
        fewest=len(series.members),  # without its network a fold has no predictions
        shipped=lambda finished: finished[-1:] if refit else finished,
        measure=lambda ended: _measure(series, ended.finished[: folds.k], config, folds),
    )
    ended, measured = train_to_model(series, plan)
    if measured is None:
        return FinalReport(ended, folds.k, None, None)
    outcome, model = measured
    model = replace(model, page=leave_report(series.parent, series.log))
    return FinalReport(ended, folds.k, outcome, model)


def _measure(
    series: Series, judges: Sequence[Finished], config: RunConfig, folds: Folds
) -> tuple[Outcome, FitReport]:
    """The figures of all folds together; ``judges`` are the networks without each fold."""
    run, photos, log = series.parent, series.photos, series.log
    data = photos.data_of(judges[0].member, log)
    held_out = EvaluationPhotos(
        photos.manifest,
        data.store,
        folds.pool,
        "valid",
        None,
        folds.parts,
        tuple(folds.fold[i] for i in folds.pool),
    )
    model = load_model(run, held_out, config.training.device)
    spec = model.spec
    names = [photo.name for photo in held_out.photos]
    by_fold = {
        number: read_predictions(each.predictions_path, spec.classes, spec.good)
        for number, each in enumerate(judges, start=1)
    }
    valid = _in_order(pooled(list(by_fold.values())), names)
    train = _in_order(_mean_on_train(judges, spec.classes, spec.good), names)
    measured = MeasuredModel(
        spec,
        {"train": train, "valid": valid},
        held_out.parts,
        lambda of: model.swap_backgrounds(of, seed=config.training.seed, on_event=log),
        lambda views: model.predict(views, on_event=log, label="measuring flipped valid"),
    )
    report = replace(keep_figures(run, config, measured, log), n_test=len(folds.test))
    outcome = outcome_of(by_fold, valid, held_out.parts, report.verdicts)
    return outcome, report


def _in_order(predictions: Predictions, names: Sequence[str]) -> Predictions:
    at = {name: i for i, name in enumerate(predictions.names)}
    order = np.array([at[name] for name in names])
    return replace(
        predictions,
        names=tuple(names),
        y_true=predictions.y_true[order],
        y_prob=predictions.y_prob[order],
    )


def _mean_on_train(
    judges: Sequence[Finished], classes: tuple[str, ...], good: tuple[str, ...]
) -> Predictions:
    """For each photo, the mean prediction of the networks that trained on it."""
    each = [
        read_predictions(judge.run.predictions_path("train"), classes, good) for judge in judges
    ]
    total: dict[str, Any] = {}
    count: dict[str, int] = {}
    truth: dict[str, int] = {}
    for predictions in each:
        for name, label, y_prob in zip(
            predictions.names, predictions.y_true, predictions.y_prob, strict=True
        ):
            total[name] = total.get(name, 0) + y_prob
            count[name], truth[name] = count.get(name, 0) + 1, int(label)
    names = tuple(total)
    return Predictions(
        names,
        classes,
        good,
        np.array([truth[name] for name in names], np.int64),
        np.stack([total[name] / count[name] for name in names]),
    )
