"""Rates of a line: exact in one stratum, and covering the truth of simulated lines."""

import json
import math
from typing import Any

import numpy as np
import pytest
from helpers.benchmarks import load
from helpers.line_rates import ok, rates_of
from scipy.stats import hypergeom

from fastdefect.evaluation.statistics.line_rates import (
    LineRates,
    Stratum,
    plan_checks,
)
from fastdefect.evaluation.statistics.rates import upper_bound


def look(parts: int, defects: int, waiting: int = 0) -> Stratum:
    return Stratum("look", parts, parts, parts - waiting, defects)


def reject(parts: int, checks: int, defects: int, unanswered: int = 0) -> Stratum:
    return Stratum("reject", parts, checks + unanswered, checks, defects)


# ---- one stratum ------------------------------------------------------------------------


@pytest.mark.parametrize(("parts", "checks", "found"), [(1000, 20, 0), (400, 100, 3), (50, 49, 1)])
def test_the_interval_of_passed_parts_is_the_exact_one(parts: int, checks: int, found: int) -> None:
    low, high = rates_of(ok(parts, checks, found), draws=20_000).shipped_defects.interval
    defects = np.arange(found, parts - checks + found + 1)
    possible_high = defects[hypergeom.cdf(found, parts, defects, checks) > 0.025]
    possible_low = defects[hypergeom.sf(found - 1, parts, defects, checks) > 0.025]
    assert high * parts == pytest.approx(possible_high.max(), rel=0.04)
    assert low * parts == pytest.approx(possible_low.min(), rel=0.04)


def test_a_rate_is_weighted_by_the_parts_of_a_stratum() -> None:
    # 1 of 10 checks of 1000 parts, 0 of 100 checks of 1000 parts: 100 defects of 2000 parts,
    # and not 1 of 110.
    rates = rates_of(ok(1000, 10, 1), ok(1000, 100))
    assert rates.shipped_defects.value == pytest.approx(0.05)


def test_a_stratum_without_checks_has_the_rate_of_its_decision() -> None:
    rates = rates_of(ok(1000, 100, 1), ok(500, 0))
    assert rates.shipped_defects.value == pytest.approx(0.01)
    # Each of its parts may be a defect.
    assert rates.shipped_defects.interval[1] > 500 / 1500


# ---- the definitions --------------------------------------------------------------------


def test_rates_by_hand() -> None:
    rates = rates_of(ok(1000, 100, 2), look(50, 30), reject(40, 10, 5))
    # Defects: 1000 * 2/100 = 20 passed, 30 of look, 40 * 5/10 = 20 rejected.
    assert rates.escape.value == pytest.approx(20 / 70)
    assert rates.shipped == 1000 + 20
    assert rates.shipped_defects.value == pytest.approx(20 / 1020)
    # Good: 980 passed, 20 of look, 20 rejected.
    assert rates.overkill.value == pytest.approx(20 / 1020)
    assert rates.defects.value == pytest.approx(70 / 1090)
    assert rates.seen == pytest.approx(160 / 1090)


def test_a_look_that_a_person_passed_is_shipped_and_no_escape() -> None:
    rates = rates_of(ok(100, 100), look(50, 20))
    assert rates.shipped == 130
    assert rates.escape.value == 0
    assert rates.escape.interval == (0, 0)  # each part was seen


def test_a_waiting_look_is_not_shipped() -> None:
    assert rates_of(ok(100, 10), look(50, 20, waiting=10)).shipped == 120


def test_without_checks_of_passed_parts_nothing_is_known_about_escapes() -> None:
    rates = rates_of(ok(1000, 0), look(50, 20), reject(10, 2, 2))
    assert math.isnan(rates.escape.value)
    assert rates.escape.interval[0] == 0
    assert rates.escape.interval[1] > 0.9
    assert math.isnan(rates.shipped_defects.value)


def test_without_any_defect_there_is_no_escape_rate() -> None:
    escape = rates_of(ok(1000, 100), look(10, 0)).escape
    assert math.isnan(escape.value)
    assert escape.interval == (0, 1)


def test_without_shipped_parts_nothing_is_known_about_them() -> None:
    rates = rates_of(reject(10, 5, 5))
    assert rates.shipped_defects.interval == (0, 1)
    assert math.isnan(rates.shipped_defects.value)


def test_without_parts_there_are_no_rates() -> None:
    with pytest.raises(ValueError, match="Expected parts"):
        rates_of()


def test_a_stratum_has_no_more_answers_than_chosen_parts() -> None:
    with pytest.raises(ValueError, match="defects <= answered <= chosen"):
        Stratum("OK", 10, 2, 3, 0)


def test_the_worst_case_counts_missing_answers_as_escapes() -> None:
    full = rates_of(ok(1000, 100), reject(50, 20, 20))
    gaps = rates_of(ok(1000, 90, unanswered=10), reject(50, 20, 20), draws=10_000)
    missed = rates_of(ok(1000, 100, 10), reject(50, 20, 20), draws=10_000)
    assert full.escape.worst == full.escape.interval[1]
    assert gaps.shipped_defects.worst == pytest.approx(missed.shipped_defects.interval[1], rel=0.03)
    assert gaps.escape.worst == pytest.approx(missed.escape.interval[1], rel=0.03)


def test_equal_inputs_give_equal_results_and_json_has_no_nan() -> None:
    first, second = (rates_of(ok(1000, 0), reject(40, 10, 5)).as_json() for _ in range(2))
    assert first == second
    assert first["escape_rate"]["value"] is None
    json.dumps(first, allow_nan=False)


# ---- planning ---------------------------------------------------------------------------


def test_as_many_checks_as_planned_show_the_target() -> None:
    rates = rates_of(ok(10_000, 200))
    plan = plan_checks(rates, 0.005)
    assert plan is not None
    assert upper_bound(0, 200 + plan.checks) <= 0.005 < upper_bound(0, 199 + plan.checks)
    assert plan.passed == 50 * plan.checks


def test_found_escapes_need_more_checks() -> None:
    none = plan_checks(rates_of(ok(10_000, 200)), 0.005)
    one = plan_checks(rates_of(ok(10_000, 200, 1)), 0.005)
    assert none is not None
    assert one is not None
    assert one.checks > none.checks


def test_a_target_that_is_reached_needs_no_checks() -> None:
    plan = plan_checks(rates_of(ok(10_000, 200)), 0.1)
    assert plan is not None
    assert plan.checks == 0


def test_there_is_no_plan_without_a_check() -> None:
    assert plan_checks(rates_of(ok(10_000, 0))) is None
    assert plan_checks(rates_of(ok(100, 100))) is None  # all is known


# ---- coverage ---------------------------------------------------------------------------


RATES = ("escape", "shipped_defects", "overkill", "defects")
simulated = load("line_rates")


def covered(line: Any, repeats: int, *, share: float = 0.02, periods: int = 1) -> dict[str, float]:
    """How often the intervals of the rates contain those of the line."""
    rng = np.random.default_rng(0)
    known: dict[tuple[Stratum, ...], LineRates] = {}
    hits = dict.fromkeys(RATES, 0)
    for _ in range(repeats):
        strata = tuple(line.checked(rng, share, periods))
        if strata not in known:
            known[strata] = rates_of(*strata, draws=600)
        for name in RATES:
            low, high = getattr(known[strata], name).interval
            hits[name] += low - 1e-9 <= line.truth[name] <= high + 1e-9
    return {name: count / repeats for name, count in hits.items()}


def test_the_intervals_hold_on_a_line_with_few_checks() -> None:
    found = covered(simulated.Line(1000, defects=0.1, escapes=0.2), repeats=40)
    assert min(found.values()) >= 0.92, found


@pytest.mark.slow
@pytest.mark.parametrize("periods", [1, 3])
@pytest.mark.parametrize("checks", [20, 200, 2000])
@pytest.mark.parametrize("escapes", [0, 0.02, 0.2])
@pytest.mark.parametrize("defects", [0.001, 0.01, 0.1])
def test_the_intervals_hold(defects: float, escapes: float, checks: int, periods: int) -> None:
    line = simulated.Line(checks * 50, defects, escapes)
    found = covered(line, repeats=300, periods=periods)
    # 300 draws of a 95 % interval contain the truth at least so often, save once in 1000.
    assert min(share for name, share in found.items() if line.truth[name] >= 0) >= 0.91, found


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.2, 0.7])
def test_the_intervals_hold_if_many_parts_are_checked(share: float) -> None:
    found = covered(simulated.Line(500, 0.06, 0.3), repeats=300, share=share)
    assert min(found.values()) >= 0.91, found
