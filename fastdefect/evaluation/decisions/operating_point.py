"""The choice of a threshold on the given photos.

A photo is rejected if and only if its score, the probability of a defect, is at or above the
threshold. The chosen threshold is the best on these photos, so its results are too optimistic for
others: a limit that just holds here is exceeded on about half of all new sets of parts. For a limit
that holds on unseen parts see ``guarantees``.
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
_TIE = 1e-12  # relative tolerance for equal costs


@dataclass(frozen=True)
class Tally:
    """The wrong decisions on some photos; at least one photo is defective and one is good.

    ``escapes`` of the ``n_defective`` photos are passed, ``overkills`` of the ``n_good`` photos are
    rejected.
    """

    escapes: int
    n_defective: int
    overkills: int
    n_good: int

    @property
    def escape_rate(self) -> float:
        """The share of the defective photos that are passed."""
        return self.escapes / self.n_defective

    @property
    def overkill_rate(self) -> float:
        """The share of the good photos that are rejected."""
        return self.overkills / self.n_good

    @property
    def f1(self) -> float:
        """The F1 of the defective class; 0 if no defect is rejected."""
        found = self.n_defective - self.escapes
        return 2 * found / (found + self.n_defective + self.overkills)

    def as_json(self) -> dict[str, Any]:
        """Counts and rates."""
        rates = {name: getattr(self, name) for name in ("escape_rate", "overkill_rate", "f1")}
        return {**asdict(self), **rates}


@dataclass(frozen=True, eq=False)
class Sweep:
    """All ways in which a threshold can divide the photos, from all rejected to none.

    ``thresholds`` (k + 1,) for k distinct scores, ascending: ``ALL_REJECTED``, the midpoints
    between neighbouring scores, ``NONE_REJECTED``. None of them equals a score (unless two scores
    are neighbouring numbers), so rounding does not change a decision. The thresholds between
    ``edges[j]`` and ``edges[j + 1]`` decide as ``thresholds[j]`` does. From one threshold to the
    next, ``escapes`` never decrease and ``overkills`` never increase.
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
        """The ``allowed`` threshold with the least overkill, then the fewest escapes: its index."""
        least = self.overkills[allowed].min()
        return int(np.flatnonzero(allowed & (self.overkills == least))[0])

    def fewest_escapes(self, allowed: Mask) -> int:
        """The ``allowed`` threshold with the fewest escapes, then the least overkill: its index."""
        least = self.escapes[allowed].min()
        return int(np.flatnonzero(allowed & (self.escapes == least))[-1])

    def middle_of_widest(self, best: Mask) -> int:
        """The threshold in the middle of the widest continuous range of ``best`` thresholds.

        There a small drift of the scores has the least effect. Of equally wide ranges the first is
        used.
        """
        steps = np.diff(best.astype(np.int8), prepend=0, append=0)
        starts, stops = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
        run = int((self.edges[stops] - self.edges[starts]).argmax())
        middle = (self.edges[starts[run]] + self.edges[stops[run]]) / 2
        holding = int(np.searchsorted(self.edges, middle)) - 1
        return min(max(holding, int(starts[run])), int(stops[run]) - 1)


@dataclass(frozen=True, eq=False)
class ScoredPhotos:
    """Photos with their truth and the scores of a model.

    ``defective`` (n,) bool; ``score`` (n,) float64 in [0, 1], 1 - P(good); ``parts`` (n,), the part
    in each photo. Raises ``ValueError`` for other shapes, types or ranges, and ``DataError`` if no
    photo is defective or none is good.
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
        if not ((score >= 0) & (score <= 1)).all():  # refuses NaN as well
            raise ValueError("Expected scores in [0, 1], got others or NaN")
        for kind, count in (("defective", defective.sum()), ("good", (~defective).sum())):
            if not count:
                raise DataError(
                    f"A threshold needs defective and good photos, but none of the "
                    f"{len(defective)} photos is {kind}.",
                    f"Choose it on a split that also has {kind} parts."
                    + (" With --max-overkill alone, good parts are enough." * (kind != "good")),
                )

    @cached_property
    def sweep(self) -> Sweep:
        """The effects of all possible thresholds on these photos."""
        scores = np.unique(self.score)
        between = scores[:-1] + np.diff(scores) / 2
        # The midpoint of neighbouring numbers rounds to one of them; only the upper divides them.
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
        """The effect of any ``threshold`` on these photos."""
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
    """The costs of wrong decisions, in any currency, and the share of defective parts on the line.

    ``defect_rate`` is that of the line itself, because collected photos usually have far more
    defects. Raises ``ValueError`` unless the costs are finite, not negative and not both 0, and the
    rate is in [0, 1].
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
        """The expected cost of wrong decisions per inspected part, in the shape of the rates."""
        missed = self.defect_rate * self.escape * escape_rate
        return missed + (1 - self.defect_rate) * self.overkill * overkill_rate


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, the rule and settings that chose it, and its effect on those photos.

    ``settings`` holds the values of the rule: the costs, or ``limit``, and ``confidence`` for a
    guaranteed limit.
    """

    threshold: float
    rule: Rule
    tally: Tally
    settings: Mapping[str, float] = field(default_factory=dict)

    def rejects(self, score: Floats) -> Mask:
        """Which photos with these scores are rejected."""
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
    """The highest F1 of the defect; of equal ones the widest range of thresholds.

    F1 depends on the share of defects among the photos, which usually differs from that of the
    line.
    """
    sweep = photos.sweep
    found = sweep.n_defective - sweep.escapes
    f1 = 2 * found / (found + sweep.n_defective + sweep.overkills)
    return point_at(photos, sweep.middle_of_widest(f1 == f1.max()), "f1", {})


def choose_by_cost(photos: ScoredPhotos, costs: Costs) -> OperatingPoint:
    """The least expected cost per inspected part at the line's own defect rate.

    If several thresholds have the same cost, the middle of their widest range is used.
    """
    cost = cost_curve(photos, costs).cost
    best = cost <= cost.min() * (1 + _TIE)
    return point_at(photos, photos.sweep.middle_of_widest(best), "cost", asdict(costs))


def choose_by_max_escape(photos: ScoredPhotos, limit: float) -> OperatingPoint:
    """The least overkill with an escape rate of at most ``limit`` on these photos.

    Of thresholds that reject the same good photos, the one with the fewest escapes is used. A
    solution always exists, if only ``ALL_REJECTED``. Raises ``ValueError`` unless 0 <= ``limit`` <=
    1.
    """
    check_share("limit", limit)
    index = photos.sweep.least_overkill(photos.sweep.escape_rate <= limit)
    return point_at(photos, index, "max-escape", {"limit": limit})


def choose_by_max_overkill(photos: ScoredPhotos, limit: float) -> OperatingPoint:
    """The fewest escapes with an overkill rate of at most ``limit`` on these photos.

    Of thresholds that pass the same defects, the one with the least overkill is used. A solution
    always exists, if only ``NONE_REJECTED``. Raises ``ValueError`` unless 0 <= ``limit`` <= 1.
    """
    check_share("limit", limit)
    index = photos.sweep.fewest_escapes(photos.sweep.overkill_rate <= limit)
    return point_at(photos, index, "max-overkill", {"limit": limit})


def cost_curve(photos: ScoredPhotos, costs: Costs) -> CostCurve:
    """The cost at every threshold of the sweep, for a plot."""
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
    """Raise ``ValueError`` unless 0 <= ``value`` <= 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"Expected {name} in [0, 1], got {value}")
