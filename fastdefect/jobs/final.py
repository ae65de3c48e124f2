"""``fastdefect fit --final folds|refit``: judged by photos held out, shipped knowing all of them.

The photos outside the test are dealt into folds of whole parts, and a network is trained without
each. What it says of the fold that it never saw gives the figures of the run, and then its views,
temperature and threshold. No epoch is chosen on it: each network is kept as its last one leaves it.
``folds`` ships the mean of these networks (each part was seen by all but one), ``refit`` one
more network, trained on all photos for as many epochs.

The run is one like any other: wherever its validation photos are asked about, each is answered by
the network that never saw its part (``TrainedModel``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.config import RunConfig, override
from fastdefect.data.findings import findings_as_json
from fastdefect.data.load import with_scale
from fastdefect.data.photos import Manifest
from fastdefect.data.reading.manifest import list_photos
from fastdefect.data.splitting.folds import Folds, fold_rows, make_folds, split_without
from fastdefect.data.splitting.split import Split, split_rows
from fastdefect.errors import DataError, FastdefectError, UsageError
from fastdefect.evaluation.predictions import Predictions, pooled, read_predictions
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.cross_validate import Outcome, outcome_of
from fastdefect.jobs.ensemble import train_to_model
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    Finished,
    SeriesReport,
    create_series,
    read_plan,
    seeds_from,
    settle,
)
from fastdefect.jobs.trained.model import fold_name, load_model
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.jobs.training.head_alone import check_head_alone
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.report import FitReport, as_event_data, keep_figures, parse_targets
from fastdefect.jobs.training.steps import with_enough_steps
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.text import counted

FOLDS = 5
# So few photos cost minutes in five folds, too, and one in five put aside costs much
# (docs/benchmarks.md, learning from every photo).
FEW_PHOTOS = 150
_ALL = "all"  # the folder of the network that is trained on all photos


@dataclass(frozen=True)
class FinalReport:
    """How it ended; ``outcome`` and ``model`` are None while trainings are left."""

    series: SeriesReport
    n_folds: int
    outcome: Outcome | None
    model: FitReport | None

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``: that of one training, and what is left."""
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
    """Trains on the other folds and validates on one; of fold 0, trains on all."""

    folds: Folds
    fold: int

    def __call__(self, split: Split, manifest: Manifest) -> Split:
        """The fold's own split, whatever ``split`` is."""
        if self.fold:
            return replace(split_without(self.folds, self.fold), test=split.test)
        pool = self.folds.pool
        return Split(pool, pool, split.test, split.parts)


def suits(config: RunConfig) -> bool:
    """Whether this is how to train: asked for, or ``auto`` and few photos.

    Not for sides that the data names, nor where the user asks for other trainings or chooses the
    epoch. Photos that can't be listed are left to the training to complain of.
    """
    training = config.training
    if training.final != "auto":
        return training.final != "none"
    others = training.members > 1 or config.report.folds or config.data.photos_per_class
    if others or training.tune == "head" or training.recipe in ("full", "legacy"):
        return False
    if {"keep", "patience"} & config.given:
        return False
    try:
        entries = list_photos(config.data.data, part_from=config.data.part_from).entries
    except FastdefectError:
        return False
    return len(entries) <= FEW_PHOTOS and all(entry.split is None for entry in entries)


def start(
    config: RunConfig, *, runs: Path, name: str | None, command: str, on_event: OnEvent
) -> FinalReport | None:
    """Train the networks in a new run; nothing is written before they are known to work.

    None, with nothing trained, where ``auto`` finds too few parts to deal out.
    """
    _refuse(config)
    check_head_alone(config)
    parse_targets(config)
    log = Log(on_event)
    auto = config.training.final == "auto"
    config = override(config, {"final": "folds"}) if auto else config
    photos = SeriesPhotos.read(config, log)
    config = with_scale(config, photos.manifest)
    try:
        folds = _deal(config, photos)
    except DataError as error:
        if not auto:
            raise
        log(Note(f"One training, without folds: {error.message}"))
        return None
    if auto:
        log(
            Note(
                f"{counted(len(folds.pool), 'photo')} are few: {folds.k} trainings, so that all "
                f"are learned from; --final none trains once, in about 1/{folds.k} of the time."
            )
        )
    config = with_enough_steps(config, len(folds.pool) * (folds.k - 1) // folds.k, log)
    config = settle(config, photos, log)
    members = _members(config, folds)
    run = create_series(
        RunKind.ENSEMBLE, config, members, photos, runs=runs, name=name, command=command, plan={}
    )
    everything = Split((), folds.pool, folds.test, folds.parts)
    run.write("split.csv", split_rows(photos.manifest, everything))
    run.write("folds.csv", fold_rows(photos.manifest, folds))
    run.write_findings(findings_as_json(photos.findings))
    log.to(run.path("log.txt"))
    log(Note(_told(config, folds)))
    return _train(run, config, folds, members, photos, log)


def resume(run: Run, *, on_event: OnEvent) -> FinalReport:
    """Go on with the networks that are not finished; if all are, only report again."""
    read_plan(run, RunKind.ENSEMBLE)
    log = Log(on_event)
    log.to(run.path("log.txt"))
    config = run.read_config()
    photos = SeriesPhotos.read_again(run, log)
    folds = _deal(config, photos)
    if run.read_state()["status"] == RunStatus.FINISHED:
        log(Note(f"{run.name} is finished: nothing to train, reporting again."))
    return _train(run, config, folds, _members(config, folds), photos, log)


def _refuse(config: RunConfig) -> None:
    final = config.training.final
    if config.training.members > 1:
        raise UsageError(
            f"--final {final} and --members {config.training.members} exclude each other: the "
            "networks of the folds are the members.",
            "Leave one of them out.",
        )
    if config.data.photos_per_class is not None:
        raise UsageError(
            f"--final {final} learns from all photos, --photos-per-class from some.",
            "Leave one of them out.",
        )


def _deal(config: RunConfig, photos: SeriesPhotos) -> Folds:
    k = config.report.folds or FOLDS
    return make_folds(photos.manifest, photos.base, k, seed=config.training.seed)


def _members(config: RunConfig, folds: Folds) -> list[Member]:
    """A training without each fold, each with a seed of its own; for refit, one with all."""
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


def _told(config: RunConfig, folds: Folds) -> str:
    sizes = ", ".join(str(len(folds.held_out(fold))) for fold in range(1, folds.k + 1))
    shipped = {
        "folds": f"the mean of the {folds.k} networks is the model",
        "refit": "one more, trained on all of them, is the model; what its own epochs call "
        "validation are photos that it learns from",
    }[config.training.final]
    return (
        f"{folds.k} folds of whole parts, {sizes} photos: each is judged by a network that never "
        f"saw it, and {shipped}."
    )


def _train(
    run: Run,
    config: RunConfig,
    folds: Folds,
    members: Sequence[Member],
    photos: SeriesPhotos,
    log: Log,
) -> FinalReport:
    """Train those that are left, then make the run's model and keep its figures."""
    refit = config.training.final == "refit"
    series, measured = train_to_model(
        run,
        members,
        photos,
        log,
        fewest=len(members),  # without one network, its fold could not be judged
        shipped=lambda finished: finished[-1:] if refit else finished,
        measure=lambda series: _measure(run, config, folds, series, photos, log),
    )
    outcome, model = measured or (None, None)
    return FinalReport(series, folds.k, outcome, model)


def _measure(
    run: Run,
    config: RunConfig,
    folds: Folds,
    series: SeriesReport,
    photos: SeriesPhotos,
    log: Log,
) -> tuple[Outcome, FitReport]:
    """The figures of all folds together, of photos by networks that never saw them."""
    judges = series.finished[: folds.k]
    data = photos.data_of(judges[0].member, log)
    asked = EvaluationPhotos(
        photos.manifest,
        data.store,
        folds.pool,
        "valid",
        None,
        folds.parts,
        tuple(folds.fold[i] for i in folds.pool),
    )
    model = load_model(run, asked, config.training.device)
    spec = model.spec
    names = [photo.name for photo in asked.photos]
    by_fold = {
        number: read_predictions(each.predictions_path, spec.classes, spec.good)
        for number, each in enumerate(judges, start=1)
    }
    valid = _in_order(pooled(list(by_fold.values())), names)
    train = _in_order(_known_by(judges, spec.classes, spec.good), names)
    report = keep_figures(
        run,
        config,
        spec,
        {"train": train, "valid": valid},
        lambda of: model.swap_backgrounds(of, seed=config.training.seed, on_event=log),
        lambda views: model.predict(views, on_event=log, label="measuring flipped valid"),
        log,
    )
    report = replace(report, n_test=len(folds.test))
    outcome = outcome_of(by_fold, valid, asked.parts, report.verdicts, seed=config.training.seed)
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


def _known_by(
    judges: Sequence[Finished], classes: tuple[str, ...], good: str | None
) -> Predictions:
    """Of each photo, the mean of what the networks that learned from it hold probable."""
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
