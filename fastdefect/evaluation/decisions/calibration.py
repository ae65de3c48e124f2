"""Does a probability mean what it says? Temperature scaling, and bins that show it.

Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks": the logits
are divided by one number T, fitted on photos that the training didn't see. T > 1 softens a
model that is too sure, T < 1 sharpens one that is not sure enough, as MixUp and label smoothing
make them. Which class is the most probable stays, so accuracy stays.

Probabilities stand in for logits: log p differs from them by a constant for each photo, which
the softmax takes out.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from fastdefect.aliases import Floats, Interval
from fastdefect.errors import DataError
from fastdefect.metrics import CALIBRATION_BINS, check_predictions

# A probability of less is taken for this, as in the log loss: a logarithm needs a floor.
TINY = float(np.finfo(np.float64).eps)
LOWEST, HIGHEST = 0.05, 20.0


@dataclass(frozen=True)
class Temperature:
    """The temperature ``value`` that ``n`` photos ask for.

    ``nll_before`` and ``nll_after`` are their mean log losses (natural) at 1 and at ``value``.
    With few photos the second can be a little the higher: the fit sees one photo more, whose
    label nobody knows. ``bounded``: the fit ended at ``LOWEST`` or ``HIGHEST``; what lies
    beyond is no matter of scale.
    """

    value: float
    n: int
    nll_before: float
    nll_after: float
    bounded: bool

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


@dataclass(frozen=True)
class ReliabilityBin:
    """``n`` >= 1 photos whose probability lies above ``low`` and up to ``high``.

    ``confidence`` is their mean probability, ``share`` how many of them were so. ``interval``
    is the share's at 95 %, after Wilson (1927), each photo counted as one trial: too narrow
    where photos of a part are alike.
    """

    low: float
    high: float
    n: int
    confidence: float
    share: float
    interval: Interval

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def fit_temperature(y_true: NDArray[np.int64], y_prob: NDArray[np.floating[Any]]) -> Temperature:
    """The temperature from 0.05 to 20 with the least mean log loss, plus one photo's worth.

    ``y_true`` (n,) are class indices, ``y_prob`` (n, n_classes) probabilities. Where all photos
    are right the likelihood has no maximum: it sharpens for ever. So, like Platt (1999,
    "Probabilistic outputs for support vector machines"), the fit counts one photo
    more, that might be of any class: each label is taken to be n parts what it says and one
    part evenly spread, of n + 1. ``n`` photos of two classes, all right and equally sure, then
    get the confidence (n + 1/2) / (n + 1) and no more; a few hundred photos outweigh the one.

    The loss is convex in 1 / T, so it has one minimum. T is 1 where no other is better.

    Raises ``DataError`` without photos, with photos of fewer than two classes (they can't tell
    how sure to be of the other) or with a probability that is not finite.
    """
    check_predictions(y_true, y_prob, tuple(map(str, range(y_prob.shape[1]))))
    if len(np.unique(y_true)) < 2:
        raise DataError(
            f"Expected photos of two classes at least to calibrate on, "
            f"but all {len(y_true)} are of one.",
            "Calibrate on a split that holds good and defective parts.",
        )
    logits = _logits(y_prob)

    def loss(log_t: float) -> float:
        log_p = _log_softmax(logits, float(np.exp(log_t)))
        known = -log_p[np.arange(len(y_true)), y_true].sum()
        return float(known - log_p.mean()) / (len(y_true) + 1)

    ends = (float(np.log(LOWEST)), float(np.log(HIGHEST)))
    found = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-7})
    # The search never tries its ends; and a loss that is flat ends it anywhere.
    best = min((0.0, float(found.x), *ends), key=loss)
    value = {ends[0]: LOWEST, ends[1]: HIGHEST}.get(best, float(np.exp(best)))
    return Temperature(
        value,
        len(y_true),
        _log_loss(y_true, logits, 1.0),
        _log_loss(y_true, logits, value),
        bounded=best in ends,
    )


def apply_temperature(y_prob: NDArray[np.floating[Any]], t: float) -> Floats:
    """softmax(log p / t): (n, n_classes), rows sum to 1.

    ``y_prob`` (n, n_classes); less than ``TINY`` (2.2e-16) counts as ``TINY``. The order of a
    photo's classes stays, but where rounding makes equals of two. NaN stays NaN.

    Raises ``ValueError`` if ``t`` is not a positive, finite number.
    """
    if not 0 < t < float("inf"):
        raise ValueError(f"Expected a positive temperature but got {t}")
    return np.exp(_log_softmax(_logits(y_prob), t))


def reliability(
    y_true: NDArray[np.int64], y_prob: NDArray[np.floating[Any]], bins: int = CALIBRATION_BINS
) -> list[ReliabilityBin]:
    """How sure the model was of its decisions, and how often it was right.

    ``y_true`` (n,) class indices, ``y_prob`` (n, n_classes). The bins are those of
    ``metrics.calibration_gaps``: the sum of n * |share - confidence| over them, divided by n,
    is the calibration error. Raises ``DataError`` as ``fit_temperature`` does, but takes
    photos of one class.
    """
    check_predictions(y_true, y_prob, tuple(map(str, range(y_prob.shape[1]))))
    return reliability_of(y_prob.argmax(axis=1) == y_true, y_prob.max(axis=1), bins)


def reliability_of(
    positive: NDArray[np.bool_], score: NDArray[np.floating[Any]], bins: int = CALIBRATION_BINS
) -> list[ReliabilityBin]:
    """What became of the photos given each probability, from the lowest bin to the highest.

    ``positive`` (n,): whether the photo was so, "is defective" for instance; ``score`` (n,):
    the probability that it is, from 0 to 1. ``bins`` bins of equal width, closed above; those
    without a photo are left out.

    Raises ``ValueError`` if the lengths differ, a score is not from 0 to 1 or ``bins`` < 1.
    """
    if len(positive) != len(score) or bins < 1:
        raise ValueError(
            f"Expected one score for each of {len(positive)} photos and at least one bin, "
            f"got {len(score)} and {bins}"
        )
    scores = np.asarray(score, np.float64)
    if not ((scores >= 0) & (scores <= 1 + 1e-6)).all():  # 32-bit sums may pass 1
        raise ValueError("Expected scores from 0 to 1")
    edges = np.linspace(0, 1, bins + 1)
    index = np.searchsorted(edges[1:-1], scores, side="left")
    return [
        _bin(float(edges[i]), float(edges[i + 1]), positive[index == i], scores[index == i])
        for i in np.unique(index)
    ]


def _bin(low: float, high: float, positive: NDArray[np.bool_], score: Floats) -> ReliabilityBin:
    n, hits = len(positive), int(positive.sum())
    found = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    interval = (float(found.low), float(found.high))
    return ReliabilityBin(low, high, n, float(score.mean()), hits / n, interval)


def _logits(y_prob: NDArray[np.floating[Any]]) -> Floats:
    """(n, n_classes), the highest of each photo 0."""
    logs = np.log(np.maximum(np.asarray(y_prob, np.float64), TINY))
    return logs - logs.max(axis=1, keepdims=True)


def _log_softmax(logits: Floats, t: float) -> Floats:
    """Of logits of which each photo's highest is 0: the sum can't overflow, nor be 0."""
    scaled = logits / t
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


def _log_loss(y_true: NDArray[np.int64], logits: Floats, t: float) -> float:
    return float(-_log_softmax(logits, t)[np.arange(len(y_true)), y_true].mean())
