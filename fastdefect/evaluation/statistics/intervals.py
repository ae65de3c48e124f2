"""Bootstrap intervals over whole parts: the variation of a metric between sets of parts.

Photos of one part are similar, so ten of them are not ten independent samples. Therefore parts are
drawn with replacement, each with all its photos (the cluster bootstrap: Davison and Hinkley 1997,
section 3.8). An interval is the range from the 2.5th to the 97.5th percentile of a metric over the
draws. It covers the random choice of the photographed parts, not that of the training.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Interval
from fastdefect.evaluation.predictions import Predictions
from fastdefect.good import Good, is_good, only_defect
from fastdefect.metrics import HEADLINE, Metrics, Weighted, measure

Parts = Sequence[str] | NDArray[np.str_]

# Of the bootstrap in every command: the same photos give the same intervals.
BOOTSTRAP_SEED = 0
_TAIL = 0.025
# If more draws than this have no value, the metric depends on too few parts for an interval.
_MOST_UNDEFINED = 0.05
_ROUNDING = 1e-12  # draws closer than this count as equal
_CHUNK = 2_000_000  # weights at a time, 16 MB


@dataclass(frozen=True)
class Spread:
    """A metric over folds; ``sd`` is the sample standard deviation."""

    mean: float
    sd: float
    min: float
    max: float


def spread_over_folds(folds: Sequence[Metrics]) -> dict[str, Spread]:
    """The spread of each of ``HEADLINE`` over two or more folds; NaN if a fold has no value.

    The trainings of the folds share most of their photos, so ``sd`` is not a standard error.
    """
    of_folds = {name: np.array([getattr(fold, name) for fold in folds]) for name in HEADLINE}
    return {
        name: Spread(*map(float, (of.mean(), of.std(ddof=1), of.min(), of.max())))
        for name, of in of_folds.items()
    }


def bootstrap_intervals(
    predictions: Predictions, parts: Sequence[str], *, draws: int = 1000, seed: int
) -> dict[str, Interval | None]:
    """A 95 % interval for each of ``HEADLINE``, or None if there is none.

    ``parts`` (n,) names the part of each photo. The metrics of a draw are those of
    ``metrics.measure``: a draw without a photo of the defect has no F1, precision or recall. Draws
    without a value are excluded. If they are more than 5 %, the interval is None.

    If all draws agree (no photo escapes, for example), a bootstrap gives no information. A share of
    0 or 1 then gets its exact interval (Clopper and Pearson 1934), with each part as one trial;
    other metrics get None.

    Raises ``ValueError`` if the lengths differ or there is no photo.
    """
    y_true, y_prob = predictions.y_true, predictions.y_prob
    if not len(y_true) or not len(y_true) == len(y_prob) == len(parts):
        raise ValueError(
            f"Expected as many parts and predictions as labels, and at least one, got "
            f"{len(parts)}, {len(y_prob)} and {len(y_true)}"
        )
    good = predictions.good_indices
    exact = y_prob.astype(np.float64)
    y_pred = exact.argmax(axis=1)
    drawn = bootstrap(
        lambda weights: measure(Weighted(weights, y_true, exact, y_pred, good)),
        parts,
        draws=draws,
        seed=seed,
    )
    trials = share_trials(parts, y_true, y_pred, len(predictions.classes), good)
    return {
        name: percentile_interval(drawn[name]) or certain_interval(drawn[name], trials.get(name, 0))
        for name in HEADLINE
    }


def bootstrap(
    statistics: Callable[[Floats], Mapping[str, Floats]],
    parts: Parts,
    *,
    draws: int,
    seed: int,
) -> dict[str, Floats]:
    """The values of ``statistics`` for draws of whole parts: (draws, ...) for each name.

    ``statistics`` receives weights (some draws, n): the number of times that each photo is in each
    draw. The same ``parts`` (n,), ``draws`` and ``seed`` always give the same draws, in any order
    of photos.
    """
    chunks = [statistics(weights) for weights in draw_weights(parts, draws=draws, seed=seed)]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def draw_weights(parts: Parts, *, draws: int, seed: int) -> Iterator[Floats]:
    """Draw as many parts as there are, with replacement, as weights of the photos.

    ``parts`` (n,) names the part of each photo. Yields (some draws, n) float64, at most 16 MB at a
    time.
    """
    names, part = np.unique(np.asarray(parts), return_inverse=True)
    rng, share = np.random.default_rng(seed), np.full(len(names), 1 / len(names))
    step = max(1, _CHUNK // len(part))
    for start in range(0, draws, step):  # the chunk size does not change the draws
        counts = rng.multinomial(len(names), share, size=min(step, draws - start))
        yield counts.astype(np.float64)[:, part]


def percentile_interval(values: Floats) -> Interval | None:
    """The range from the 2.5th to the 97.5th percentile of a metric over the draws.

    None if more than 5 % of the draws have no value, or if all agree: a bootstrap then gives no
    information.
    """
    defined = _defined(values)
    if defined is None or _agree(defined):
        return None
    low, high = np.quantile(defined, [_TAIL, 1 - _TAIL])
    return float(low), float(high)


def deviation_interval(measured: Floats, drawn: Floats) -> Interval | None:
    """The interval of a sum of absolute gaps, from 0 to 1: the calibration error.

    ``measured``: (gaps,) with signs; ``drawn``: (draws, gaps). Chance increases each absolute gap,
    and a draw increases it further. In simulations the percentiles of the draws' sums never
    included the 0 of a perfectly calibrated model. Therefore the interval reaches, in both
    directions, as far as 95 % of the draws deviate, summed over all gaps; the sum of absolute gaps
    cannot differ by more (triangle inequality). None if no draw deviates.
    """
    away = float(np.quantile(np.abs(drawn - measured).sum(axis=1), 1 - 2 * _TAIL))
    value = float(np.abs(measured).sum())
    return (max(0.0, value - away), min(1.0, value + away)) if away > _ROUNDING else None


def certain_interval(values: Floats, trials: int) -> Interval | None:
    """The exact interval of a share that is 0, or 1, in all draws; None for any other.

    ``trials`` is the number of parts that the share refers to, 0 for a metric that is not a share.
    """
    defined = _defined(values)
    if defined is None or not trials or not _agree(defined):
        return None
    bound = _TAIL ** (1 / trials)
    return {0.0: (0.0, 1.0 - bound), 1.0: (bound, 1.0)}.get(float(defined[0]))


def share_trials(
    parts: Parts,
    y_true: NDArray[np.int64],
    y_pred: NDArray[np.int64],
    n_classes: int,
    good: Good,
) -> dict[str, int]:
    """For each metric that is a share of photos, the number of parts that it refers to."""
    part = np.unique(np.asarray(parts), return_inverse=True)[1]

    def parts_of(chosen: NDArray[np.bool_]) -> int:
        return len(np.unique(part[chosen]))

    trials = {"accuracy": parts_of(np.ones(len(part), bool))}
    if not good:
        return trials
    trials["escape_rate"] = parts_of(~is_good(y_true, good))
    trials["overkill_rate"] = parts_of(is_good(y_true, good))
    if only_defect(n_classes, good) is not None:
        trials["recall"] = trials["escape_rate"]
        trials["precision"] = parts_of(~is_good(y_pred, good))
    return trials


def _defined(values: Floats) -> Floats | None:
    """The finite values; None if too many are not finite."""
    defined = values[np.isfinite(values)]
    if len(values) - len(defined) > _MOST_UNDEFINED * len(values):
        return None
    return defined


def _agree(values: Floats) -> bool:
    return bool(np.ptp(values) < _ROUNDING)
