"""A threshold that keeps its limit on unseen parts, with a stated confidence.

Learn then Test (Angelopoulos, Bates, Candès, Jordan and Lei 2021, arXiv 2110.01052) with
fixed-sequence testing: start at the threshold that cannot exceed the limit and go on in order. Each
threshold must reject "the true rate is above the limit" at level delta = 1 - confidence. The
sequence ends at the first threshold that does not.

The units are parts, because photos of one part are not independent. The loss of a part at threshold
t is the share of its defective photos that escape (or of its good photos that are rejected), in [0,
1]. The true rate R(t) is the mean loss over the parts that the line will produce. So each part
counts once, whatever its number of photos. If parts have different numbers of photos, the
guaranteed rate is not the share of photos.

Why it is valid although the thresholds come from the same photos. Take escapes. A part's loss does
not decrease as t increases, so R does not decrease either, nor does the p-value p(t), which does
not decrease as losses increase. All three are defined for every real t, with or without photos
there. Let B be the thresholds with R(t) > limit: if t is in B, so is every larger threshold.
Suppose that some T in B has p(T) <= delta. Then p(t) <= p(T) <= delta for all t in B below T. Take
fixed t_1 > t_2 > ... in B that converge to its lower end (or that end itself, if it is in B). One
of them is at or below T, so p(t_k) <= delta for some k and all later ones. Each of these events has
a probability of at most delta, because t_k does not depend on the photos and p(t_k) is a valid
p-value. The events increase with k, so their union has a probability of at most delta as well.
Therefore, with probability 1 - delta, no threshold with p <= delta exceeds the limit, whatever rule
selects it. (The monotone argument of Bates, Angelopoulos, Lei, Malik and Jordan 2021,
risk-controlling prediction sets, arXiv 2101.02703.) Overkill is the same in the other direction.

Assumptions: the parts are drawn and photographed as those of the line will be, independently. They
were not used to train the model, to select its best epoch or to calibrate it.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import rel_entr
from scipy.stats import binom

from fastdefect.aliases import Floats
from fastdefect.evaluation.decisions.operating_point import (
    Mask,
    OperatingPoint,
    ScoredPhotos,
    point_at,
)

Mistake = Literal["escape", "overkill"]
Test = Literal["binomial", "hoeffding-bentkus"]

# Sums of shares such as 1/3 + 1/3 + 1/3 differ from the exact integer by rounding.
_ROUNDING = 1e-9
# Below this limit the required number of parts cannot be computed exactly.
_LEAST_LIMIT = 1e-9


@dataclass(frozen=True)
class Guarantee:
    """Whether the parts support a guarantee of ``limit``, and at which threshold.

    ``n_parts`` of the parts have defective photos (good ones, if the mistake is overkill).
    ``parts_needed`` is the smallest number that can support the guarantee, without a single
    mistake. ``point`` is None if there are fewer. A point that rejects everything (or, for
    overkill, nothing) means that the scores do not support another point. ``mean_loss`` over the
    parts and ``p_value`` are the values at the point.
    """

    mistake: Mistake
    limit: float
    confidence: float
    test: Test
    n_parts: int
    parts_needed: int
    point: OperatingPoint | None
    mean_loss: float | None
    p_value: float | None

    @property
    def supported(self) -> bool:
        """Whether there are enough parts."""
        return self.point is not None

    @property
    def parts_more(self) -> int:
        """The minimum number of additional parts, all without a mistake; 0 if supported."""
        return max(0, self.parts_needed - self.n_parts)

    @property
    def tightest_limit(self) -> float:
        """The lowest limit that this number of parts can support without a mistake."""
        return float(1 - (1 - self.confidence) ** (1 / self.n_parts))

    def as_json(self) -> dict[str, Any]:
        """All values; ``point`` as ``OperatingPoint.as_json``, or None."""
        plain = dict(vars(self))
        for name in ("supported", "parts_more", "tightest_limit"):
            plain[name] = getattr(self, name)
        plain["point"] = self.point.as_json() if self.point else None
        return plain


@dataclass(frozen=True, eq=False)
class Losses:
    """The loss of the parts at each threshold of a sweep, and its test against a limit.

    ``mean`` and ``p_value`` (k + 1,) float64 correspond to the sweep's thresholds. ``test`` is the
    exact binomial test if each part has one photo, otherwise Hoeffding-Bentkus.
    """

    n_parts: int
    test: Test
    mean: Floats
    p_value: Floats


def guaranteed_max_escape(
    photos: ScoredPhotos, limit: float, confidence: float = 0.95
) -> Guarantee:
    """The least overkill for which the escape rate of unseen parts is at most ``limit``.

    The guarantee is true for at least a share ``confidence`` of all possible sets of parts. Any
    threshold with a p-value of at most 1 - confidence is valid; the result is the one with the
    least overkill on these photos, then the fewest escapes. Raises ``ValueError`` unless ``limit``
    and ``confidence`` are above 0 (the limit by 1e-9) and below 1.
    """
    return _guarantee(photos, "escape", limit, confidence)


def guaranteed_max_overkill(
    photos: ScoredPhotos, limit: float, confidence: float = 0.95
) -> Guarantee:
    """The fewest escapes for which the overkill rate of unseen parts is at most ``limit``.

    As ``guaranteed_max_escape``, over the parts with good photos.
    """
    return _guarantee(photos, "overkill", limit, confidence)


def losses(photos: ScoredPhotos, mistake: Mistake, limit: float) -> Losses:
    """Mean loss and p-value of "the true rate is above ``limit``" at each threshold.

    The numbers of photos per part determine the test, never the scores: a test selected by the
    observed losses would not keep its level.
    """
    chosen = photos.defective if mistake == "escape" else ~photos.defective
    score, thresholds = photos.score[chosen], photos.sweep.thresholds
    _, part, sizes = np.unique(
        np.asarray(photos.parts)[chosen], return_inverse=True, return_counts=True
    )
    share = 1 / sizes[part]
    order = np.lexsort((share, score))  # so that the sums do not depend on the photos' order
    at = np.searchsorted(score[order], thresholds)
    if mistake == "escape":
        total = np.concatenate([[0.0], np.cumsum(share[order])])[at]
    else:
        total = np.concatenate([[0.0], np.cumsum(share[order][::-1])])[len(score) - at]
    test: Test = "binomial" if sizes.max() == 1 else "hoeffding-bentkus"
    return Losses(len(sizes), test, total / len(sizes), p_values(total, len(sizes), limit, test))


def p_values(total: Floats, n_parts: int, limit: float, test: Test) -> Floats:
    """P-values of "the mean loss is above ``limit``", given the ``total`` loss of the parts.

    "binomial": P(X <= total) for X ~ Bin(n_parts, limit), exact if losses are 0 or 1.
    "hoeffding-bentkus", for any losses in [0, 1]: the smaller of exp(-n kl(min(mean, limit),
    limit)) (Hoeffding 1963) and e P(X <= ceil(total)) (Bentkus 2004); Angelopoulos et al. 2021,
    Proposition 1. Without any loss both tests give (1 - limit)^n.
    """
    whole = np.ceil(np.asarray(total) - _ROUNDING)
    tail: Floats = binom.cdf(whole, n_parts, limit)
    if test == "binomial":
        return tail
    mean = np.minimum(np.asarray(total) / n_parts, limit)
    divergence = rel_entr(mean, limit) + rel_entr(1 - mean, 1 - limit)
    smaller = np.minimum(np.exp(-n_parts * divergence), math.e * tail)
    # Mathematically equal, but ``parts_needed`` depends on the exact bits.
    return np.where(whole == 0, tail, smaller)


def certified(p_value: Floats, mistake: Mistake, confidence: float) -> Mask:
    """The thresholds that fixed-sequence testing reaches: the guarantee holds for each of them.

    The sequence starts where the mistake is impossible: at the first threshold for escapes, at the
    last for overkill. It ends before the first p-value above 1 - confidence.
    """
    passed = p_value <= 1 - confidence
    if mistake == "escape":
        return np.logical_and.accumulate(passed)
    return np.logical_and.accumulate(passed[::-1])[::-1]


def parts_needed(limit: float, confidence: float = 0.95) -> int:
    """The smallest number of parts, all without a mistake, that supports "at most ``limit``".

    It is the least n with (1 - limit)^n <= 1 - confidence, as in ``p_values`` without a loss.
    Rounding of the logarithms in ceil(log(1 - confidence) / log(1 - limit)) can be wrong by one.
    """
    check_promise(limit, confidence)
    n = max(1, math.floor(math.log1p(-confidence) / math.log1p(-limit)))
    while float(binom.cdf(0, n, limit)) > 1 - confidence:
        n += 1
    return n


def _guarantee(
    photos: ScoredPhotos, mistake: Mistake, limit: float, confidence: float
) -> Guarantee:
    needed = parts_needed(limit, confidence)
    found = losses(photos, mistake, limit)
    allowed = certified(found.p_value, mistake, confidence)
    known = (mistake, limit, confidence, found.test, found.n_parts, needed)
    if not allowed.any():
        return Guarantee(*known, point=None, mean_loss=None, p_value=None)
    settings = {"limit": limit, "confidence": confidence}
    if mistake == "escape":
        index = photos.sweep.least_overkill(allowed)
        point = point_at(photos, index, "max-escape", settings)
    else:
        index = photos.sweep.fewest_escapes(allowed)
        point = point_at(photos, index, "max-overkill", settings)
    return Guarantee(*known, point, float(found.mean[index]), float(found.p_value[index]))


def check_promise(limit: float, confidence: float) -> None:
    """Raise ``ValueError`` unless ``limit`` and ``confidence`` are valid for a test."""
    if not _LEAST_LIMIT <= limit < 1:
        raise ValueError(f"Expected limit from {_LEAST_LIMIT} to below 1, got {limit}")
    if not 0 < confidence < 1:
        raise ValueError(f"Expected confidence above 0 and below 1, got {confidence}")
