"""How far a figure would move with other parts: bootstrap intervals over whole parts.

Photos of one part are alike: ten of them are not ten pieces of evidence. So parts are drawn
with replacement, each with all of its photos (the cluster bootstrap: Davison and Hinkley 1997,
section 3.8), and an interval runs from the 2.5th to the 97.5th percentile of a figure over the
draws. It tells the luck of the parts that were photographed, not that of the training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.metrics import HEADLINE, Metrics

Interval = tuple[float, float]
Floats = NDArray[np.float64]

_TAIL = 0.025
# A figure that more draws than these can't give hangs on so few parts that no interval holds.
_MOST_UNDEFINED = 0.05
_CHUNK = 2_000_000  # weights at a time, 16 MB


@dataclass(frozen=True)
class Spread:
    """A figure over folds; ``sd`` is the standard deviation of a sample."""

    mean: float
    sd: float
    min: float
    max: float


def spread_over_folds(folds: Sequence[Metrics]) -> dict[str, Spread]:
    """The spread of each of ``HEADLINE`` over two or more folds; NaN where a fold has none.

    The folds' trainings share most of their photos, so that ``sd`` is no standard error.
    """
    figures = {name: np.array([getattr(fold, name) for fold in folds]) for name in HEADLINE}
    return {
        name: Spread(*map(float, (of.mean(), of.std(ddof=1), of.min(), of.max())))
        for name, of in figures.items()
    }


def bootstrap_intervals(
    y_true: NDArray[np.int64],
    y_prob: NDArray[np.floating[Any]],
    parts: Sequence[str],
    classes: Sequence[str],
    good: str | None,
    *,
    draws: int = 1000,
    seed: int,
) -> dict[str, Interval | None]:
    """A 95 % interval for each of ``HEADLINE``, or None where none can be given.

    ``y_true`` (n,), ``y_prob`` (n, n_classes), ``classes`` and ``good`` as for
    ``metrics.score``; ``parts`` (n,) names the part of each photo. The figures of a draw are
    those of ``metrics.score``, computed for all draws at once, but a draw without a photo of
    the defect says nothing of its F1, precision and recall. Draws in which a figure is not
    defined are left out; None if they are more than 5 %.

    Where all draws agree (no escape among the photos, say) a bootstrap is blind. A share of 0
    or 1 then gets its exact interval (Clopper and Pearson 1934), each part counted as one
    trial; another figure gets None.

    Raises ``ValueError`` if the lengths differ or there is no photo.
    """
    if not len(y_true) or not len(y_true) == len(y_prob) == len(parts):
        raise ValueError(
            f"Expected as many parts and predictions as labels, and at least one, got "
            f"{len(parts)}, {len(y_prob)} and {len(y_true)}"
        )
    good_index = classes.index(good) if good is not None else None
    part = np.unique(np.asarray(parts), return_inverse=True)[1]
    counts = _drawn_parts(int(part.max()) + 1, draws, seed)
    y_pred = y_prob.argmax(axis=1)
    figures = _from_confusion(_confusions(counts, part, y_true, y_pred, len(classes)), good_index)
    figures["auc"] = _areas(counts, part, y_true, np.asarray(y_prob, np.float64), good_index)
    trials = _trials(part, y_true, y_pred, len(classes), good_index)
    return {name: _interval(figures[name], trials.get(name, 0)) for name in HEADLINE}


def _drawn_parts(n_parts: int, draws: int, seed: int) -> Floats:
    """(draws, n_parts): how often each part is in each draw."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_parts, np.full(n_parts, 1 / n_parts), size=draws).astype(np.float64)


def _confusions(
    counts: Floats,
    part: NDArray[np.int64],
    y_true: NDArray[np.int64],
    y_pred: NDArray[np.int64],
    n_classes: int,
) -> Floats:
    """(draws, n_classes, n_classes) photos by truth and prediction."""
    by_part = np.zeros((counts.shape[1], n_classes, n_classes))
    np.add.at(by_part, (part, y_true, y_pred), 1)
    flat = counts @ by_part.reshape(len(by_part), -1)
    return flat.reshape(-1, n_classes, n_classes)


def _from_confusion(confusion: Floats, good: int | None) -> dict[str, Floats]:
    """All figures but the AUC, (draws,) each; NaN where a draw can't tell."""
    right = np.diagonal(confusion, axis1=1, axis2=2)
    support, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    by_class = {
        "precision": np.where(predicted > 0, _ratio(right, predicted), 0.0),
        "recall": _ratio(right, support),
        "f1": _ratio(2 * right, support + predicted),
    }
    figures = {}
    for name, values in by_class.items():
        there = np.where(support > 0, values, np.nan)
        if good is not None and confusion.shape[1] == 2:
            figures[name] = there[:, 1 - good]
        else:
            figures[name] = np.nanmean(there, axis=1)
    figures["accuracy"] = _ratio(right.sum(axis=1), support.sum(axis=1))
    if good is None:
        undefined = np.full(len(confusion), np.nan)
        return {**figures, "escape_rate": undefined, "overkill_rate": undefined}
    bad = np.arange(confusion.shape[1]) != good
    figures["escape_rate"] = _ratio(
        confusion[:, bad, good].sum(axis=1), support[:, bad].sum(axis=1)
    )
    figures["overkill_rate"] = _ratio(confusion[:, good, bad].sum(axis=1), support[:, good])
    return figures


def _ratio(above: Floats, below: Floats) -> Floats:
    """NaN where there is nothing to divide by."""
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def _areas(
    counts: Floats,
    part: NDArray[np.int64],
    y_true: NDArray[np.int64],
    y_prob: Floats,
    good: int | None,
) -> Floats:
    """(draws,) areas under the ROC curve: of the defect, or the mean of each against the rest."""
    n_classes = y_prob.shape[1]
    columns = range(n_classes)
    if n_classes == 2:
        columns = range(1 - good, 2 - good) if good is not None else range(1, 2)
    areas = np.empty((len(columns), len(counts)))
    step = max(1, _CHUNK // len(part))
    for row, column in enumerate(columns):
        for start in range(0, len(counts), step):
            weights = counts[start : start + step][:, part]
            areas[row, start : start + step] = _area(weights, y_true == column, y_prob[:, column])
    known = np.isfinite(areas)
    return _ratio(np.where(known, areas, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def _area(weights: Floats, positive: NDArray[np.bool_], score: Floats) -> Floats:
    """The share of pairs in which the positive scores higher, ties half (Mann and Whitney)."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    weights, positive = weights[:, order], positive[order]
    above = np.add.reduceat(weights * positive, starts, axis=1)
    below = np.add.reduceat(weights * ~positive, starts, axis=1)
    won = (above * (np.cumsum(below, axis=1) - below / 2)).sum(axis=1)
    return _ratio(won, above.sum(axis=1) * below.sum(axis=1))


def _trials(
    part: NDArray[np.int64],
    y_true: NDArray[np.int64],
    y_pred: NDArray[np.int64],
    n_classes: int,
    good: int | None,
) -> Mapping[str, int]:
    """For each figure that is a share of photos, how many parts it is a share over."""

    def parts_of(chosen: NDArray[np.bool_]) -> int:
        return len(np.unique(part[chosen]))

    trials = {"accuracy": parts_of(np.ones(len(part), bool))}
    if good is None:
        return trials
    trials["escape_rate"] = parts_of(y_true != good)
    trials["overkill_rate"] = parts_of(y_true == good)
    if n_classes == 2:
        trials["recall"] = trials["escape_rate"]
        trials["precision"] = parts_of(y_pred != good)
    return trials


def _interval(values: Floats, trials: int) -> Interval | None:
    defined = values[np.isfinite(values)]
    if len(values) - len(defined) > _MOST_UNDEFINED * len(values):
        return None
    low, high = float(defined.min()), float(defined.max())
    if low < high:
        low, high = np.quantile(defined, [_TAIL, 1 - _TAIL])
        return float(low), float(high)
    if not trials or low not in (0.0, 1.0):
        return None
    bound = _TAIL ** (1 / trials)
    return (bound, 1.0) if low == 1.0 else (0.0, 1.0 - bound)
