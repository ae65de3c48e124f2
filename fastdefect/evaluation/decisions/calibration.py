"""Temperature scaling of probabilities, and bins that show their calibration.

Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks": the logits are
divided by one number T, fitted on photos that were not used for training. T > 1 makes an
overconfident model less confident. T < 1 makes an underconfident model more confident, such as one
trained with MixUp and label smoothing. The most probable class does not change, so accuracy does
not change.

The logarithms of the probabilities replace the logits: they differ by a constant per photo, and the
softmax removes it.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from fastdefect.aliases import Floats, Interval
from fastdefect.errors import DataError
from fastdefect.inference.decision_rule import log_softmax, logits_of
from fastdefect.metrics import CALIBRATION_BINS, check_predictions

LOWEST, HIGHEST = 0.05, 20.0


@dataclass(frozen=True)
class Temperature:
    """The temperature ``value`` fitted to ``n`` photos.

    ``nll_before`` and ``nll_after`` are their mean log losses (natural logarithm) at 1 and at
    ``value``. With few photos ``nll_after`` can be slightly higher, because the fit includes one
    pseudo-photo of unknown class. ``bounded`` means that the fit ended at ``LOWEST`` or
    ``HIGHEST``; beyond them, scaling is not the solution.
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
    """``n`` >= 1 photos with a probability above ``low`` and up to ``high``.

    ``confidence`` is their mean probability, ``share`` the share of them for which the event was
    true. ``interval`` is the 95 % interval of the share, after Wilson (1927), with each photo as
    one trial. It is too narrow if photos of a part are similar.
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
    """The temperature from 0.05 to 20 with the least mean log loss, with one pseudo-photo added.

    ``y_true`` (n,) are class indices, ``y_prob`` (n, n_classes) probabilities. If all photos are
    classified correctly, the likelihood has no maximum and the temperature would go to zero.
    Therefore, as in Platt (1999, "Probabilistic outputs for support vector machines"), the fit adds
    one photo of unknown class: each label counts n parts of n + 1, and the last part is spread
    evenly over the classes. With ``n`` photos of two classes, all correct and equally confident,
    the confidence becomes (n + 1/2) / (n + 1). With a few hundred photos the effect is small.

    The loss is convex in 1 / T, so it has one minimum. T is 1 if no other value is better.

    Raises ``DataError`` without photos, with photos of fewer than two classes, or if a probability
    is not finite.
    """
    check_predictions(y_true, y_prob, tuple(map(str, range(y_prob.shape[1]))))
    if len(np.unique(y_true)) < 2:
        raise DataError(
            f"Expected photos of at least two classes for the calibration, "
            f"but all {len(y_true)} are of one class.",
            "Calibrate on a split with good and defective parts.",
        )
    logits = logits_of(y_prob)

    def loss(log_t: float) -> float:
        log_p = log_softmax(logits, float(np.exp(log_t)))
        known = -log_p[np.arange(len(y_true)), y_true].sum()
        return float(known - log_p.mean()) / (len(y_true) + 1)

    ends = (float(np.log(LOWEST)), float(np.log(HIGHEST)))
    found = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-7})
    # The search never evaluates its bounds, and it can end anywhere if the loss is flat.
    best = min((0.0, float(found.x), *ends), key=loss)
    value = {ends[0]: LOWEST, ends[1]: HIGHEST}.get(best, float(np.exp(best)))
    return Temperature(
        value,
        len(y_true),
        _log_loss(y_true, logits, 1.0),
        _log_loss(y_true, logits, value),
        bounded=best in ends,
    )


def reliability(
    y_true: NDArray[np.int64], y_prob: NDArray[np.floating[Any]], bins: int = CALIBRATION_BINS
) -> list[ReliabilityBin]:
    """The confidence of the model's decisions, and the share that was correct.

    ``y_true`` (n,) are class indices, ``y_prob`` (n, n_classes) probabilities. The bins are those
    of ``metrics.calibration_gaps``: the sum of n * |share - confidence| over them, divided by n, is
    the calibration error. Raises ``DataError`` as ``fit_temperature`` does, but accepts photos of
    one class.
    """
    check_predictions(y_true, y_prob, tuple(map(str, range(y_prob.shape[1]))))
    return reliability_of(y_prob.argmax(axis=1) == y_true, y_prob.max(axis=1), bins)


def reliability_of(
    positive: NDArray[np.bool_], score: NDArray[np.floating[Any]], bins: int = CALIBRATION_BINS
) -> list[ReliabilityBin]:
    """The observed share of photos at each probability, from the lowest bin to the highest.

    ``positive`` (n,) is the truth of an event for each photo, such as "is defective"; ``score``
    (n,) is its probability, from 0 to 1. ``bins`` bins have equal width and include their upper
    end. Bins without a photo are omitted.

    Raises ``ValueError`` if the lengths differ, a score is not from 0 to 1 or ``bins`` < 1.
    """
    if len(positive) != len(score) or bins < 1:
        raise ValueError(
            f"Expected one score for each of {len(positive)} photos and at least one bin, "
            f"got {len(score)} and {bins}"
        )
    scores = np.asarray(score, np.float64)
    if not ((scores >= 0) & (scores <= 1 + 1e-6)).all():  # 32-bit sums can exceed 1
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


def _log_loss(y_true: NDArray[np.int64], logits: Floats, t: float) -> float:
    return float(-log_softmax(logits, t)[np.arange(len(y_true)), y_true].mean())
