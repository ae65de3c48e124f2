"""A threshold that holds its limit on unseen parts, with a stated confidence.

Learn then Test (Angelopoulos, Bates, Candès, Jordan and Lei 2021, arXiv 2110.01052) with
fixed-sequence testing: from the threshold that can't break the limit onwards, each must reject
"the true rate is above the limit" at level delta = 1 - confidence; the first that can't ends
the walk.

The units are parts, as photos of one part are no independent evidence. The loss of a part at
threshold t is the share of its defective photos that escape (of its good ones that are
rejected), in [0, 1]; the true rate R(t) is its mean over the parts that the line will make. So
a part counts once, however many photos it has, and the rate that is promised is not the share
of photos where the parts have unequally many.

Why it is right although the thresholds come from the same photos. Take escapes. A part's loss
never falls as t rises, so neither does R, and neither does the p-value p(t), which never falls
as losses rise; and all three are defined at every real t, photos there or not. Let B be the
thresholds with R(t) > limit: if t is in B, so is all above it. Suppose that some T in B was
given p(T) <= delta. Then p(t) <= p(T) <= delta for all t of B below T. Take fixed t_1 > t_2 >
... in B that close in on its lower end (or that end itself, if it is in B): for T there is one
at or below it, so p(t_k) <= delta for some and all later k. Each of these events has a
probability of at most delta, as t_k doesn't depend on the photos and p(t_k) is a valid p-value;
they only grow with k, and so has their union. So with probability 1 - delta no threshold with
p <= delta breaks the limit, however it was found among them. (The monotone argument of Bates,
Angelopoulos, Lei, Malik and Jordan 2021, risk-controlling prediction sets, arXiv 2101.02703.)
Overkill is the same, seen from above.

What it rests on: the parts are drawn and photographed as the line's will be, independently, and
have not been used to train the model, to pick its best epoch or to calibrate it.
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

# Sums of shares such as 1/3 + 1/3 + 1/3 land beside the whole number that they are.
_ROUNDING = 1e-9
# Below it the number of parts that it takes is no number to be exact about.
_LEAST_LIMIT = 1e-9


@dataclass(frozen=True)
class Guarantee:
    """Whether some parts support the promise of ``limit``, and at which threshold.

    ``n_parts`` of the parts have defective photos (good ones, where the mistake is overkill).
    ``parts_needed`` without a single mistake are the fewest that can support it. ``point`` is
    None where there are fewer; a point that rejects all (or, for overkill, none) says that the
    scores don't support another. ``mean_loss`` over the parts and ``p_value`` are those at the
    point.
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
        """Whether there are parts enough."""
        return self.point is not None

    @property
    def parts_more(self) -> int:
        """How many more parts, none of them with a mistake, it takes at least; 0 if supported."""
        return max(0, self.parts_needed - self.n_parts)

    @property
    def tightest_limit(self) -> float:
        """The lowest limit that so many parts could support, if none had a mistake."""
        return float(1 - (1 - self.confidence) ** (1 / self.n_parts))

    def as_json(self) -> dict[str, Any]:
        """All of it; ``point`` as ``OperatingPoint.as_json``, or None."""
        plain = dict(vars(self))
        for name in ("supported", "parts_more", "tightest_limit"):
            plain[name] = getattr(self, name)
        plain["point"] = self.point.as_json() if self.point else None
        return plain


@dataclass(frozen=True, eq=False)
class Losses:
    """What each threshold of a sweep costs the parts, and how surely that is below a limit.

    ``mean`` and ``p_value`` (k + 1,) float64 belong to the sweep's thresholds. ``test`` is
    the exact binomial where each part has one photo, and otherwise Hoeffding-Bentkus.
    """

    n_parts: int
    test: Test
    mean: Floats
    p_value: Floats


def guaranteed_max_escape(
    photos: ScoredPhotos, limit: float, confidence: float = 0.95
) -> Guarantee:
    """The least overkill for which the escape rate of unseen parts is at most ``limit``.

    In at least a share ``confidence`` of all sets of parts that could have been photographed,
    the promise is true. Any threshold with a p-value of at most 1 - confidence will do; of
    these the one with the least overkill on these photos, then the fewest escapes. Raises
    ``ValueError`` unless ``limit`` and ``confidence`` are above 0 (the limit by 1e-9) and below 1.
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

    Which test it is hangs on the number of photos of the parts, never on their scores: one
    that was picked by the losses seen would have no level.
    """
    chosen = photos.defective if mistake == "escape" else ~photos.defective
    score, thresholds = photos.score[chosen], photos.sweep.thresholds
    _, part, sizes = np.unique(
        np.asarray(photos.parts)[chosen], return_inverse=True, return_counts=True
    )
    share = 1 / sizes[part]
    order = np.lexsort((share, score))  # the same sums in whatever order the photos come
    at = np.searchsorted(score[order], thresholds)
    if mistake == "escape":
        total = np.concatenate([[0.0], np.cumsum(share[order])])[at]
    else:
        total = np.concatenate([[0.0], np.cumsum(share[order][::-1])])[len(score) - at]
    test: Test = "binomial" if sizes.max() == 1 else "hoeffding-bentkus"
    return Losses(len(sizes), test, total / len(sizes), p_values(total, len(sizes), limit, test))


def p_values(total: Floats, n_parts: int, limit: float, test: Test) -> Floats:
    """P-values of "the mean loss is above ``limit``", given the ``total`` loss of the parts.

    "binomial": P(X <= total) for X ~ Bin(n_parts, limit), exact where losses are 0 or 1.
    "hoeffding-bentkus", for any losses in [0, 1]: the smaller of exp(-n kl(min(mean, limit),
    limit)) (Hoeffding 1963) and e P(X <= ceil(total)) (Bentkus 2004); Angelopoulos et al.
    2021, Proposition 1. With no loss at all both tests give (1 - limit)^n.
    """
    whole = np.ceil(np.asarray(total) - _ROUNDING)
    tail: Floats = binom.cdf(whole, n_parts, limit)
    if test == "binomial":
        return tail
    mean = np.minimum(np.asarray(total) / n_parts, limit)
    divergence = rel_entr(mean, limit) + rel_entr(1 - mean, 1 - limit)
    smaller = np.minimum(np.exp(-n_parts * divergence), math.e * tail)
    # The same number, but to the last bit: ``parts_needed`` counts on it.
    return np.where(whole == 0, tail, smaller)


def certified(p_value: Floats, mistake: Mistake, confidence: float) -> Mask:
    """The thresholds that fixed-sequence testing reaches: for each the promise holds.

    The walk begins where the mistake is impossible: at the first threshold for escapes, at the
    last for overkill. It ends before the first p-value above 1 - confidence.
    """
    passed = p_value <= 1 - confidence
    if mistake == "escape":
        return np.logical_and.accumulate(passed)
    return np.logical_and.accumulate(passed[::-1])[::-1]


def parts_needed(limit: float, confidence: float = 0.95) -> int:
    """The fewest parts that, all without a mistake, support "at most ``limit``".

    The least n with (1 - limit)^n <= 1 - confidence, as in ``p_values`` for no loss; of
    ceil(log(1 - confidence) / log(1 - limit)) the logarithms can miss it by one.
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
    """Raises ``ValueError`` unless a test of ``limit`` at ``confidence`` has a meaning."""
    if not _LEAST_LIMIT <= limit < 1:
        raise ValueError(f"Expected limit from {_LEAST_LIMIT} to below 1, got {limit}")
    if not 0 < confidence < 1:
        raise ValueError(f"Expected confidence above 0 and below 1, got {confidence}")
