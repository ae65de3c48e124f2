"""The one implementation of each metric, for one set of weights of the photos or for many.

``figures`` weighs each photo and takes many weightings at once: a bootstrap's draws are the
counts of the parts drawn. ``score`` is its case of one weighting, all 1.

Escape rate is the false negative rate of "is it defective?", overkill rate its false
positive rate. With two classes and a good one, F1, precision, recall, specificity, AUC and
average precision are the defect's; otherwise they are macro averages over the classes that
have photos (each counts alike).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.errors import DataError, DivergedError

HEADLINE = ("f1", "precision", "recall", "auc", "accuracy", "escape_rate", "overkill_rate")
FIGURES = (
    "escape_rate",
    "overkill_rate",
    "f1",
    "precision",
    "recall",
    "specificity",
    "balanced_accuracy",
    "accuracy",
    "auc",
    "average_precision",
    "mcc",
    "brier",
    "log_loss",
    "calibration_error",
)
LOWER_IS_BETTER = frozenset(
    {"escape_rate", "overkill_rate", "gap", "brier", "log_loss", "calibration_error"}
)
CALIBRATION_BINS = 15

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class ClassMetrics:
    """Precision, recall and F1 of one class against the rest, and its number of photos.

    All three are 0 where the class has no photo.
    """

    precision: float
    recall: float
    f1: float
    n: int


@dataclass(frozen=True)
class Metrics:
    """What a set of predictions is worth. NaN where a figure is not defined.

    ``escapes`` and ``overkills`` are counts of photos; their rates are shares of the
    ``n_defective`` and ``n_good`` photos. Where no class is good, all photos are defective,
    the counts are zero and the rates NaN. F1, precision and recall of a defect without a photo
    are 0 here, as scikit-learn has them: training ranks its epochs by F1, and needs a number.
    """

    f1: float
    precision: float
    recall: float
    auc: float
    accuracy: float
    escape_rate: float
    overkill_rate: float
    specificity: float
    balanced_accuracy: float
    average_precision: float
    mcc: float
    brier: float
    log_loss: float
    calibration_error: float
    n: int
    n_defective: int
    n_good: int
    escapes: int
    overkills: int
    per_class: dict[str, ClassMetrics]
    confusion: NDArray[np.int64]

    def as_json(self) -> dict[str, Any]:
        """The form that ``metrics.json`` holds for a split."""
        plain = {name: getattr(self, name) for name in (*FIGURES, "n", "escapes", "overkills")}
        plain["n_defective"], plain["n_good"] = self.n_defective, self.n_good
        plain["per_class"] = {name: vars(value) for name, value in self.per_class.items()}
        plain["confusion"] = self.confusion.tolist()
        return plain


def score(
    y_true: Labels,
    y_prob: NDArray[np.floating[Any]],
    classes: Sequence[str],
    good: str | None,
    *,
    y_pred: Labels | None = None,
) -> Metrics:
    """Score class probabilities against the truth.

    ``y_true``: (n,) indices into ``classes``. ``y_prob``: (n, n_classes), rows sum to 1.
    ``y_pred``: (n,) decisions, where a threshold takes them; else the most probable class (the
    calibration error is always the latter's). ``good`` names the good class, if any.

    Raises ``DataError`` if there is nothing to score, or a probability is not finite, and
    ``ValueError`` if the decisions are not one index into ``classes`` for each photo.
    """
    check_predictions(y_true, y_prob, classes, y_pred)
    exact = y_prob.astype(np.float64)
    y_pred = exact.argmax(axis=1) if y_pred is None else y_pred
    good_index = classes.index(good) if good is not None else None
    once = np.ones((1, len(y_true)))
    drawn = figures(once, y_true, exact, y_pred, good_index)
    found: dict[str, Any] = {name: float(of[0]) for name, of in drawn.items()}
    weighed = confusions(once, y_true, y_pred, len(classes))
    by_class = {name: np.nan_to_num(of[0]) for name, of in class_figures(weighed).items()}
    found |= {name: float(np.nan_to_num(found[name])) for name in by_class}
    confusion = weighed[0].astype(np.int64)
    return Metrics(
        **found,
        **_counts(confusion, good_index),
        n=len(y_true),
        per_class={
            name: ClassMetrics(
                **{figure: float(of[i]) for figure, of in by_class.items()},
                n=int(confusion[i].sum()),
            )
            for i, name in enumerate(classes)
        },
        confusion=confusion,
    )


def figures(
    weights: Floats, y_true: Labels, y_prob: Floats, y_pred: Labels, good: int | None
) -> dict[str, Floats]:
    """Each of ``FIGURES`` for each weighting of the photos: (draws,), NaN where undefined.

    ``weights``: (draws, n), not negative; a photo of weight 2 counts as two photos, one of
    weight 0 as none. ``y_true`` and ``y_pred``: (n,) indices of classes. ``y_prob``:
    (n, n_classes) float64, finite. ``good``: the index of the good class, if there is one.
    """
    found = {
        **_of_decisions(confusions(weights, y_true, y_pred, y_prob.shape[1]), good),
        **_of_ranks(weights, y_true, y_prob, good),
        **_of_probabilities(weights, y_true, y_prob),
    }
    return {name: found[name] for name in FIGURES}


def best_f1(y_true: Labels, y_prob: Floats, good: int | None) -> float:
    """The defect's F1 at the threshold that suits it best: what F1 a model could have.

    F1 at the most probable class also measures where the threshold happens to lie, and prefers
    a model that calls nearly everything a defect to one that ranks better. ``y_true``: (n,),
    ``y_prob``: (n, n_classes), ``good``: the good class's index. With more than two classes, or
    no good one, there is no one threshold: the macro F1 of the most probable class. NaN without
    a defective photo.
    """
    n_classes = y_prob.shape[1]
    if n_classes != 2 or good is None:
        once = np.ones((1, len(y_true)))
        by_class = class_figures(confusions(once, y_true, y_prob.argmax(axis=1), n_classes))
        return float(_mean_of_known(by_class["f1"])[0])
    defective = y_true != good
    order = np.argsort(-y_prob[:, 1 - good], kind="stable")
    score, hits = y_prob[order, 1 - good], np.cumsum(defective[order])
    called = np.arange(1, len(order) + 1)
    possible = np.append(score[1:] != score[:-1], True)  # photos of one score go together
    f1 = _ratio(2.0 * hits, (called + defective.sum()).astype(np.float64))
    return float(f1[possible].max()) if defective.any() else float("nan")


def confusions(weights: Floats, y_true: Labels, y_pred: Labels, n_classes: int) -> Floats:
    """The weight of the photos by truth and decision: (draws, n_classes, n_classes)."""
    cell = y_true * n_classes + y_pred
    order = np.argsort(cell, kind="stable")
    present, starts = np.unique(cell[order], return_index=True)
    flat = np.zeros((len(weights), n_classes**2))
    flat[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
    return flat.reshape(-1, n_classes, n_classes)


def class_figures(confusion: Floats) -> dict[str, Floats]:
    """Precision, recall and F1 of each class against the rest: (draws, n_classes).

    ``confusion``: (draws, n_classes, n_classes). NaN where a class has no photo. The precision
    of a class that has photos, but is never named, is 0: scikit-learn's ``zero_division=0``.
    """
    right = np.diagonal(confusion, axis1=1, axis2=2)
    support, named = confusion.sum(axis=2), confusion.sum(axis=1)
    by_class = {
        "precision": np.where(named > 0, _ratio(right, named), 0.0),
        "recall": _ratio(right, support),
        "f1": _ratio(2 * right, support + named),
    }
    return {name: np.where(support > 0, values, np.nan) for name, values in by_class.items()}


def calibration_gaps(weights: Floats, y_true: Labels, y_prob: Floats) -> Floats:
    """What each bin of confidence adds to the calibration error, with its sign: (draws, bins).

    The bins cut the most probable class's probability into 15 of equal width, closed above
    (Guo et al. 2017). A bin's gap is its accuracy less its mean confidence, times
    its share of the weight; the expected calibration error is the sum of the gaps' sizes.
    """
    confidence = y_prob.max(axis=1)
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]
    bins = np.searchsorted(edges, confidence, side="left")
    gaps = np.zeros((len(y_true), CALIBRATION_BINS))
    gaps[np.arange(len(y_true)), bins] = (y_prob.argmax(axis=1) == y_true) - confidence
    return _ratio(weights @ gaps, weights.sum(axis=1, keepdims=True))


def one_answer(confusion: Sequence[Sequence[int]] | NDArray[np.int64]) -> int | None:
    """The index of the class that every photo is called; None if there are several.

    F1 is 0.67 where all photos of two equal classes are called defective, and 0 where all are
    called good: of such a model F1, precision and recall don't say what it can tell apart.
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
    """Refuse what can't be scored; raises as ``score`` does."""
    if len(y_true) == 0:
        raise DataError("Expected predictions to score, but there are none.")
    if y_prob.shape != (len(y_true), len(classes)):
        raise DataError(
            f"Expected probabilities of shape ({len(y_true)}, {len(classes)}), "
            f"but got {y_prob.shape}."
        )
    if not np.isfinite(y_prob).all():
        bad = int((~np.isfinite(y_prob)).any(axis=1).sum())
        raise DivergedError(
            f"Expected finite probabilities, but those of {bad} of {len(y_true)} photos are not.",
            "The training diverged: try a lower --learning-rate, or --precision fp32.",
        )
    if y_pred is None:
        return
    if y_pred.shape != y_true.shape or not ((y_pred >= 0) & (y_pred < len(classes))).all():
        raise ValueError(
            f"Expected {len(y_true)} decisions from 0 to {len(classes) - 1}, got {y_pred}"
        )


def _counts(confusion: NDArray[np.int64], good: int | None) -> dict[str, int]:
    """Defective and good photos, and those decided wrongly."""
    if good is None:
        return {"n_defective": int(confusion.sum()), "n_good": 0, "escapes": 0, "overkills": 0}
    bad = np.arange(len(confusion)) != good
    return {
        "n_defective": int(confusion[bad].sum()),
        "n_good": int(confusion[good].sum()),
        "escapes": int(confusion[bad, good].sum()),
        "overkills": int(confusion[good, bad].sum()),
    }


def _of_decisions(confusion: Floats, good: int | None) -> dict[str, Floats]:
    """The figures that follow from the confusion (draws, n_classes, n_classes)."""
    right = np.diagonal(confusion, axis1=1, axis2=2)
    support, named = confusion.sum(axis=2), confusion.sum(axis=1)
    total = support.sum(axis=1)
    others = total[:, None] - support
    spared = np.where(support > 0, _ratio(others - named + right, others), np.nan)
    by_class = class_figures(confusion)
    found = {name: _mean_of_known(values) for name, values in by_class.items()}
    found["specificity"] = _mean_of_known(spared)
    found["balanced_accuracy"] = found["recall"]
    found["accuracy"] = _ratio(right.sum(axis=1), total)
    found["mcc"] = _matthews(confusion)
    if good is None:
        undefined = np.full(len(confusion), np.nan)
        return {**found, "escape_rate": undefined, "overkill_rate": undefined}
    bad = np.arange(confusion.shape[1]) != good
    escaped, rejected = confusion[:, bad, good].sum(axis=1), confusion[:, good, bad].sum(axis=1)
    found["escape_rate"] = _ratio(escaped, support[:, bad].sum(axis=1))
    found["overkill_rate"] = _ratio(rejected, support[:, good])
    if confusion.shape[1] == 2:
        found |= {name: values[:, 1 - good] for name, values in by_class.items()}
        found["specificity"] = _ratio(right[:, good], support[:, good])
    return found


def _matthews(confusion: Floats) -> Floats:
    """The correlation of truth and decision (Gorodkin 2004): (draws,).

    0 where all photos are called one class, NaN where all are of one class.
    """
    support, named = confusion.sum(axis=2), confusion.sum(axis=1)
    total = support.sum(axis=1)
    right = np.trace(confusion, axis1=1, axis2=2)
    together = right * total - (support * named).sum(axis=1)
    of_truth, of_decision = (total**2 - (of**2).sum(axis=1) for of in (support, named))
    correlation = _ratio(together, np.sqrt(of_truth * of_decision))
    return np.where((of_truth > 0) & (of_decision == 0), 0.0, correlation)


def _of_ranks(
    weights: Floats, y_true: Labels, y_prob: Floats, good: int | None
) -> dict[str, Floats]:
    """Area under the ROC curve and average precision: (draws,) each.

    Two classes: of the defect's probability, or of the second class's where none is good. More:
    the mean of each against the rest (Fawcett 2006, section 10.2), over the classes that have
    photos, but not all of them. NaN where there is no such class.
    """
    columns = list(range(y_prob.shape[1]))
    if len(columns) == 2:
        columns = [1 - good if good is not None else 1]
    pairs = [_areas(weights, y_true == column, y_prob[:, column]) for column in columns]
    roc, precision = (np.stack(of, axis=1) for of in zip(*pairs, strict=True))
    return {"auc": _mean_of_known(roc), "average_precision": _mean_of_known(precision)}


def _areas(weights: Floats, positive: NDArray[np.bool_], score: Floats) -> tuple[Floats, Floats]:
    """Areas under the curves of ROC and of precision over recall, the latter in steps.

    The first is the share of pairs in which the positive scores higher, ties half (Mann and
    Whitney). The second is the mean over the positives of the precision at their score.
    """
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    weights, positive = weights[:, order], positive[order]
    above = np.add.reduceat(weights * positive, starts, axis=1)
    below = np.add.reduceat(weights * ~positive, starts, axis=1)
    lower = np.cumsum(below, axis=1) - below
    n_above, n_below = above.sum(axis=1), below.sum(axis=1)
    roc = _ratio((above * (lower + below / 2)).sum(axis=1), n_above * n_below)
    hits = np.cumsum(above[:, ::-1], axis=1)[:, ::-1]
    called = hits + n_below[:, None] - lower
    # Where nothing scores as high there is nothing to add either.
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    steps = _ratio((above * precision).sum(axis=1), n_above)
    return roc, np.where(n_below > 0, steps, np.nan)


def _of_probabilities(weights: Floats, y_true: Labels, y_prob: Floats) -> dict[str, Floats]:
    """Brier score, log loss (natural) and expected calibration error: (draws,) each.

    The Brier score sums over the classes, and is halved for two: the usual (p - y)^2 then.
    In the log loss a probability is at least the distance from 1 to the next float64.
    """
    n, n_classes = y_prob.shape
    squares = ((y_prob - np.eye(n_classes)[y_true]) ** 2).sum(axis=1)
    step = np.finfo(np.float64).eps
    losses = -np.log(np.clip(y_prob[np.arange(n), y_true], step, 1 - step))
    total = weights.sum(axis=1)
    return {
        "brier": _ratio(weights @ squares, total) / (2 if n_classes == 2 else 1),
        "log_loss": _ratio(weights @ losses, total),
        "calibration_error": np.abs(calibration_gaps(weights, y_true, y_prob)).sum(axis=1),
    }


def _mean_of_known(values: Floats) -> Floats:
    """(draws, k) to (draws,): the mean of those that are not NaN; NaN if all are."""
    known = np.isfinite(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64))


def _ratio(above: Floats, below: Floats) -> Floats:
    """NaN where there is nothing to divide by."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    return np.divide(above, below, out=np.full(shape, np.nan), where=below > 0)
