"""Where to put the threshold, judged by the photos at hand.

A photo is rejected if and only if its score, the probability of a defect, is at or above the
threshold. What is chosen here is the best on the photos it is chosen on, and so flatters itself
on others: a limit that just holds here is broken on about half of all new sets of parts. For a
limit that holds on unseen parts see ``guarantees``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.errors import DataError

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Rule = Literal["f1", "cost", "max-escape", "max-overkill"]

ALL_REJECTED = 0.0
NONE_REJECTED = float(np.nextafter(1.0, 2.0))
_TIE = 1e-12  # of a cost, relative: sums of the same figures in another order


@dataclass(frozen=True)
class Tally:
    """The wrong decisions on some photos, at least one of them defective and one good.

    ``escapes`` of the ``n_defective`` photos were passed, ``overkills`` of the ``n_good``
    rejected.
    """

    escapes: int
    n_defective: int
    overkills: int
    n_good: int

    @property
    def escape_rate(self) -> float:
        """Share of the defective photos that were passed."""
        return self.escapes / self.n_defective

    @property
    def overkill_rate(self) -> float:
        """Share of the good photos that were rejected."""
        return self.overkills / self.n_good

    @property
    def f1(self) -> float:
        """F1 of "is it defective?"; 0 where no defect is rejected."""
        found = self.n_defective - self.escapes
        return 2 * found / (found + self.n_defective + self.overkills)

    def as_json(self) -> dict[str, Any]:
        """Counts and rates."""
        rates = {name: getattr(self, name) for name in ("escape_rate", "overkill_rate", "f1")}
        return {**asdict(self), **rates}


@dataclass(frozen=True, eq=False)
class Sweep:
    """Every way in which a threshold can divide some photos, from all rejected to none.

    ``thresholds`` (k + 1,) for k distinct scores, ascending: ``ALL_REJECTED``, the midpoints
    between neighbouring scores, ``NONE_REJECTED``. None lies on a score (unless two scores are
    neighbouring numbers), so that rounding flips no decision. The thresholds between
    ``edges[j]`` and ``edges[j + 1]`` decide as ``thresholds[j]`` does. ``escapes`` never fall
    and ``overkills`` never rise from one threshold to the next.
    """

    thresholds: Floats
    edges: Floats
    escapes: Ints
    overkills: Ints
    n_defective: int
    n_good: int

    @property
    def escape_rate(self) -> Floats:
        """(k + 1,) shares of the defective photos."""
        return self.escapes / self.n_defective

    @property
    def overkill_rate(self) -> Floats:
        """(k + 1,) shares of the good photos."""
        return self.overkills / self.n_good

    def least_overkill(self, allowed: Mask) -> int:
        """Of the ``allowed`` thresholds, at least one: least overkill, then fewest escapes."""
        least = self.overkills[allowed].min()
        return int(np.flatnonzero(allowed & (self.overkills == least))[0])

    def fewest_escapes(self, allowed: Mask) -> int:
        """Of the ``allowed`` thresholds, at least one: fewest escapes, then least overkill."""
        least = self.escapes[allowed].min()
        return int(np.flatnonzero(allowed & (self.escapes == least))[-1])

    def middle_of_widest(self, best: Mask) -> int:
        """Of the ``best`` thresholds, that in the middle of the widest unbroken stretch.

        There a small drift of the scores costs least. The first of stretches as wide.
        """
        steps = np.diff(best.astype(np.int8), prepend=0, append=0)
        starts, stops = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
        run = int((self.edges[stops] - self.edges[starts]).argmax())
        middle = (self.edges[starts[run]] + self.edges[stops[run]]) / 2
        holding = int(np.searchsorted(self.edges, middle)) - 1
        return min(max(holding, int(starts[run])), int(stops[run]) - 1)


@dataclass(frozen=True, eq=False)
class ScoredPhotos:
    """Photos whose truth is known, with what the model says of them.

    ``defective`` (n,) bool; ``score`` (n,) float64 in [0, 1], 1 - P(good); ``parts`` (n,), the
    part that each photo shows. Raises ``ValueError`` for other shapes, types or ranges, and
    ``DataError`` where no photo is defective or none is good.
    """

    defective: Mask
    score: Floats
    parts: Sequence[str]

    def __post_init__(self) -> None:
        defective, score = np.asarray(self.defective), np.asarray(self.score)
        if defective.dtype != np.bool_ or defective.ndim != 1:
            raise ValueError(
                f"Expected defective to be (n,) bool, got {defective.shape} {defective.dtype}"
            )
        if score.shape != defective.shape or len(self.parts) != len(defective):
            raise ValueError(
                f"Expected a score and a part for each of {len(defective)} photos, "
                f"got scores of shape {score.shape} and {len(self.parts)} parts"
            )
        if not ((score >= 0) & (score <= 1)).all():  # NaN is neither
            raise ValueError("Expected scores in [0, 1], got others or NaN")
        for kind, count in (("defective", defective.sum()), ("good", (~defective).sum())):
            if not count:
                raise DataError(
                    f"A threshold needs defective and good photos, but none of these "
                    f"{len(defective)} photos is {kind}.",
                    f"Choose it on a split that holds {kind} parts too.",
                )

    @cached_property
    def sweep(self) -> Sweep:
        """All that a threshold can do to these photos."""
        scores = np.unique(self.score)
        between = scores[:-1] + np.diff(scores) / 2
        # Halfway between neighbouring numbers rounds to either; the upper divides them.
        between = np.where(between > scores[:-1], between, scores[1:])
        thresholds = np.concatenate([[ALL_REJECTED], between, [NONE_REJECTED]])
        of_defective = np.sort(self.score[self.defective])
        of_good = np.sort(self.score[~self.defective])
        return Sweep(
            thresholds,
            np.concatenate([[0.0], scores, [1.0]]),
            np.searchsorted(of_defective, thresholds).astype(np.int64),
            len(of_good) - np.searchsorted(of_good, thresholds).astype(np.int64),
            len(of_defective),
            len(of_good),
        )

    def tally(self, threshold: float) -> Tally:
        """What ``threshold`` does to these photos, whatever it was chosen on."""
        rejected = self.score >= threshold
        n_defective = int(self.defective.sum())
        return Tally(
            escapes=int((self.defective & ~rejected).sum()),
            n_defective=n_defective,
            overkills=int((~self.defective & rejected).sum()),
            n_good=len(self.defective) - n_defective,
        )


@dataclass(frozen=True)
class Costs:
    """What a wrong decision costs, in any currency, and how rare defects are on the line.

    ``defect_rate`` is the share of defective parts on the line itself: photos are mostly
    collected with far more defects than that. Raises ``ValueError`` unless the costs are
    finite, not negative and not both 0, and the rate is in [0, 1].
    """

    escape: float
    overkill: float
    defect_rate: float

    def __post_init__(self) -> None:
        both = (self.escape, self.overkill)
        if not all(0 <= cost < float("inf") for cost in both) or not any(both):
            raise ValueError(f"Expected costs from 0 up, one above 0, got {both}")
        check_share("defect_rate", self.defect_rate)

    def per_part(self, escape_rate: Floats, overkill_rate: Floats) -> Floats:
        """Expected cost of wrong decisions per inspected part, in the shape of the rates."""
        missed = self.defect_rate * self.escape * escape_rate
        return missed + (1 - self.defect_rate) * self.overkill * overkill_rate


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, the rule and settings that chose it, and what it does to those photos.

    ``settings`` holds the rule's own figures: the costs, or ``limit``, and ``confidence``
    where the limit was guaranteed.
    """

    threshold: float
    rule: Rule
    tally: Tally
    settings: Mapping[str, float] = field(default_factory=dict)

    def rejects(self, score: Floats) -> Mask:
        """Which photos of these scores are rejected."""
        return score >= self.threshold

    def as_json(self) -> dict[str, Any]:
        """Threshold, rule and settings, and the tally on the photos it was chosen on."""
        return {
            "threshold": self.threshold,
            "rule": self.rule,
            "settings": dict(self.settings),
            "tally": self.tally.as_json(),
        }


@dataclass(frozen=True, eq=False)
class CostCurve:
    """``escape_rate``, ``overkill_rate`` and ``cost`` per inspected part at each threshold.

    All (k + 1,) float64, in the order of the ascending ``thresholds`` of a ``Sweep``.
    """

    thresholds: Floats
    escape_rate: Floats
    overkill_rate: Floats
    cost: Floats

    def as_json(self) -> dict[str, list[float]]:
        """The arrays as lists."""
        return {name: values.tolist() for name, values in vars(self).items()}


def choose_by_f1(photos: ScoredPhotos) -> OperatingPoint:
    """The highest F1 of the defect; the widest stretch of thresholds where several have it.

    F1 hangs on the share of defects among the photos, which is seldom the line's.
    """
    sweep = photos.sweep
    found = sweep.n_defective - sweep.escapes
    f1 = 2 * found / (found + sweep.n_defective + sweep.overkills)
    return point_at(photos, sweep.middle_of_widest(f1 == f1.max()), "f1", {})


def choose_by_cost(photos: ScoredPhotos, costs: Costs) -> OperatingPoint:
    """The least expected cost per inspected part at the line's own defect rate.

    Where several thresholds cost the same, the middle of the widest stretch of them.
    """
    cost = cost_curve(photos, costs).cost
    best = cost <= cost.min() * (1 + _TIE)
    return point_at(photos, photos.sweep.middle_of_widest(best), "cost", asdict(costs))


def choose_by_max_escape(photos: ScoredPhotos, limit: float) -> OperatingPoint:
    """The least overkill with an escape rate of at most ``limit`` on these photos.

    Of thresholds that reject the same good photos, that with the fewest escapes. There always
    is one, if only ``ALL_REJECTED``. Raises ``ValueError`` unless 0 <= ``limit`` <= 1.
    """
    check_share("limit", limit)
    index = photos.sweep.least_overkill(photos.sweep.escape_rate <= limit)
    return point_at(photos, index, "max-escape", {"limit": limit})


def choose_by_max_overkill(photos: ScoredPhotos, limit: float) -> OperatingPoint:
    """The fewest escapes with an overkill rate of at most ``limit`` on these photos.

    Of thresholds that pass the same defects, that with the least overkill. There always is
    one, if only ``NONE_REJECTED``. Raises ``ValueError`` unless 0 <= ``limit`` <= 1.
    """
    check_share("limit", limit)
    index = photos.sweep.fewest_escapes(photos.sweep.overkill_rate <= limit)
    return point_at(photos, index, "max-overkill", {"limit": limit})


def cost_curve(photos: ScoredPhotos, costs: Costs) -> CostCurve:
    """The cost at every threshold that divides the photos otherwise, for a plot."""
    sweep = photos.sweep
    escape, overkill = sweep.escape_rate, sweep.overkill_rate
    return CostCurve(sweep.thresholds, escape, overkill, costs.per_part(escape, overkill))


def point_at(
    photos: ScoredPhotos, index: int, rule: Rule, settings: Mapping[str, float]
) -> OperatingPoint:
    """The operating point at the threshold ``index`` of the sweep over ``photos``."""
    threshold = float(photos.sweep.thresholds[index])
    return OperatingPoint(threshold, rule, photos.tally(threshold), settings)


def check_share(name: str, value: float) -> None:
    """Raises ``ValueError`` unless 0 <= ``value`` <= 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"Expected {name} in [0, 1], got {value}")
