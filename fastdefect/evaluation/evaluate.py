"""All metrics of a set of predictions, each with the interval for its kind.

Shares of photos get the intervals of ``rates``. All others get a bootstrap over parts with
percentiles, except the calibration error: every draw increases it, so its interval uses the
deviations of its gaps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Interval
from fastdefect.evaluation.predictions import Predictions
from fastdefect.evaluation.statistics.intervals import (
    bootstrap,
    certain_interval,
    deviation_interval,
    percentile_interval,
    share_trials,
)
from fastdefect.evaluation.statistics.rates import Claim, Rate, claim, rate_of
from fastdefect.files import finite
from fastdefect.good import Good, is_good, only_defect
from fastdefect.metrics import (
    METRICS,
    Metrics,
    Weighted,
    calibration_gaps,
    check_predictions,
    class_metrics,
    confusions,
    measure,
    score,
)

Method = Literal["clopper-pearson", "korn-graubard", "bootstrap", "bootstrap-deviation", "none"]


@dataclass(frozen=True)
class Estimate:
    """A metric, its 95 % interval and the method of the interval.

    ``value`` is NaN if the metric is not defined. Then, and if there is no interval, ``interval``
    is None and ``method`` is "none".
    """

    value: float
    interval: Interval | None
    method: Method

    def as_json(self) -> dict[str, Any]:
        """Value, interval and method; None for NaN."""
        return finite(dict(vars(self)))


@dataclass(frozen=True)
class ClassEvaluation:
    """One class against the rest; ``photos`` and ``parts`` count those of the class."""

    precision: Estimate
    recall: Estimate
    f1: Estimate
    photos: int
    parts: int

    def as_json(self) -> dict[str, Any]:
        """Estimates and counts."""
        estimates = {name: getattr(self, name).as_json() for name in ("precision", "recall", "f1")}
        return {**estimates, "photos": self.photos, "parts": self.parts}


@dataclass(frozen=True)
class Evaluation:
    """The metrics of predictions with their intervals.

    ``estimates`` has ``METRICS`` in their order. ``escape`` refers to the defective photos,
    ``overkill`` to the good ones, and ``escape_claim`` is the bound that the defective parts prove;
    all three are None without a good class. A part with both defective and good photos counts in
    both ``n_defective_parts`` and ``n_good_parts``. ``good_confused`` are the good photos that are
    classified as another good class; None with fewer than two good classes.
    """

    metrics: Metrics
    estimates: dict[str, Estimate]
    n_parts: int
    n_defective_parts: int
    n_good_parts: int
    escape: Rate | None
    overkill: Rate | None
    escape_claim: Claim | None
    per_class: dict[str, ClassEvaluation]
    good_confused: Rate | None

    def as_json(self) -> dict[str, Any]:
        """All values as plain data; None for NaN."""
        confused = self.good_confused
        return {
            **({} if confused is None else {"good_confused": confused.as_json()}),
            "metrics": finite(self.metrics.as_json()),
            "estimates": {name: value.as_json() for name, value in self.estimates.items()},
            "n_parts": self.n_parts,
            "n_defective_parts": self.n_defective_parts,
            "n_good_parts": self.n_good_parts,
            "escape": self.escape.as_json() if self.escape else None,
            "overkill": self.overkill.as_json() if self.overkill else None,
            "escape_claim": self.escape_claim.as_json() if self.escape_claim else None,
            "per_class": {name: value.as_json() for name, value in self.per_class.items()},
        }


@dataclass(frozen=True)
class _Case:
    """The photos, all (n, ...), with the number and seed of the bootstrap draws."""

    y_true: NDArray[np.int64]
    y_prob: Floats
    y_pred: NDArray[np.int64]
    parts: NDArray[np.str_]
    good: Good
    draws: int
    seed: int

    @property
    def n_classes(self) -> int:
        return self.y_prob.shape[1]

    @property
    def once(self) -> Floats:
        """Weights (1, n) that count each photo once."""
        return np.ones((1, len(self.y_true)))

    def metrics(self, weights: Floats) -> dict[str, Floats]:
        return measure(Weighted(weights, self.y_true, self.y_prob, self.y_pred, self.good))

    def class_metrics(self, weights: Floats) -> dict[str, Floats]:
        return class_metrics(confusions(weights, self.y_true, self.y_pred, self.n_classes))

    def gaps(self, weights: Floats) -> dict[str, Floats]:
        return {"gaps": calibration_gaps(weights, self.y_true, self.y_prob)}

    def rate(self, hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Rate:
        return rate_of(hits[among], self.parts[among])

    def n_parts(self, among: NDArray[np.bool_]) -> int:
        return len(np.unique(self.parts[among]))


def evaluate(
    predictions: Predictions,
    parts: Sequence[str],
    *,
    y_pred: NDArray[np.int64] | None = None,
    draws: int = 1000,
    seed: int,
) -> Evaluation:
    """Score predictions, with an interval for each figure.

    ``parts`` (n,) names each photo's part. ``y_pred`` (n,) are the decisions; without them the
    most probable class is used.

    Raises as ``metrics.score`` does, and ``ValueError`` if the lengths differ.
    """
    y_true, classes, good = predictions.y_true, predictions.classes, predictions.good
    check_predictions(y_true, predictions.y_prob, classes, y_pred)
    if len(parts) != len(y_true):
        raise ValueError(f"Expected a part for each of {len(y_true)} photos, got {len(parts)}")
    exact = predictions.y_prob.astype(np.float64)
    case = _Case(
        y_true,
        exact,
        exact.argmax(axis=1) if y_pred is None else y_pred,
        np.asarray(parts, np.str_),
        predictions.good_indices,
        draws,
        seed,
    )
    every = np.ones(len(y_true), bool)
    defective = ~is_good(y_true, case.good)
    passed = is_good(case.y_pred, case.good)
    has_good = bool(case.good)
    return Evaluation(
        metrics=score(y_true, exact, classes, good, y_pred=case.y_pred),
        estimates=_estimates(case),
        n_parts=case.n_parts(every),
        n_defective_parts=case.n_parts(defective),
        n_good_parts=case.n_parts(~defective),
        escape=case.rate(passed, defective) if has_good else None,
        overkill=case.rate(~passed, ~defective) if has_good else None,
        escape_claim=claim(passed[defective], case.parts[defective]) if has_good else None,
        per_class=_per_class(case, classes),
        good_confused=(
            case.rate(passed & (case.y_pred != y_true), ~defective) if len(case.good) > 1 else None
        ),
    )


def _estimates(case: _Case) -> dict[str, Estimate]:
    """The estimate of each of ``METRICS``."""
    rates = _rates(case)
    value = case.metrics(case.once)
    drawn = bootstrap(case.metrics, case.parts, draws=case.draws, seed=case.seed)
    trials = share_trials(case.parts, case.y_true, case.y_pred, case.n_classes, case.good)
    estimates = {}
    for name, metric in METRICS.items():
        if name in rates:
            estimates[name] = _of_rate(rates[name])
        elif metric.interval == "deviation":
            estimates[name] = _calibration_error(case)
        else:
            estimates[name] = _of_draws(float(value[name][0]), drawn[name], trials.get(name, 0))
    return estimates


def _rates(case: _Case) -> dict[str, Rate]:
    """The metrics that are shares of the photos with a given truth."""
    right = case.y_true == case.y_pred
    rates = {"accuracy": case.rate(right, np.ones(len(right), bool))}
    if not case.good:
        return rates
    defective, passed = ~is_good(case.y_true, case.good), is_good(case.y_pred, case.good)
    rates["escape_rate"] = case.rate(passed, defective)
    rates["overkill_rate"] = case.rate(~passed, ~defective)
    if only_defect(case.n_classes, case.good) is not None:
        rates["recall"] = case.rate(~passed, defective)
        rates["specificity"] = case.rate(passed, ~defective)
    return rates


def _calibration_error(case: _Case) -> Estimate:
    measured = case.gaps(case.once)["gaps"][0]
    drawn = bootstrap(case.gaps, case.parts, draws=case.draws, seed=case.seed)["gaps"]
    interval = deviation_interval(measured, drawn)
    value = float(np.abs(measured).sum())
    return Estimate(value, interval, "bootstrap-deviation" if interval else "none")


def _per_class(case: _Case, classes: Sequence[str]) -> dict[str, ClassEvaluation]:
    value = case.class_metrics(case.once)
    drawn = bootstrap(case.class_metrics, case.parts, draws=case.draws, seed=case.seed)
    found = {}
    for i, name in enumerate(classes):
        shown, named = case.y_true == i, case.y_pred == i
        recall = case.rate(named, shown)
        found[name] = ClassEvaluation(
            precision=_of_draws(
                float(value["precision"][0, i]), drawn["precision"][:, i], case.n_parts(named)
            ),
            recall=_of_rate(recall),
            f1=_of_draws(float(value["f1"][0, i]), drawn["f1"][:, i], trials=0),
            photos=recall.photos,
            parts=recall.parts,
        )
    return found


def _of_rate(rate: Rate) -> Estimate:
    return Estimate(rate.value, rate.interval, rate.method if rate.interval else "none")


def _of_draws(value: float, drawn: Floats, trials: int) -> Estimate:
    """By percentiles; if all draws agree, the exact interval of a share over ``trials`` parts."""
    if by_percentile := percentile_interval(drawn):
        return Estimate(value, by_percentile, "bootstrap")
    exact = certain_interval(drawn, trials)
    return Estimate(value, exact, "clopper-pearson" if exact else "none")
