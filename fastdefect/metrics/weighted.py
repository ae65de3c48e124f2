"""Predictions under many weightings of the photos at once, the input of every metric.

A weighting is the number of times that each photo counts. The draws of a bootstrap are the counts
of the drawn parts; a plain score is the one weighting that is 1 for every photo.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.good import Good, only_defect

CALIBRATION_BINS = 15

Labels = NDArray[np.int64]


class Weighted:
    """Truth, probabilities and decisions of n photos, with ``weights`` (draws, n), not negative.

    A photo of weight 2 counts as two photos, one of weight 0 does not count. ``y_true`` and
    ``y_pred``: (n,) class indices. ``y_prob``: (n, n_classes) float64, finite. ``good``: the
    indices of the good classes. Each property is computed once, on first use.
    """

    def __init__(
        self, weights: Floats, y_true: Labels, y_prob: Floats, y_pred: Labels, good: Good
    ) -> None:
        self.weights, self.y_true, self.y_prob, self.y_pred = weights, y_true, y_prob, y_pred
        self.good = good
        self.n_classes = y_prob.shape[1]
        self.defect = only_defect(self.n_classes, good)

    @cached_property
    def total(self) -> Floats:
        """The total weight of the photos: (draws,)."""
        return self.weights.sum(axis=1)

    @cached_property
    def confusion(self) -> Floats:
        """The weight of the photos by truth and decision: (draws, n_classes, n_classes)."""
        return confusions(self.weights, self.y_true, self.y_pred, self.n_classes)

    @cached_property
    def by_class(self) -> dict[str, Floats]:
        """Precision, recall and F1 of each class: (draws, n_classes)."""
        return class_metrics(self.confusion)

    def one_of_class(self, name: str) -> Floats:
        """Precision, recall or F1 as one number: of the only defect, else the mean."""
        values = self.by_class[name]
        if self.defect is not None:
            return values[:, self.defect]
        return mean_of_known(values)

    @cached_property
    def areas(self) -> tuple[Floats, Floats]:
        """Area under the ROC curve and average precision: (draws,) each.

        With one defect class among good ones: for the probability of the defect. With two classes,
        none of them good: for the second. Otherwise: the mean of each class against the rest
        (Fawcett 2006, section 10.2), over the classes that have some but not all of the photos. NaN
        without such a class.
        """
        columns = list(range(self.n_classes))
        if self.defect is not None:
            columns = [self.defect]
        elif self.n_classes == 2:
            columns = [1]
        pairs = [
            _areas(self.weights, self.y_true == column, self.y_prob[:, column])
            for column in columns
        ]
        roc, precision = (np.stack(of, axis=1) for of in zip(*pairs, strict=True))
        return mean_of_known(roc), mean_of_known(precision)

    @property
    def undefined(self) -> Floats:
        """NaN for each weighting: (draws,)."""
        return np.full(len(self.weights), np.nan)


def confusions(weights: Floats, y_true: Labels, y_pred: Labels, n_classes: int) -> Floats:
    """The weight of the photos by truth and decision: (draws, n_classes, n_classes)."""
    cell = y_true * n_classes + y_pred
    order = np.argsort(cell, kind="stable")
    present, starts = np.unique(cell[order], return_index=True)
    flat = np.zeros((len(weights), n_classes**2))
    flat[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
    return flat.reshape(-1, n_classes, n_classes)


def class_metrics(confusion: Floats) -> dict[str, Floats]:
    """Precision, recall and F1 of each class against the rest: (draws, n_classes).

    ``confusion``: (draws, n_classes, n_classes). NaN if a class has no photo. The precision of a
    class that has photos, but is never predicted, is 0 (``zero_division=0`` in scikit-learn).
    """
    right = np.diagonal(confusion, axis1=1, axis2=2)
    support, named = confusion.sum(axis=2), confusion.sum(axis=1)
    by_class = {
        "precision": np.where(named > 0, ratio(right, named), 0.0),
        "recall": ratio(right, support),
        "f1": ratio(2 * right, support + named),
    }
    return {name: np.where(support > 0, values, np.nan) for name, values in by_class.items()}


def calibration_gaps(weights: Floats, y_true: Labels, y_prob: Floats) -> Floats:
    """The signed contribution of each confidence bin to the calibration error: (draws, bins).

    The bins divide the probability of the most probable class into 15 of equal width that include
    their upper end (Guo et al. 2017). The gap of a bin is its accuracy minus its mean confidence,
    times its share of the weight. The expected calibration error is the sum of the absolute gaps.
    """
    confidence = y_prob.max(axis=1)
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]
    bins = np.searchsorted(edges, confidence, side="left")
    gaps = np.zeros((len(y_true), CALIBRATION_BINS))
    gaps[np.arange(len(y_true)), bins] = (y_prob.argmax(axis=1) == y_true) - confidence
    return ratio(weights @ gaps, weights.sum(axis=1, keepdims=True))


def _areas(weights: Floats, positive: NDArray[np.bool_], score: Floats) -> tuple[Floats, Floats]:
    """The areas under the ROC curve and under the stepwise precision-recall curve.

    The first is the share of pairs with the higher score for the positive, ties count half (Mann
    and Whitney). The second is the mean over the positives of the precision at their score.
    """
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    weights, positive = weights[:, order], positive[order]
    above = np.add.reduceat(weights * positive, starts, axis=1)
    below = np.add.reduceat(weights * ~positive, starts, axis=1)
    lower = np.cumsum(below, axis=1) - below
    n_above, n_below = above.sum(axis=1), below.sum(axis=1)
    roc = ratio((above * (lower + below / 2)).sum(axis=1), n_above * n_below)
    hits = np.cumsum(above[:, ::-1], axis=1)[:, ::-1]
    called = hits + n_below[:, None] - lower
    # Without photos at or above a score, its contribution is zero.
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    steps = ratio((above * precision).sum(axis=1), n_above)
    return roc, np.where(n_below > 0, steps, np.nan)


def mean_of_known(values: Floats) -> Floats:
    """(draws, k) to (draws,): the mean of the finite values; NaN if there are none."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64))


def ratio(above: Floats, below: Floats) -> Floats:
    """``above`` / ``below``; NaN if the denominator is not positive."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    return np.divide(above, below, out=np.full(shape, np.nan), where=below > 0)
