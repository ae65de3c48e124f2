"""Two models, or two ways to ask one, on the same photos: did anything change, or was it luck?

The photos that both get right or both get wrong say nothing of the difference; pairing them
takes their luck out. Counts of changed decisions get an exact test (McNemar 1947, in the exact
form of a sign test), over photos and over parts; any other figure gets an interval for its
difference from draws of whole parts, the same draws for both (Davison and Hinkley 1997,
section 3.8).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from fastdefect.aliases import Floats, Interval
from fastdefect.evaluation.statistics.intervals import draw_weights, percentile_interval
from fastdefect.files import finite

Figures = Callable[[Floats], Mapping[str, Floats]]

_DEFINED = 0.95  # of the draws must give a figure, as for ``percentile_interval``
_ROUNDING = 1e-12  # draws that differ by less agree


@dataclass(frozen=True)
class McNemar:
    """Of ``n`` photos, or parts, some became right and some became wrong."""

    n: int
    became_right: int
    became_wrong: int

    @property
    def p_value(self) -> float:
        """How often luck alone would part those that changed as unevenly, or more so.

        The exact two-sided binomial test of one half; 1 where nothing changed.
        """
        changed = self.became_right + self.became_wrong
        return float(binomtest(self.became_right, changed).pvalue) if changed else 1.0

    def as_json(self) -> dict[str, Any]:
        """Counts and p value."""
        return {**asdict(self), "p_value": self.p_value}


@dataclass(frozen=True)
class Difference:
    """A figure ``before`` and ``after``; NaN where it is not defined.

    ``interval`` is 95 % for ``after`` - ``before``, or None where none can be given.
    """

    before: float
    after: float
    interval: Interval | None

    @property
    def difference(self) -> float:
        """``after`` - ``before``."""
        return self.after - self.before

    @property
    def decides(self) -> bool:
        """Whether the interval leaves out 0: the difference is more than the parts' luck."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    def as_json(self) -> dict[str, Any]:
        """All figures; None for what is not defined."""
        return finite({**asdict(self), "difference": self.difference, "decides": self.decides})


def mcnemar(right_before: NDArray[np.bool_], right_after: NDArray[np.bool_]) -> McNemar:
    """Compare decisions photo by photo; both (n,): was the photo decided rightly?

    Each photo counts as a trial of its own: where a part has several, ``mcnemar_by_part`` is
    the one to believe. Raises ``ValueError`` if the lengths differ.
    """
    before, after = _both(right_before, right_after)
    return McNemar(len(before), int((~before & after).sum()), int((before & ~after).sum()))


def mcnemar_by_part(
    right_before: NDArray[np.bool_], right_after: NDArray[np.bool_], parts: Sequence[str]
) -> McNemar:
    """The same over parts, of which each counts once, by the sign of its change.

    A part became right if more of its photos are right than before, and wrong if fewer are. It
    is exact if, where nothing is gained, a part is as likely to win as to lose photos; of how
    many it knows nothing. Raises ``ValueError`` if the lengths differ.
    """
    before, after = _both(right_before, right_after)
    part, n_parts = _part_indices(parts, len(before))
    change = np.bincount(part, after.astype(np.float64) - before, n_parts)
    return McNemar(n_parts, int((change > 0).sum()), int((change < 0).sum()))


def paired_differences(
    before: Figures,
    after: Figures,
    parts: Sequence[str],
    *,
    draws: int = 2000,
    seed: int,
) -> dict[str, Difference]:
    """The difference of each figure, with a 95 % percentile interval over parts.

    ``before`` and ``after`` take weights of the photos, (k, n) float64, and give each figure
    as (k,), NaN where it is not defined: ``metrics.figures`` with all but its weights filled
    in. ``parts`` (n,) names the part of each photo; they are drawn with replacement, with all
    of their photos, and each draw weighs the photos of both. Draws in which a figure of either
    is not defined are left out.

    ``interval`` is None if those are more than 5 %, and where all draws agree on a difference
    (there is one part only, say): a bootstrap is blind there. All draws agreeing on none give
    (0, 0): no photo told the two apart, which is no proof that none would. Fewer than six
    changed parts, even all for the better, are no proof by ``mcnemar_by_part``; the interval
    can leave out 0 from four on.

    Raises ``ValueError`` without photos, or if the two don't give the same figures.
    """
    if not len(parts):
        raise ValueError("Expected one or more photos to compare, got none")
    once = np.ones((1, len(parts)))
    first, second = ({k: float(v[0]) for k, v in of(once).items()} for of in (before, after))
    if first.keys() != second.keys():
        raise ValueError(f"Expected the same figures, got {sorted(first)} and {sorted(second)}")
    rows: dict[str, list[Floats]] = {name: [] for name in first}
    for weights in draw_weights(parts, draws=draws, seed=seed):
        old, new = before(weights), after(weights)
        for name, drawn in rows.items():
            drawn.append(new[name] - old[name])
    return {
        name: Difference(first[name], second[name], _interval(np.concatenate(drawn)))
        for name, drawn in rows.items()
    }


def _both(
    before: NDArray[np.bool_], after: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if len(before) != len(after):
        raise ValueError(f"Expected the same photos, got {len(before)} and {len(after)}")
    return np.asarray(before, bool), np.asarray(after, bool)


def _part_indices(parts: Sequence[str], n: int) -> tuple[NDArray[np.int64], int]:
    """(n,) indices of the parts in the order of their names, and their number."""
    if not n or len(parts) != n:
        raise ValueError(f"Expected a part for each of one or more photos, got {len(parts)}, {n}")
    names, index = np.unique(np.asarray(parts), return_inverse=True)
    return index, len(names)


def _interval(values: Floats) -> Interval | None:
    interval = percentile_interval(values)
    if interval is None and (np.abs(values) < _ROUNDING).mean() >= _DEFINED:  # NaN is not less
        return 0.0, 0.0
    return interval
