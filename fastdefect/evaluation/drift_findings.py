"""Tests whether photos are like those that a model was measured on, without scipy for ``serve``.

Two quantities are compared with the baseline, the photos of validation: the distance to the
training photos and P(defect). Passed and rejected photos are compared apart, because a line has
another share of defects than a training set, and defects have other distances.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from fastdefect.aliases import Floats
from fastdefect.evaluation.statistics.ranks import (
    FEWEST,
    PERMUTATIONS,
    Clustered,
    RankTest,
    detectable_share,
    rank_test,
)
from fastdefect.files import finite
from fastdefect.inference.baseline import Sample

ALPHA = 0.01
Verdict = Literal["drift", "not shown", "too few parts"]
_MOST = 500  # parts on each side; more take time, and find little more
_SPARE = 2  # the smallest corrected p-value is alpha / _SPARE; more take time, and find little more


@dataclass(frozen=True)
class Quantity:
    """A quantity of photos that can drift: of those ``passed``, of the others, or (None) of all."""

    name: str
    title: str
    passed: bool | None
    value: Callable[[Sample], Floats]
    two_sided: bool

    def of(self, sample: Sample) -> Clustered:
        """The known values of the photos that it refers to."""
        values = self.value(sample)
        chosen = np.isfinite(values)
        if self.passed is not None:
            chosen = chosen & (sample.passed == self.passed)
        return Clustered(values[chosen], sample.parts[chosen])


_BY_SIDE = (
    Quantity("distance_passed", "distance, passed photos", True, lambda s: s.distance, False),
    Quantity("distance_rejected", "distance, rejected photos", False, lambda s: s.distance, False),
)
_TOGETHER = Quantity("distance", "distance, all photos", None, lambda s: s.distance, False)
_P_DEFECT = Quantity(
    "p_defect_passed", "P(defect), passed photos", True, lambda s: s.p_defect, True
)


def quantities(baseline: Sample) -> tuple[Quantity, ...]:
    """What is compared: passed and rejected photos apart if the baseline has parts of both."""
    apart = all(each.of(baseline).n_parts >= FEWEST for each in _BY_SIDE)
    return (*(_BY_SIDE if apart else (_TOGETHER,)), _P_DEFECT)


@dataclass(frozen=True)
class Finding:
    """A quantity of a day against the baseline.

    ``known`` and ``new`` are the medians of the photos, NaN without any. ``parts`` is the number
    of parts of the day that are compared. ``share`` is that of ``ranks.py``. ``p_value`` is
    corrected for all tests of the report. ``detectable``: the share that would be found in 80 % of
    cases. These three are None with too few parts.
    """

    name: str
    title: str
    known: float
    new: float
    parts: int
    share: float | None
    p_value: float | None
    detectable: float | None
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return finite(asdict(self))


@dataclass(frozen=True, eq=False)
class _Pair:
    """A quantity of a day and of the baseline."""

    quantity: Quantity
    new: Clustered
    known: Clustered

    @property
    def is_testable(self) -> bool:
        """Whether both sides have enough parts."""
        return min(self.new.n_parts, self.known.n_parts) >= FEWEST


def find_drift(
    baseline: Sample, samples: Sequence[Sample], *, alpha: float = ALPHA
) -> list[tuple[Finding, ...]]:
    """The findings on each of ``samples``; the chance of any false alarm is at most ``alpha``."""
    compared = quantities(baseline)
    pairs = [
        [
            _Pair(each, fewer_parts(each.of(sample)), fewer_parts(each.of(baseline)))
            for each in compared
        ]
        for sample in samples
    ]
    tested = [pair for of_sample in pairs for pair in of_sample if pair.is_testable]
    most = max(PERMUTATIONS, math.ceil(_SPARE * len(tested) / alpha))
    tests = [
        rank_test(each.new, each.known, two_sided=each.quantity.two_sided, permutations=most)
        for each in tested
    ]
    corrected = holm([test.p_value for test in tests])
    found = dict(zip(tested, zip(tests, corrected, strict=True), strict=True))
    level = (alpha, len(tested))
    return [
        tuple(_finding(pair, found.get(pair), level) for pair in of_sample) for of_sample in pairs
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm 1979), in their order."""
    order, n = np.argsort(p_values, kind="stable"), len(p_values)
    corrected, highest = [1.0] * n, 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (n - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def fewer_parts(clustered: Clustered, most: int = _MOST) -> Clustered:
    """``clustered``, or the photos of ``most`` of its parts, always the same."""
    names = np.unique(clustered.parts)
    if len(names) <= most:
        return clustered
    kept = np.random.default_rng(0).permutation(names)[:most]
    chosen = np.isin(clustered.parts, kept)
    return Clustered(clustered.values[chosen], clustered.parts[chosen])


def _finding(
    pair: _Pair, tested: tuple[RankTest, float] | None, level: tuple[float, int]
) -> Finding:
    """``tested``: the test and its corrected p-value; ``level``: alpha, and the number of tests."""
    quantity, new, known = pair.quantity, pair.new, pair.known
    medians = (_median(known.values), _median(new.values), new.n_parts)
    if tested is None:
        return Finding(quantity.name, quantity.title, *medians, None, None, None, "too few parts")
    (test, p_value), (alpha, n_tests) = tested, level
    one_sided = alpha / n_tests / (2 if quantity.two_sided else 1)
    return Finding(
        quantity.name,
        quantity.title,
        *medians,
        test.share,
        p_value,
        detectable_share(new.n_parts, known.n_parts, one_sided),
        "drift" if p_value <= alpha else "not shown",
    )


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def curve(clustered: Clustered) -> Mapping[str, Floats]:
    """The distribution of values with parts of equal weight: ``x`` rising, ``y`` the share."""
    names, part = np.unique(clustered.parts, return_inverse=True)
    weight = 1 / (np.bincount(part)[part] * len(names)) if len(names) else np.zeros(0)
    order = np.argsort(clustered.values, kind="stable")
    return {"x": clustered.values[order], "y": np.cumsum(weight[order])}
