"""Paired tests: whether two models, or two ways to use one, differ on the same photos.

Photos that both get right, or both get wrong, do not count for the difference, so pairing removes
their variation. Counts of changed decisions get an exact test (McNemar 1947, in the exact form of a
sign test), by photo and by part. Any other metric gets an interval for its difference from draws of
whole parts, with the same draws for both (Davison and Hinkley 1997, section 3.8).
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

_DEFINED = 0.95  # the share of draws with a defined value, as for ``percentile_interval``
_ROUNDING = 1e-12  # draws closer than this count as equal


@dataclass(frozen=True)
class McNemar:
    """Of ``n`` photos or parts, the numbers that became right and that became wrong."""

    n: int
    became_right: int
    became_wrong: int

    @property
    def p_value(self) -> float:
        """The probability that chance alone splits the changes as unevenly, or more so.

        It is the exact two-sided binomial test of one half; 1 without changes.
        """
        changed = self.became_right + self.became_wrong
        return float(binomtest(self.became_right, changed).pvalue) if changed else 1.0

    def as_json(self) -> dict[str, Any]:
        """Counts and p-value."""
        return {**asdict(self), "p_value": self.p_value}


@dataclass(frozen=True)
class Difference:
    """A metric ``before`` and ``after``; NaN if it is not defined.

    ``interval`` is the 95 % interval of ``after`` - ``before``, or None if there is none.
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
        """Whether the interval excludes 0: the difference exceeds the variation between parts."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    def as_json(self) -> dict[str, Any]:
        """All values; None for what is not defined."""
        return finite({**asdict(self), "difference": self.difference, "decides": self.decides})


def mcnemar(right_before: NDArray[np.bool_], right_after: NDArray[np.bool_]) -> McNemar:
    """Compare decisions photo by photo; both (n,) state whether the decision is right.

    Each photo counts as one trial. If parts have several photos, use ``mcnemar_by_part`` instead.
    Raises ``ValueError`` if the lengths differ.
    """
    before, after = _both(right_before, right_after)
    return McNemar(len(before), int((~before & after).sum()), int((before & ~after).sum()))


def mcnemar_by_part(
    right_before: NDArray[np.bool_], right_after: NDArray[np.bool_], parts: Sequence[str]
) -> McNemar:
    """Compare decisions by part: each part counts once, by the sign of its change.

    A part became right if more of its photos are right than before, and wrong if fewer are. The
    test is exact if, without a real difference, a part is as likely to gain right photos as to lose
    them. The number of photos gained or lost does not count. Raises ``ValueError`` if the lengths
    differ.
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
    """The difference of each metric, with a 95 % percentile interval over parts.

    ``before`` and ``after`` map weights of the photos, (k, n) float64, to the values of each
    metric, (k,), NaN if not defined: ``metrics.measure`` with everything but the weights filled in.
    ``parts`` (n,) names the part of each photo. Parts are drawn with replacement, with all their
    photos, and each draw weights the photos of both. Draws without a value for either are excluded.

    ``interval`` is None if more than 5 % of the draws are excluded. It is also None if all draws
    agree on a difference other than 0 (with a single part, for example), because a bootstrap then
    gives no information. If all draws agree on 0, it is (0, 0): no photo separates the two, but
    that is no proof that none would. Fewer than six changed parts, even if all improve, are no
    evidence by ``mcnemar_by_part``; the interval can exclude 0 with four or more.

    Raises ``ValueError`` without photos, or if the two do not give the same metrics.
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
    """(n,) indices of the parts in the order of their names, and the number of parts."""
    if not n or len(parts) != n:
        raise ValueError(f"Expected a part for each of one or more photos, got {len(parts)}, {n}")
    names, index = np.unique(np.asarray(parts), return_inverse=True)
    return index, len(names)


def _interval(values: Floats) -> Interval | None:
    interval = percentile_interval(values)
    if interval is None and (np.abs(values) < _ROUNDING).mean() >= _DEFINED:  # NaN is not less
        return 0.0, 0.0
    return interval
