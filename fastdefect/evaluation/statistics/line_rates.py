"""The rates of a line, from checks that were chosen at random among its decisions.

A line passes, rejects or sends each part to a person; of the parts that it passes or rejects, a
person also checks a random share. A stratum is a set of parts of which a part with an answer is
a simple random sample: parts with one decision and one share. Given their number, checks that
were chosen independently of each other are such a sample, so that a stratum counts with its
realised share (post-stratification; Cochran 1977, Sampling Techniques, 3rd ed., ch. 5A.9; Lohr
2022, Sampling: Design and Analysis, 3rd ed., ch. 4.4). A person's answer counts as the truth.

The rates are those of the parts of the period, each a total or a ratio of totals of defects. The
interval of a total in one stratum is exact for sampling without replacement: its limits are those
of beta-binomial distributions, Beta(x + 1, n - x) for the upper and Beta(x, n - x + 1) for the
lower one, of the parts without an answer (the hypergeometric counterpart of Clopper and Pearson
1934). Sums and ratios take draws of them, each in the direction that widens the interval, as
fiducial quantities (Krishnamoorthy and Lee 2010, "Inference for functions of parameters in
discrete distributions based on fiducial approach", J. Stat. Plan. Inference 140, 1182-1192; there
with Beta(x + 1/2, n - x + 1/2), which does not hold its level with few checks). ``docs/queue.md``
has the measured coverage.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from fastdefect.aliases import Floats, Interval
from fastdefect.evaluation.statistics.rates import parts_needed
from fastdefect.files import finite
from fastdefect.inference.decision_rule import DECISIONS, Verdict

DRAWS = 20_000

Side = Literal["low", "high"]  # of the limits

_OPPOSITE: Mapping[Side, Side] = {"low": "high", "high": "low"}
_TAIL = 0.025
_ONE_SIDED = 0.95


@dataclass(frozen=True)
class Stratum:
    """The parts with one decision and one random share.

    ``chosen`` of ``parts`` were to be seen by a person, ``answered`` of these were seen, and
    ``defects`` of these are defects.
    """

    decision: Verdict
    parts: int
    chosen: int
    answered: int
    defects: int

    def __post_init__(self) -> None:
        if not 0 <= self.defects <= self.answered <= self.chosen <= self.parts:
            raise ValueError(f"Expected defects <= answered <= chosen <= parts, got {self}")


@dataclass(frozen=True)
class Estimate:
    """A rate of the period.

    ``value`` is NaN if no answer says anything about it. ``interval`` holds at 95 %, ``at_most``
    on its own at 95 %. ``worst``: the upper end of the interval if each chosen part without an
    answer is the worst case for this rate.
    """

    value: float
    interval: Interval
    at_most: float
    worst: float


@dataclass(frozen=True)
class LineRates:
    """The counts and rates of a period.

    ``escape``: defects among the passed parts, of all defects. ``shipped_defects``: defects among
    the shipped parts, of all shipped parts. ``overkill``: good parts among the rejected ones, of
    all good parts. ``defects``: defects of all parts.

    Shipped are the passed parts and those of which a person said OK. The latter are no escapes.
    """

    strata: tuple[Stratum, ...]
    escape: Estimate
    shipped_defects: Estimate
    overkill: Estimate
    defects: Estimate

    @property
    def parts(self) -> int:
        """All parts."""
        return sum(each.parts for each in self.strata)

    @property
    def shipped(self) -> int:
        """The parts that the line passed, and those that a person passed."""
        return _shipped(self.strata)

    @property
    def seen(self) -> float:
        """The share of the parts that were to be seen by a person."""
        return sum(each.chosen for each in self.strata) / self.parts

    def of(self, decision: Verdict) -> Stratum:
        """The counts of all strata with a decision."""
        return _total(decision, self.strata)

    def as_json(self) -> dict[str, Any]:
        """The counts by decision, and the rates as shares."""
        values = {
            "parts": self.parts,
            "shipped": self.shipped,
            "seen": self.seen,
            "decisions": {name: _counts(self.of(name)) for name in DECISIONS},
            "escape_rate": dict(vars(self.escape)),
            "shipped_defects": dict(vars(self.shipped_defects)),
            "overkill_rate": dict(vars(self.overkill)),
            "defect_share": dict(vars(self.defects)),
        }
        found: dict[str, Any] = finite(values)
        return found


def line_rates(strata: Sequence[Stratum], *, draws: int | None = None, seed: int = 0) -> LineRates:
    """Estimate the rates of a line, by default with ``DRAWS`` draws.

    Equal inputs give equal results. Raises ``ValueError`` without parts.
    """
    if not sum(each.parts for each in strata):
        raise ValueError("Expected parts, got none")
    bounds = _Bounds(draws or DRAWS, seed)
    goods = [_mirrored(each) for each in strata]
    passed = [each for each in strata if each.decision == "OK"]
    return LineRates(
        strata=tuple(strata),
        escape=_share_of_hits(strata, "OK", bounds),
        shipped_defects=_share_of_parts(passed, _shipped(strata), bounds),
        overkill=_share_of_hits(goods, "reject", bounds),
        defects=_share_of_parts(strata, sum(each.parts for each in strata), bounds),
    )


@dataclass(frozen=True)
class Plan:
    """How many ``checks`` more of passed parts, all of them good, show less than ``target``.

    ``target`` is a share of the shipped parts, shown at 95 %. At the present share of checks,
    so many checks need ``passed`` passed parts. 0 checks: it is shown already.
    """

    target: float
    checks: int
    passed: int

    def as_json(self) -> dict[str, Any]:
        """The values as they are."""
        return dict(vars(self))


def plan_checks(rates: LineRates, target: float | None = None) -> Plan | None:
    """The checks that ``target`` needs, or half of the present limit.

    None without any check, and if nothing is unknown: all passed parts were checked and are good.

    It is for a period to come with as many defects among the passed parts as were found, and
    regards the checks as one sample from very many parts.
    """
    passed = rates.of("OK")
    if not passed.answered:
        return None
    if target is None:
        target = float(f"{rates.shipped_defects.at_most / 2:.2g}")
    if not target:
        return None
    # Of the shipped parts, those that a person passed are good.
    of_passed = target * rates.shipped / passed.parts
    if of_passed >= 1:
        return Plan(target, 0, 0)
    more = max(0, parts_needed(of_passed, _ONE_SIDED, passed.defects) - passed.answered)
    return Plan(target, more, math.ceil(more * passed.parts / passed.answered))


class _Bounds:
    """Draws of the hits of strata, beyond which the truth is at most as often as stated."""

    def __init__(self, draws: int, seed: int) -> None:
        self._draws = draws
        self._rng = np.random.default_rng(seed)

    def hits(self, strata: Sequence[Stratum], side: Side) -> Floats:
        """(draws,) hits of all ``strata`` together; "low" gives low limits, "high" high ones."""
        return sum((self._of_one(each, side) for each in strata), np.zeros(self._draws))

    def _of_one(self, stratum: Stratum, side: Side) -> Floats:
        hits, misses = stratum.defects, stratum.answered - stratum.defects
        rest = stratum.parts - stratum.answered
        if not rest:
            return np.full(self._draws, float(hits))
        a, b = (hits + 1, misses) if side == "high" else (hits, misses + 1)
        if a and b:
            share = self._rng.beta(a, b, self._draws)
        else:
            share = np.full(self._draws, 0.0 if b else 1.0)
        return hits + self._rng.binomial(rest, share).astype(np.float64)


def _share_of_hits(strata: Sequence[Stratum], decision: Verdict, bounds: _Bounds) -> Estimate:
    """The hits (``Stratum.defects``) with this decision, of all hits."""

    def share(strata: Sequence[Stratum], side: Side) -> Floats:
        one = [each for each in strata if each.decision == decision]
        others = [each for each in strata if each.decision != decision]
        hits, rest = bounds.hits(one, side), bounds.hits(others, _OPPOSITE[side])
        total = hits + rest
        none = np.full(len(total), float(side == "high"))
        return np.divide(hits, total, out=none, where=total > 0)

    hits = _expected([each for each in strata if each.decision == decision])
    total = hits + _expected([each for each in strata if each.decision != decision])
    value = hits / total if total else math.nan
    worst = [_answered_all(each, as_hit=each.decision == decision) for each in strata]
    return _estimate(value, share, strata, worst)


def _share_of_parts(strata: Sequence[Stratum], parts: int, bounds: _Bounds) -> Estimate:
    """The hits of ``strata``, of so many ``parts``."""
    if not parts:
        return Estimate(math.nan, (0.0, 1.0), 1.0, 1.0)

    def share(strata: Sequence[Stratum], side: Side) -> Floats:
        return np.asarray(bounds.hits(strata, side) / parts)

    worst = [_answered_all(each, as_hit=True) for each in strata]
    return _estimate(_expected(strata) / parts, share, strata, worst)


def _estimate(
    value: float,
    share: Callable[[Sequence[Stratum], Side], Floats],
    strata: Sequence[Stratum],
    worst: Sequence[Stratum],
) -> Estimate:
    low, high = share(strata, "low"), share(strata, "high")
    interval = (_quantile(low, _TAIL), _quantile(high, 1 - _TAIL))
    all_answered = list(worst) == list(strata)
    return Estimate(
        value,
        interval,
        at_most=_quantile(high, _ONE_SIDED),
        worst=interval[1] if all_answered else _quantile(share(worst, "high"), 1 - _TAIL),
    )


def _quantile(values: Floats, level: float) -> float:
    # Counts are discrete: of two neighbours, take the one further away.
    return float(np.quantile(values, level, method="lower" if level < 0.5 else "higher"))


def _expected(strata: Sequence[Stratum]) -> float:
    """The estimate of the hits. A stratum without answers has the rate of those with its decision.

    NaN if there are none of them.
    """
    hits = 0.0
    for each in strata:
        from_these = each if each.answered else _total(each.decision, strata)
        if from_these.answered:
            hits += each.parts * from_these.defects / from_these.answered
        elif each.parts:
            return math.nan
    return hits


def _total(decision: Verdict, strata: Sequence[Stratum]) -> Stratum:
    same = [each for each in strata if each.decision == decision]
    return Stratum(
        decision,
        parts=sum(each.parts for each in same),
        chosen=sum(each.chosen for each in same),
        answered=sum(each.answered for each in same),
        defects=sum(each.defects for each in same),
    )


def _shipped(strata: Sequence[Stratum]) -> int:
    look = _total("look", strata)
    return _total("OK", strata).parts + look.answered - look.defects


def _mirrored(stratum: Stratum) -> Stratum:
    """Good parts as the hits."""
    return replace(stratum, defects=stratum.answered - stratum.defects)


def _answered_all(stratum: Stratum, *, as_hit: bool) -> Stratum:
    """The chosen parts without an answer as hits, or as none."""
    hits = stratum.defects + (stratum.chosen - stratum.answered if as_hit else 0)
    return replace(stratum, answered=stratum.chosen, defects=hits)


def _counts(stratum: Stratum) -> dict[str, int]:
    counts = dict(vars(stratum))
    del counts["decision"]
    return counts
