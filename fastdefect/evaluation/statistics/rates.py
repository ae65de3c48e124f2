"""Intervals for rates (shares of photos) if parts have several photos.

If each part has one photo, the interval is exact (Clopper and Pearson 1934). Photos of the same
part are similar. With several of them, the same formula uses the effective number of independent
photos, as Korn and Graubard (1998) do for surveys.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, t

from fastdefect.aliases import Floats, Interval
from fastdefect.files import finite

RateMethod = Literal["clopper-pearson", "korn-graubard"]

_TAIL = 0.025


@dataclass(frozen=True)
class Rate:
    """``count`` of ``photos`` photos of ``parts`` parts, and the 95 % interval of this share.

    Without photos ``interval`` is None and ``value`` is NaN.
    """

    count: int
    photos: int
    parts: int
    interval: Interval | None

    @property
    def value(self) -> float:
        """The share of the photos."""
        return self.count / self.photos if self.photos else math.nan

    @property
    def method(self) -> RateMethod:
        """The formula of the interval; it is exact if each part has one photo."""
        return "clopper-pearson" if self.parts == self.photos else "korn-graubard"

    def as_json(self) -> dict[str, Any]:
        """Counts, share and interval; None for NaN."""
        return finite(
            {
                "count": self.count,
                "photos": self.photos,
                "parts": self.parts,
                "value": self.value,
                "interval": self.interval,
            }
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Rate":
        """Read the content of ``as_json``; raises ``KeyError`` or ``TypeError`` for another."""
        interval = interval_from_json(content["interval"])
        return cls(content["count"], content["photos"], content["parts"], interval)


def interval_from_json(ends: Sequence[float] | None) -> Interval | None:
    """The interval that JSON has as a list of its ends; None for null."""
    return None if ends is None else (ends[0], ends[1])


@dataclass(frozen=True)
class Claim:
    """An upper bound of a rate: ``hits`` of ``parts`` were hit, so it is at most ``at_most``.

    The bound is one-sided, at ``confidence``; each part counts as one trial.
    """

    hits: int
    parts: int
    at_most: float
    confidence: float

    def as_json(self) -> dict[str, Any]:
        """The values as they are."""
        return dict(vars(self))


def rate_of(hits: NDArray[np.bool_], parts: Sequence[str] | NDArray[Any]) -> Rate:
    """The share of photos that are hits, with its two-sided 95 % interval.

    ``hits`` (n,) marks the hits among the photos, ``parts`` (n,) names the part of each photo.
    """
    photos_of, hits_of = _by_part(hits, parts)
    count, photos = int(hits.sum()), len(hits)
    if not photos:
        return Rate(0, 0, 0, None)
    trials = _worth(photos_of, hits_of)
    return Rate(count, photos, len(photos_of), _clopper_pearson(count / photos * trials, trials))


def claim(
    hits: NDArray[np.bool_], parts: Sequence[str] | NDArray[Any], confidence: float = 0.95
) -> Claim | None:
    """The upper bound of the rate of hits: ``0 of 234 parts: at most 1.3 % at 95 %``.

    A part is hit if any of its photos is. That is at least as likely as a hit on one photo, so the
    bound also holds for the rate of photos. None without photos.
    """
    _, hits_of = _by_part(hits, parts)
    if not len(hits_of):
        return None
    hit = int((hits_of > 0).sum())
    return Claim(hit, len(hits_of), upper_bound(hit, len(hits_of), confidence), confidence)


def upper_bound(count: int, trials: int, confidence: float = 0.95) -> float:
    """The largest rate that is still consistent with ``count`` hits or fewer in ``trials``.

    The bound is one-sided (Clopper and Pearson 1934). Raises ``ValueError`` if the count exceeds
    the trials, if there are no trials, or if the confidence is not between 0 and 1.
    """
    if not 0 <= count <= trials or not trials or not 0 < confidence < 1:
        raise ValueError(
            f"Expected 0 <= {count} <= {trials}, 1 trial or more, 0 < {confidence} < 1"
        )
    return 1.0 if count == trials else float(beta.ppf(confidence, count + 1, trials - count))


def parts_needed(rate: float, confidence: float = 0.95, escapes: int = 0) -> int:
    """The smallest number of parts that proves ``rate`` if ``escapes`` of them escape.

    With this number ``upper_bound`` is at most ``rate``. Raises ``ValueError`` if the rate is not
    between 0 and 1.
    """
    if not 0 < rate < 1:
        raise ValueError(f"Expected a rate between 0 and 1, got {rate}")
    few, enough = escapes, escapes + 1
    while upper_bound(escapes, enough, confidence) > rate:
        few, enough = enough, 2 * enough
    while enough - few > 1:
        middle = (few + enough) // 2
        if upper_bound(escapes, middle, confidence) > rate:
            few = middle
        else:
            enough = middle
    return enough


def _by_part(hits: NDArray[np.bool_], parts: Sequence[str] | NDArray[Any]) -> tuple[Floats, Floats]:
    """(n_parts,) numbers of photos and of hits per part."""
    if len(hits) != len(parts):
        raise ValueError(f"Expected a part for each of {len(hits)} photos, got {len(parts)}")
    names, part = np.unique(np.asarray(parts), return_inverse=True)
    photos_of, hits_of = np.zeros(len(names)), np.zeros(len(names))
    np.add.at(photos_of, part, 1)
    np.add.at(hits_of, part, hits)
    return photos_of, hits_of


def _worth(photos_of: Floats, hits_of: Floats) -> float:
    """The effective number of photos: as many, each of its own part, give the same information.

    It follows Korn and Graubard (1998, Survey Methodology 24, 193-201): the number that has the
    variance of the share, a ratio over parts, reduced because that variance is estimated. The
    degrees of freedom here are those of the parts that are hit (or not hit, if fewer). With those
    of all parts, as in the paper, rare hits in clusters were covered in 89 % of simulated draws
    instead of 95 %.

    The result is at least the number of parts (for parts of unequal size Kish's number, which
    applies if all photos of a part are equal) and at most the number of photos. If there are no
    hits, or only hits, the similarity within a part is unknown, and each part counts as one trial.
    """
    n, n_parts, hits = photos_of.sum(), len(photos_of), hits_of.sum()
    if n == n_parts or hits in (0, n):
        return float(n_parts)
    floor = n**2 / (photos_of**2).sum()
    mixed = min(np.count_nonzero(hits_of), np.count_nonzero(hits_of < photos_of))
    if mixed < 2:
        return float(floor)
    share = hits / n
    variance = n_parts / (n_parts - 1) * ((hits_of - share * photos_of) ** 2).sum() / n**2
    unsure = t.ppf(1 - _TAIL, n - 1) / t.ppf(1 - _TAIL, mixed - 1)
    worth = share * (1 - share) / variance * unsure**2 if variance > 0 else n
    return float(np.clip(worth, floor, n))


def _clopper_pearson(count: float, trials: float) -> Interval:
    """The two-sided 95 % interval; neither number has to be an integer."""
    low = beta.ppf(_TAIL, count, trials - count + 1) if count > 0 else 0.0
    high = beta.ppf(1 - _TAIL, count + 1, trials - count) if count < trials else 1.0
    return float(low), float(high)
