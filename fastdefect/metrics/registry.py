"""The registry of metrics: name, title, direction and computation of each.

Tables, the limits of ``gate``, comparisons and the list in ``docs/evaluation.md`` use this
registry. A metric that is added here, with its function, appears in all of them.

Escape rate is the false negative rate of the defective class, overkill rate its false positive
rate. If one class is a defect and all others are good, F1, precision, recall, specificity, AUC and
average precision refer to the defect. Otherwise they are macro averages over the classes that have
photos, with equal weights.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fastdefect.aliases import Floats
from fastdefect.metrics.weighted import Weighted, calibration_gaps, mean_of_known, ratio


@dataclass(frozen=True)
class Metric:
    """A metric of predictions.

    ``compute`` returns its value for each weighting of the photos: (draws,), NaN if not defined.
    ``unit`` is a share of photos, shown in percent, or a score, shown with four digits. ``span`` is
    the lowest and the highest value. ``interval`` is the method: that of a share of the photos with
    a given truth ("rate"), a bootstrap of the value ("bootstrap"), or of its deviation
    ("deviation"). ``of`` is the input, decisions alone or probabilities.
    """

    name: str
    title: str
    compute: Callable[[Weighted], Floats]
    unit: Literal["share", "score"] = "score"
    better: Literal["higher", "lower"] = "higher"
    span: tuple[float, float] = (0.0, 1.0)
    interval: Literal["rate", "bootstrap", "deviation"] = "bootstrap"
    of: Literal["decisions", "probabilities"] = "decisions"


def _escape_rate(case: Weighted) -> Floats:
    if not case.good:
        return case.undefined
    defective = np.delete(case.confusion, case.good, axis=1)
    return ratio(defective[:, :, list(case.good)].sum(axis=(1, 2)), defective.sum(axis=(1, 2)))


def _overkill_rate(case: Weighted) -> Floats:
    good = list(case.good)
    if not good:
        return case.undefined
    n_good = case.confusion[:, good].sum(axis=(1, 2))
    return ratio(n_good - case.confusion[:, good][:, :, good].sum(axis=(1, 2)), n_good)


def _specificity(case: Weighted) -> Floats:
    """The share of the photos of other classes that are not assigned to the class."""
    confusion = case.confusion
    right = np.diagonal(confusion, axis1=1, axis2=2)
    support, named = confusion.sum(axis=2), confusion.sum(axis=1)
    if case.defect is not None:
        good = list(case.good)
        passed = confusion[:, good][:, :, good].sum(axis=(1, 2))
        return ratio(passed, support[:, good].sum(axis=1))
    others = support.sum(axis=1)[:, None] - support
    spared = np.where(support > 0, ratio(others - named + right, others), np.nan)
    return mean_of_known(spared)


def _accuracy(case: Weighted) -> Floats:
    return ratio(np.trace(case.confusion, axis1=1, axis2=2), case.confusion.sum(axis=(1, 2)))


def _matthews(case: Weighted) -> Floats:
    """The correlation of truth and decision (Gorodkin 2004): (draws,).

    It is 0 if all decisions are one class, and NaN if all photos are of one class.
    """
    confusion = case.confusion
    support, named = confusion.sum(axis=2), confusion.sum(axis=1)
    total = support.sum(axis=1)
    right = np.trace(confusion, axis1=1, axis2=2)
    together = right * total - (support * named).sum(axis=1)
    of_truth, of_decision = (total**2 - (of**2).sum(axis=1) for of in (support, named))
    correlation = ratio(together, np.sqrt(of_truth * of_decision))
    return np.where((of_truth > 0) & (of_decision == 0), 0.0, correlation)


def _brier(case: Weighted) -> Floats:
    """The sum over the classes, halved for two classes to give the usual (p - y)^2."""
    squares = ((case.y_prob - np.eye(case.n_classes)[case.y_true]) ** 2).sum(axis=1)
    return ratio(case.weights @ squares, case.total) / (2 if case.n_classes == 2 else 1)


def _log_loss(case: Weighted) -> Floats:
    """Natural logarithm; a probability is at least the distance from 1 to the next float64."""
    step = np.finfo(np.float64).eps
    of_truth = case.y_prob[np.arange(len(case.y_true)), case.y_true]
    losses = -np.log(np.clip(of_truth, step, 1 - step))
    return ratio(case.weights @ losses, case.total)


def _calibration_error(case: Weighted) -> Floats:
    return np.abs(calibration_gaps(case.weights, case.y_true, case.y_prob)).sum(axis=1)


# In the order of the tables.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("escape_rate", "escape rate", _escape_rate, "share", "lower", interval="rate"),
        Metric("overkill_rate", "overkill rate", _overkill_rate, "share", "lower", interval="rate"),
        Metric("f1", "F1", lambda case: case.one_of_class("f1")),
        Metric("precision", "precision", lambda case: case.one_of_class("precision")),
        Metric("recall", "recall", lambda case: case.one_of_class("recall"), interval="rate"),
        Metric("specificity", "specificity", _specificity, "share", interval="rate"),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            lambda case: mean_of_known(case.by_class["recall"]),
            "share",
        ),
        Metric("accuracy", "accuracy", _accuracy, "share", interval="rate"),
        Metric("auc", "AUC", lambda case: case.areas[0], of="probabilities"),
        Metric(
            "average_precision",
            "average precision",
            lambda case: case.areas[1],
            of="probabilities",
        ),
        Metric("mcc", "Matthews", _matthews, span=(-1.0, 1.0)),
        # With more than two classes the maximum is 2.
        Metric("brier", "Brier", _brier, better="lower", span=(0.0, 2.0), of="probabilities"),
        Metric(
            "log_loss",
            "log loss",
            _log_loss,
            better="lower",
            span=(0.0, math.inf),
            of="probabilities",
        ),
        Metric(
            "calibration_error",
            "calibration error",
            _calibration_error,
            "share",
            "lower",
            interval="deviation",
            of="probabilities",
        ),
    )
}

# The metrics of each epoch and of every summary.
HEADLINE = ("f1", "precision", "recall", "auc", "accuracy", "escape_rate", "overkill_rate")


def lower_is_better(name: str) -> bool:
    """Whether lower is better; also for the gap between training and validation."""
    return name == "gap" or (name in METRICS and METRICS[name].better == "lower")


def measure(case: Weighted) -> dict[str, Floats]:
    """Each of ``METRICS`` for each weighting of the photos: (draws,), NaN if undefined."""
    return {name: metric.compute(case) for name, metric in METRICS.items()}
