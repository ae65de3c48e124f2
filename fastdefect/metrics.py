"""The one implementation of each metric, over scikit-learn.

Escape rate is the false negative rate of "is it defective?", overkill rate its false
positive rate. With two classes and a good one, F1, precision and recall are the
defect's; otherwise they are macro averages (each class counts alike).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from fastdefect.errors import DataError

HEADLINE = ("f1", "precision", "recall", "auc", "accuracy", "escape_rate", "overkill_rate")
LOWER_IS_BETTER = frozenset({"escape_rate", "overkill_rate", "gap"})


@dataclass(frozen=True)
class ClassMetrics:
    """Precision, recall and F1 of one class against the rest, and its number of photos."""

    precision: float
    recall: float
    f1: float
    n: int


@dataclass(frozen=True)
class Metrics:
    """What a set of predictions is worth. NaN where a figure is not defined.

    ``escapes`` and ``overkills`` are counts of photos; their rates are shares of the
    ``n_defective`` and ``n_good`` photos. Where no class is good, all photos are defective,
    the counts are zero and the rates NaN.
    """

    f1: float
    precision: float
    recall: float
    auc: float
    accuracy: float
    escape_rate: float
    overkill_rate: float
    n: int
    n_defective: int
    n_good: int
    escapes: int
    overkills: int
    per_class: dict[str, ClassMetrics]
    confusion: NDArray[np.int64]

    def as_json(self) -> dict[str, Any]:
        """The form that ``metrics.json`` holds for a split."""
        plain = {name: getattr(self, name) for name in (*HEADLINE, "n", "escapes", "overkills")}
        plain["n_defective"], plain["n_good"] = self.n_defective, self.n_good
        plain["per_class"] = {name: vars(value) for name, value in self.per_class.items()}
        plain["confusion"] = self.confusion.tolist()
        return plain


def score(
    y_true: NDArray[np.int64],
    y_prob: NDArray[np.floating[Any]],
    classes: Sequence[str],
    good: str | None,
) -> Metrics:
    """Score class probabilities against the truth.

    ``y_true``: (n,) indices into ``classes``. ``y_prob``: (n, n_classes), rows sum to 1.
    The prediction is the most probable class. ``good`` names the good class, if any.

    Raises ``DataError`` if there is nothing to score, or a probability is not finite.
    """
    _check(y_true, y_prob, classes)
    y_pred = y_prob.argmax(axis=1)
    labels = np.arange(len(classes))
    precision, recall, f1, support = precision_recall_fscore_support(
        y_true, y_pred, labels=labels, zero_division=0.0
    )
    good_index = classes.index(good) if good is not None else None
    headline = _defect_or_macro(precision, recall, f1, support, good_index)
    defective, rejected = _defective(y_true, good_index), _defective(y_pred, good_index)
    escapes = int((defective & ~rejected).sum()) if good_index is not None else 0
    overkills = int((~defective & rejected).sum()) if good_index is not None else 0
    n_defective = int(defective.sum())
    n_good = len(y_true) - n_defective
    return Metrics(
        **headline,
        auc=area_under_roc(y_true, y_prob, good_index),
        accuracy=float(accuracy_score(y_true, y_pred)),
        escape_rate=_share(escapes, n_defective) if good_index is not None else float("nan"),
        overkill_rate=_share(overkills, n_good) if good_index is not None else float("nan"),
        n=len(y_true),
        n_defective=n_defective,
        n_good=n_good,
        escapes=escapes,
        overkills=overkills,
        per_class={
            name: ClassMetrics(float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
            for i, name in enumerate(classes)
        },
        confusion=confusion_matrix(y_true, y_pred, labels=labels).astype(np.int64),
    )


def area_under_roc(
    y_true: NDArray[np.int64], y_prob: NDArray[np.floating[Any]], good_index: int | None
) -> float:
    """Area under the ROC curve; NaN if a class that it needs has no photo.

    Two classes: of the defect's probability. More: the macro average of each class
    against the rest (Fawcett 2006, section 10.2), over the classes that have photos.
    """
    n_classes = y_prob.shape[1]
    if n_classes == 2:
        positive = 1 - good_index if good_index is not None else 1
        columns = [positive]
    else:
        columns = list(range(n_classes))
    areas = [
        roc_auc_score(y_true == column, y_prob[:, column])
        for column in columns
        if 0 < (y_true == column).sum() < len(y_true)
    ]
    return float(np.mean(areas)) if areas else float("nan")


def _check(
    y_true: NDArray[np.int64], y_prob: NDArray[np.floating[Any]], classes: Sequence[str]
) -> None:
    if len(y_true) == 0:
        raise DataError("Expected predictions to score, but there are none.")
    if y_prob.shape != (len(y_true), len(classes)):
        raise DataError(
            f"Expected probabilities of shape ({len(y_true)}, {len(classes)}), "
            f"but got {y_prob.shape}."
        )
    if not np.isfinite(y_prob).all():
        bad = int((~np.isfinite(y_prob)).any(axis=1).sum())
        raise DataError(
            f"Expected finite probabilities, but those of {bad} of {len(y_true)} photos are not.",
            "The training diverged: try a lower --learning-rate, or --precision fp32.",
        )


def _defective(y: NDArray[np.int64], good_index: int | None) -> NDArray[np.bool_]:
    """Which are defects; where no class is good, all of them."""
    return np.ones(len(y), bool) if good_index is None else y != good_index


def _defect_or_macro(
    precision: NDArray[np.float64],
    recall: NDArray[np.float64],
    f1: NDArray[np.float64],
    support: NDArray[np.int64],
    good_index: int | None,
) -> dict[str, float]:
    if len(precision) == 2 and good_index is not None:
        chosen = np.array([1 - good_index])
    else:
        # A class without a photo has no recall; counting it as 0 would punish small splits.
        chosen = np.flatnonzero(support > 0)
    return {
        "precision": float(precision[chosen].mean()),
        "recall": float(recall[chosen].mean()),
        "f1": float(f1[chosen].mean()),
    }


def _share(count: int, total: int) -> float:
    return count / total if total else float("nan")
