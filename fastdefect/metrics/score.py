"""The score of a set of predictions: all metrics, counts and the confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.errors import DataError, DivergedError
from fastdefect.good import Good, good_indices, is_good, only_defect
from fastdefect.metrics.registry import measure
from fastdefect.metrics.weighted import (
    Labels,
    Weighted,
    class_metrics,
    confusions,
    mean_of_known,
    ratio,
)


@dataclass(frozen=True)
class ClassMetrics:
    """Precision, recall and F1 of one class against the rest, and its number of photos.

    All three are 0 if the class has no photo.
    """

    precision: float
    recall: float
    f1: float
    n: int


@dataclass(frozen=True)
class Metrics:
    """The metrics and counts of a set of predictions.

    ``values`` holds each of ``METRICS``, which are attributes, too (``metrics.f1``); NaN if not
    defined. ``escapes`` and ``overkills`` are counts of photos; their rates are shares of the
    ``n_defective`` and ``n_good`` photos. Without a good class, all photos count as defective, the
    counts are zero and the rates NaN. If the defect has no photo, F1, precision and recall are 0,
    as in scikit-learn, because training ranks its epochs by F1 and needs a number. ``good``
    holds the indices of the good classes.
    """

    values: dict[str, float]
    n: int
    n_defective: int
    n_good: int
    escapes: int
    overkills: int
    per_class: dict[str, ClassMetrics]
    confusion: NDArray[np.int64]
    good: Good

    @property
    def defect(self) -> int | None:
        """The class that F1, precision, recall and AUC refer to; None if they are averages."""
        return only_defect(len(self.per_class), self.good)

    @property
    def good_confused(self) -> int | None:
        """The photos of one good class that are classified as another; None with fewer than two."""
        if len(self.good) < 2:
            return None
        among = self.confusion[np.ix_(self.good, self.good)]
        return int(among.sum() - np.trace(among))

    def __getattr__(self, name: str) -> float:
        # Called for names that are not fields; pickle and copy call it before fields exist.
        values: dict[str, float] = self.__dict__.get("values", {})
        try:
            return values[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name!r}") from None

    def as_json(self) -> dict[str, Any]:
        """The form of a split in ``metrics.json``."""
        among_good = {} if self.good_confused is None else {"good_confused": self.good_confused}
        return {
            **self.values,
            **among_good,
            "n": self.n,
            "escapes": self.escapes,
            "overkills": self.overkills,
            "n_defective": self.n_defective,
            "n_good": self.n_good,
            "per_class": {name: vars(value) for name, value in self.per_class.items()},
            "confusion": self.confusion.tolist(),
        }


def score(
    y_true: Labels,
    y_prob: NDArray[np.floating[Any]],
    classes: Sequence[str],
    good: tuple[str, ...],
    *,
    y_pred: Labels | None = None,
) -> Metrics:
    """Compare class probabilities with the truth.

    ``y_true``: (n,) indices into ``classes``. ``y_prob``: (n, n_classes), rows sum to 1.
    ``y_pred``: (n,) decisions, if a threshold makes them; the default is the most probable class
    (the calibration error always uses that class). ``good`` names the good classes.

    Raises ``DataError`` without predictions or if a probability is not finite, and ``ValueError``
    if the decisions are not one index into ``classes`` for each photo.
    """
    check_predictions(y_true, y_prob, classes, y_pred)
    exact = y_prob.astype(np.float64)
    y_pred = exact.argmax(axis=1) if y_pred is None else y_pred
    at = good_indices(classes, good)
    case = Weighted(np.ones((1, len(y_true))), y_true, exact, y_pred, at)
    values = {name: float(of[0]) for name, of in measure(case).items()}
    by_class = {name: np.nan_to_num(of[0]) for name, of in case.by_class.items()}
    values |= {name: float(np.nan_to_num(values[name])) for name in by_class}
    confusion = case.confusion[0].astype(np.int64)
    return Metrics(
        values,
        **_counts(confusion, at),
        n=len(y_true),
        per_class={
            name: ClassMetrics(
                **{metric: float(of[i]) for metric, of in by_class.items()},
                n=int(confusion[i].sum()),
            )
            for i, name in enumerate(classes)
        },
        confusion=confusion,
        good=at,
    )


def best_f1(y_true: Labels, y_prob: Floats, good: Good) -> float:
    """The F1 of the defect at its best threshold: the highest F1 that the model can reach.

    F1 at the most probable class also depends on the position of the threshold, and prefers a model
    that calls nearly everything a defect to one with a better ranking. ``y_true``: (n,),
    ``y_prob``: (n, n_classes), ``good``: the indices of the good classes. With several defect
    classes, or without a good one, there is no single threshold, and the result is the macro F1 of
    the most probable class. NaN without a defective photo.
    """
    n_classes = y_prob.shape[1]
    defect = only_defect(n_classes, good)
    if defect is None:
        once = np.ones((1, len(y_true)))
        by_class = class_metrics(confusions(once, y_true, y_prob.argmax(axis=1), n_classes))
        return float(mean_of_known(by_class["f1"])[0])
    defective = y_true == defect
    order = np.argsort(-y_prob[:, defect], kind="stable")
    score, hits = y_prob[order, defect], np.cumsum(defective[order])
    called = np.arange(1, len(order) + 1)
    possible = np.append(score[1:] != score[:-1], True)  # equal scores get equal decisions
    f1 = ratio(2.0 * hits, (called + defective.sum()).astype(np.float64))
    return float(f1[possible].max()) if defective.any() else float("nan")


def constant_prediction(confusion: Sequence[Sequence[int]] | NDArray[np.int64]) -> int | None:
    """The index of the class predicted for every photo; None if several are predicted.

    F1 is 0.67 if all photos of two equal classes are called defective, and 0 if all are called
    good. F1, precision and recall of such a model do not show whether it separates the classes.
    ``confusion``: (true, predicted), counts.
    """
    (called,) = np.asarray(confusion).sum(axis=0).nonzero()
    return int(called[0]) if len(called) == 1 else None


def check_predictions(
    y_true: Labels,
    y_prob: NDArray[np.floating[Any]],
    classes: Sequence[str],
    y_pred: Labels | None = None,
) -> None:
    """Refuse invalid predictions; raises as ``score`` does."""
    if len(y_true) == 0:
        raise DataError(
            "Expected predictions to score, but there are none.",
            "Check that the split or the folder has photos.",
        )
    if y_prob.shape != (len(y_true), len(classes)):
        raise DataError(
            f"Expected probabilities of shape ({len(y_true)}, {len(classes)}), "
            f"but got {y_prob.shape}."
        )
    if not np.isfinite(y_prob).all():
        bad = int((~np.isfinite(y_prob)).any(axis=1).sum())
        raise DivergedError(
            f"Expected finite probabilities, but those of {bad} of {len(y_true)} photos are not.",
            "The training diverged. Use a lower --learning-rate, or --precision fp32.",
        )
    if y_pred is None:
        return
    if y_pred.shape != y_true.shape or not ((y_pred >= 0) & (y_pred < len(classes))).all():
        raise ValueError(
            f"Expected {len(y_true)} decisions from 0 to {len(classes) - 1}, got {y_pred}"
        )


def _counts(confusion: NDArray[np.int64], good: Good) -> dict[str, int]:
    """Numbers of defective and good photos, and of wrong decisions."""
    if not good:
        return {"n_defective": int(confusion.sum()), "n_good": 0, "escapes": 0, "overkills": 0}
    passed = is_good(np.arange(len(confusion)), good)
    return {
        "n_defective": int(confusion[~passed].sum()),
        "n_good": int(confusion[passed].sum()),
        "escapes": int(confusion[~passed][:, passed].sum()),
        "overkills": int(confusion[passed][:, ~passed].sum()),
    }
