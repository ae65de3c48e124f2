"""A threshold from good parts alone: how many new good parts it rejects.

Split conformal prediction (Vovk, Gammerman and Shafer 2005, "Algorithmic learning in a random
world"), with parts as units. The score of a part is the highest of its photos. If a new part is
like the n parts here, each of the n + 1 ranks of its score is equally likely. So it exceeds the
k-th highest of the n with a probability of at most k / (n + 1), whatever the model is. This is a
mean over the draws of both the n parts and the new one. Nothing is known about escapes, which only
photos of defects can show.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, logit

from fastdefect.aliases import Floats
from fastdefect.errors import DataError
from fastdefect.inference.unlike import part_scores
from fastdefect.text import counted, exact_percent

USUAL_LEVEL = 0.05  # of good parts that are rejected, where there are enough parts
_MARGIN = 0.05  # in log odds


@dataclass(frozen=True)
class GoodPoint:
    """A threshold that rejects a new good part with a probability of at most ``level``.

    ``rejected`` of the ``n_parts`` good parts that it is chosen on are rejected.
    """

    threshold: float
    level: float
    n_parts: int
    rejected: int

    @property
    def said(self) -> str:
        """The promise in words."""
        return (
            f"a conformal threshold: a new good part is rejected with a probability of at most "
            f"{self.level:.2%} (from {counted(self.n_parts, 'good part')})"
        )

    def as_json(self) -> dict[str, Any]:
        """The form of an operating point."""
        return {
            "rule": "conformal",
            "settings": {"level": self.level, "n_parts": self.n_parts},
            "threshold": self.threshold,
            "tally": {"rejected": self.rejected, "n_parts": self.n_parts},
        }


def least_level(n_parts: int) -> float:
    """The lowest probability that ``n_parts`` good parts can promise."""
    return 1 / (n_parts + 1)


def usual_level(n_parts: int) -> float:
    """The probability that is promised if no limit is given."""
    return max(USUAL_LEVEL, least_level(n_parts))


def choose_from_good(scores: Floats, parts: Sequence[str], limit: float) -> GoodPoint:
    """The lowest threshold that keeps ``limit``, from the scores (n,) in [0, 1] of good photos.

    ``parts`` (n,) names the part in each photo. Raises ``DataError`` if there are too few parts.
    """
    highest = part_scores(scores, parts)
    n = len(highest)
    if not n:
        raise DataError(
            "A threshold from good parts needs good photos of validation, but there are none.",
            "Move photos of good parts to valid, or split all photos anew: --resplit.",
        )
    rank = math.floor(limit * (n + 1) * (1 + 1e-12))  # 1 / 20 of 20 is 1
    if rank < 1:
        raise DataError(
            f"{counted(n, 'good part')} can't support an overkill rate of at most "
            f"{exact_percent(limit)}: that takes {math.ceil(1 / limit - 1e-9) - 1}.",
            f"Allow {math.ceil(1e4 * least_level(n)) / 1e4:.2%}, or photograph more good parts: "
            "those of --data DIR, or of a larger --valid.",
        )
    rank = min(rank, n)
    low = float(highest[-rank])
    room = (float(highest[1 - rank]) if rank > 1 else 1.0) - low
    # Every threshold above ``low``, up to the next score, keeps the promise. A little above it, so
    # that rounding in another runtime changes no decision.
    above = min(room / 2, _MARGIN * low * (1 - low))
    threshold = max(low + above, float(np.nextafter(low, 2.0)))
    return GoodPoint(threshold, rank / (n + 1), n, int((highest >= threshold).sum()))


def raised_for_defects(
    point: GoodPoint, scores: Floats, parts: Sequence[str], defects: Floats
) -> GoodPoint:
    """``point`` with the highest threshold that is safe for the known ``defects``.

    ``scores`` (n,) and ``parts`` are those that ``point`` was chosen on, ``defects`` (k,) the
    scores of defective photos. The threshold is raised to the middle, in log odds, between the
    lowest score of the defects that it rejects and the highest of the good photos below. So it
    rejects the same defects, and its promise still holds, as it is never lowered.
    """
    rejected = defects[defects >= point.threshold]
    if not len(rejected):
        return point
    nearest = float(rejected.min())
    below = scores[scores < nearest]
    if not len(below):
        return point
    middle = float(expit((logit(nearest) + logit(float(below.max()))) / 2))
    threshold = max(point.threshold, middle)
    highest = part_scores(scores, parts)
    return replace(point, threshold=threshold, rejected=int((highest >= threshold).sum()))
