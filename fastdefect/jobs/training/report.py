"""The end of a training: measure its best model, write and plot the results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.config import RunConfig
from fastdefect.evaluation.predictions import Predictions, predictions_of
from fastdefect.evaluation.robustness.background_swap import (
    BackgroundSwap,
    LabelledPhotos,
    swap_background,
)
from fastdefect.evaluation.targets import LEGACY, Target, Verdict, judge, parse_target
from fastdefect.events import Note, Progress
from fastdefect.jobs.training.assemble import Job
from fastdefect.jobs.training.calibration import keep_temperature
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.views import PredictViews, settle_views
from fastdefect.metrics import Metrics, constant_prediction
from fastdefect.reporting.plots.fit import plot_confusion, plot_curves
from fastdefect.run import Run, RunStatus
from fastdefect.training.fit import Fitted
from fastdefect.training.learner import ModelSpec
from fastdefect.training.predict import View

_BELOW = 0.01  # a smaller loss may be one photo or rounding


@dataclass(frozen=True)
class FitReport:
    """The results of a finished or interrupted training, for the closing tables.

    ``page`` is its report for people, ``report.html``, if there is one.
    """

    run: Run
    reason: RunStatus
    best_epoch: int | None
    metrics: dict[str, Metrics]
    verdicts: list[Verdict]
    n_test: int
    background_swap: BackgroundSwap | None
    page: Path | None = None


@dataclass(frozen=True)
class MeasuredModel:
    """A trained model, its predictions, and the further predictions that its figures need.

    ``predictions`` holds those of train and of valid; ``parts`` names the part of each photo of
    valid. ``swap_backgrounds`` repeats the decisions of valid on swapped backgrounds.
    ``predict_views`` predicts valid averaged over views.
    """

    spec: ModelSpec
    predictions: Mapping[str, Predictions]
    parts: Sequence[str]
    swap_backgrounds: Callable[[Predictions], BackgroundSwap | None]
    predict_views: PredictViews


def parse_targets(config: RunConfig) -> list[Target]:
    """The targets of the run; raises ``UsageError`` for a text that is not a target."""
    named = [parse_target(text) for text in config.report.target]
    return [*(LEGACY if config.report.targets == "legacy" else ()), *named]


def conclude(run: Run, job: Job, ended: Fitted, log: Log) -> FitReport:
    """Measure the best model on training and validation photos; write and plot the results.

    The test photos stay sealed: only an evaluation with ``--split test`` opens them.
    """
    best, history = ended.history.best_epoch, ended.history.rows
    if best is None:
        return FitReport(run, ended.reason, None, {}, [], len(job.data.split.test), None)
    plot_curves(history, run.path("curves.png"), best_epoch=best)
    report = measure_model(run, job, ended.reason, best, log)
    if ended.reason != RunStatus.INTERRUPTED:
        _warn_below_floor(run, job.config, report.metrics["train"], log)
    return report


def measure_model(
    run: Run, job: Job, reason: RunStatus, best_epoch: int | None, log: Log
) -> FitReport:
    """Measure the model in the run's folder; write and plot the results, as ``conclude`` does.

    ``best_epoch`` is None for a model that does not come from a single epoch.
    """
    job.load_best(run)
    predictions = {
        name: predict(job, job.data.split.of(name), f"measuring {name}", log)
        for name in ("train", "valid")
    }
    measured = MeasuredModel(
        job.spec,
        predictions,
        [job.data.split.parts[index] for index in job.data.split.valid],
        lambda valid: _swap_backgrounds(job, valid, log),
        lambda views: predict(job, job.data.split.valid, "measuring flipped valid", log, views),
    )
    report = keep_figures(run, job.config, measured, log)
    n_test = len(job.data.split.test)
    return replace(report, reason=reason, best_epoch=best_epoch, n_test=n_test)


def keep_figures(run: Run, config: RunConfig, model: MeasuredModel, log: Log) -> FitReport:
    """Write and plot the figures that follow from the model's predictions of train and valid.

    If the run's decisions average views, the report has the metrics of these, too, as
    ``valid-VIEWS``.
    """
    metrics: dict[str, Metrics] = {}
    for name, of in model.predictions.items():
        metrics[name] = of.metrics()
        run.write_predictions(name, of.rows(), of.columns(), "none")
        run.put("metrics.json", name, metrics[name].as_json())
    spec, valid = model.spec, model.predictions["valid"]
    if len(np.unique(valid.y_true)) > 1:
        _warn_if_constant(metrics["valid"], spec, _advice(run, config), log)
    keep_temperature(run, "none", valid)
    deciding = settle_views(run, config, valid, model.parts, model.predict_views, log)
    if deciding.views != "none":
        name = f"valid-{deciding.views}"
        metrics[name] = deciding.valid.metrics()
        run.put("metrics.json", name, metrics[name].as_json())
    swap = _keep_background_swap(run, model, log)
    plot_confusion(
        metrics["valid"].confusion,
        spec.classes,
        run.path("confusion.png"),
        title=f"Validation, {metrics['valid'].n} photos",
        good=spec.good,
    )
    verdicts = judge(parse_targets(config), run.read("metrics.json"))
    return FitReport(run, RunStatus.FINISHED, None, metrics, verdicts, 0, swap)


def _keep_background_swap(run: Run, model: MeasuredModel, log: Log) -> BackgroundSwap | None:
    valid = model.predictions["valid"]
    swap = model.swap_backgrounds(valid)
    if swap is None:
        only = model.spec.classes[valid.y_true[0]]
        why = f"all validation photos are {only!r}, so there is no other background"
        if model.spec.preprocessing.tiles > 1:
            why = "most tiles do not show the background"
        log(Note(f"No background swap: {why}."))
    else:
        run.put("background_swap.json", "valid", swap.as_json())
    return swap


def _warn_if_constant(valid: Metrics, spec: ModelSpec, advice: str, log: Log) -> None:
    """Warn of a constant prediction, which can still have a fair F1."""
    only = constant_prediction(valid.confusion)
    if only is None:
        return
    if spec.head == "memory":  # has no epochs, and its threshold is another one
        advice = (
            "That is before its threshold, which decides. More good parts in train give the "
            "distances a surer scale."
        )
    text = (
        f"Constant prediction: the best model classifies every validation photo as "
        f"{spec.classes[only]!r}. {advice}"
    )
    log(Note(text, "warning"))


def _warn_below_floor(run: Run, config: RunConfig, train: Metrics, log: Log) -> None:
    """Warn of a training that predicts its own photos worse than frozen features predict others.

    This needs no validation photos, of which there may be few. With balanced classes a training
    rejects more on purpose, and the accuracies are not comparable.
    """
    floor = {name: of for name, of in run.read("floor.json").items() if isinstance(of, float)}
    if not floor.keys() >= {"auc", "accuracy"}:
        return
    lost = [floor["auc"] - train.auc]
    if config.data.balance == "none":
        lost.append(floor["accuracy"] - train.accuracy)
    if not any(each > _BELOW for each in lost):  # nor NaN: one class has no AUC
        return
    text = (
        f"The training failed to improve the network: on its own training photos it has AUC "
        f"{train.auc:.3f}, accuracy {train.accuracy:.1%}; a linear classifier on frozen features "
        f"has AUC {floor['auc']:.3f}, accuracy {floor['accuracy']:.1%} on photos that it was not "
        f"trained on. {_advice(run, config)}"
    )
    log(Note(text, "warning"))


def _advice(run: Run, config: RunConfig) -> str:
    """What helps a training that learned too little."""
    training = config.training
    if not run.read("model.json").get("weights", {}).get("pretrained", True):
        return "Pretrained --weights help most, then more photos and epochs."
    other = ""
    if training.batch_norm == "frozen":  # may fail where trained statistics do not
        other = "--recipe fine, "
    elif config.data.augment not in ("none", "basic"):
        other = "--recipe plain, "
    return (
        f"Try more --epochs than {training.epochs}, {other}a lower --learning-rate than "
        f"{training.learning_rate:.2g}, or --tune head, which trains the linear classifier alone."
    )


def _swap_backgrounds(job: Job, valid: Predictions, log: Log) -> BackgroundSwap | None:
    """The model's decisions on validation photos with another class's background."""
    side = job.data.split.valid
    seen = job.data.views(side)

    def predict(photos: NDArray[np.uint8], positions: Sequence[int]) -> Floats:
        seen_from = [seen[position] for position in positions]
        return job.predictor.probabilities(photos, range(len(photos)), seen_from=seen_from)

    return swap_background(
        predict,
        LabelledPhotos(job.data.store, job.data.rows(side), valid.y_true, job.spec.good_indices),
        valid.y_prob,
        seed=job.config.training.seed,
        on_batch=lambda done: log(Progress("swapping backgrounds", done, len(side))),
    )


def predict(
    job: Job, side: tuple[int, ...], task: str, log: Log, views: Sequence[View] = ()
) -> Predictions:
    """The current network's predictions of the photos ``side``; ``task`` names the progress."""
    y_prob = job.predictor.probabilities(
        job.data.store,
        job.data.rows(side),
        views=views,
        seen_from=job.data.views(side),
        on_batch=lambda done: log(Progress(task, done, len(side))),
    )
    photos = [job.data.manifest.photos[index] for index in side]
    return predictions_of(photos, job.spec.classes, job.spec.good, y_prob)


def as_event_data(report: FitReport) -> dict[str, Any]:
    """The closing event for ``--json``."""
    return {
        "run": str(report.run.folder),
        "reason": report.reason,
        "best_epoch": report.best_epoch,
        "report": str(report.page) if report.page else None,
        "metrics": {split: metrics.as_json() for split, metrics in report.metrics.items()},
        "targets": [
            {
                "metric": verdict.target.metric,
                "split": verdict.target.split,
                "target": verdict.target.low,
                "value": verdict.value,
                "met": verdict.met,
            }
            for verdict in report.verdicts
        ],
        "background_swap": report.background_swap.as_json() if report.background_swap else None,
    }
