"""Whether new photos have higher values than known ones: a rank test with the part as its unit.

``share`` is the probability that a photo of a new part has a higher value than one of a known
part, each photo drawn at random from a random part, ties counted as a half: 0.5 if nothing changed
(the area under the ROC curve for clusters; Obuchowski 1997, Biometrics 53, 567-578). Its deviation
from 0.5 is divided by its standard error (DeLong et al. 1988), and the p-value is from permutations
of the parts. The division keeps the test valid if parts differ in their numbers of photos, and so
in their spread (Neubert and Brunner 2007, "A studentized permutation test for the non-parametric
Behrens-Fisher problem"). The draws end early if the p-value is clearly large (Besag and Clifford
1991, "Sequential Monte Carlo p-values", Biometrika 78, 301-304); it is still exact.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats

FEWEST = 3  # parts of each kind
PERMUTATIONS = 1999

_ENOUGH = 100  # permutations with a value as high: the p-value is then known to 10 %
_POWER = 0.8
_CHUNK = 500_000  # values of all permutations in memory
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Clustered:
    """Values (n,) of photos, and the part (n,) that each shows."""

    values: Floats
    parts: NDArray[np.generic]

    @property
    def n_parts(self) -> int:
        """The number of parts."""
        return len(np.unique(self.parts))


@dataclass(frozen=True)
class RankTest:
    """``share``, see above, and its p-value."""

    share: float
    p_value: float


def rank_test(
    new: Clustered,
    known: Clustered,
    *,
    two_sided: bool,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> RankTest:
    """Test whether ``new`` has higher values than ``known``, or with ``two_sided`` other values.

    ``permutations`` is the largest number of them: the smallest p-value is 1 in one more. Raises
    ``ValueError`` for fewer than ``FEWEST`` parts on a side.
    """
    if min(new.n_parts, known.n_parts) < FEWEST:
        raise ValueError(f"Expected {FEWEST} parts or more, got {new.n_parts}, {known.n_parts}")
    pooled = _Pooled(new, known)
    observed = np.arange(new.n_parts + known.n_parts) < new.n_parts
    share, (found,) = pooled.shares(observed[None])
    # Permutations that give the observed statistic again differ from it by rounding only.
    limit = (abs(found) if two_sided else found) - 1e-9 * max(1.0, abs(found))
    drawn = high = 0
    for others in _permuted(pooled, observed, permutations, seed):
        as_high = (np.abs(others) if two_sided else others) >= limit
        if high + np.count_nonzero(as_high) >= _ENOUGH:
            last = int(np.flatnonzero(as_high)[_ENOUGH - high - 1])
            return RankTest(float(share[0]), _ENOUGH / (drawn + last + 1))
        drawn, high = drawn + len(others), high + int(np.count_nonzero(as_high))
    return RankTest(float(share[0]), (1 + high) / (1 + drawn))


def _permuted(
    pooled: "_Pooled", observed: NDArray[np.bool_], most: int, seed: int
) -> Iterator[Floats]:
    """The statistics of ``most`` permutations, few at first, because few are often enough."""
    rng, left, step = np.random.default_rng(seed), most, 2 * _ENOUGH
    while left:
        step = max(1, min(step, left, _CHUNK // pooled.n_parts))
        yield pooled.shares(rng.permuted(np.tile(observed, (step, 1)), axis=1))[1]
        left, step = left - step, 2 * step


def detectable_share(n_new: int, n_known: int, alpha: float) -> float:
    """The share that a one-sided test at ``alpha`` finds in 80 % of cases; 1 is the most.

    It is the approximation of the rank-sum test for parts of one photo each. It is 1 if there are
    so few parts that no p-value is as small as ``alpha``.
    """
    if alpha < 1 / math.comb(n_new + n_known, n_new):
        return 1.0
    spread = math.sqrt((n_new + n_known + 1) / (12 * n_new * n_known))
    normal = NormalDist()
    return min(1.0, 0.5 + (normal.inv_cdf(1 - alpha) + normal.inv_cdf(_POWER)) * spread)


class _Pooled:
    """All parts in pairs, so that a permutation is a sum of rows of a matrix."""

    def __init__(self, new: Clustered, known: Clustered) -> None:
        values = np.concatenate([new.values, known.values])
        part = np.concatenate(
            [
                np.unique(new.parts, return_inverse=True)[1],
                np.unique(known.parts, return_inverse=True)[1] + new.n_parts,
            ]
        )
        n_photos = np.bincount(part)
        self.n_parts = len(n_photos)
        # [j, i]: the share of pairs in which the photo of part j is below that of part i.
        self._below = np.empty((self.n_parts, self.n_parts))
        for one in range(self.n_parts):
            mine = np.sort(values[part == one])
            sides = [np.searchsorted(mine, values, side) for side in ("left", "right")]
            below = np.add(*sides) / (2 * len(mine))
            self._below[one] = np.bincount(part, below) / n_photos
        self._all_below = self._below.sum(axis=0)

    def shares(self, is_new: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """The shares (b,) and their statistics (b,) if the parts ``is_new`` (b, parts) are new."""
        n = is_new.sum(axis=1)
        m = is_new.shape[1] - n
        below = is_new.astype(np.float64) @ self._below
        of_known = (self._all_below - below) / m[:, None]
        of_new = below / n[:, None]
        share = (of_known * is_new).sum(axis=1) / n
        variance = _spread(of_known, is_new) / n + _spread(of_new, ~is_new) / m
        return share, (share - 0.5) / np.sqrt(np.maximum(variance, _TINY))


def _spread(values: Floats, mine: NDArray[np.bool_]) -> Floats:
    """The variance of the values (b, parts) that are ``mine``."""
    n = mine.sum(axis=1)
    mean = (values * mine).sum(axis=1) / n
    return np.asarray((((values - mean[:, None]) * mine) ** 2).sum(axis=1) / (n - 1))
