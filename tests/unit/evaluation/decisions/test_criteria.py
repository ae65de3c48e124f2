"""What a threshold is to be chosen by: contradictions and half wishes are refused."""

import math
from typing import Any

import pytest

from fastdefect.errors import UsageError
from fastdefect.evaluation.decisions.criteria import Criteria
from fastdefect.evaluation.decisions.operating_point import Costs

COSTS: dict[str, Any] = {"cost_escape": 500.0, "cost_overkill": 5.0, "defect_rate": 0.02}
LIMITS: dict[str, Any] = {"max_escape": 0.01, "max_overkill": 0.05}


@pytest.mark.parametrize(
    "given",
    [
        {},
        COSTS,
        COSTS | {"cost_overkill": 0.0},
        {"max_escape": 0.0},
        {"max_overkill": 1.0},
        {"max_escape": 0.01, "confidence": 0.95},
        LIMITS,
        LIMITS | {"confidence": 0.9},
        LIMITS | {"parts_per_day": 1000, "defect_rate": 0.02},
        LIMITS | {"parts_per_day": 1000, "defect_rate": 0.0, "confidence": 0.9},
    ],
)
def test_complete_criteria_are_accepted(given: dict[str, Any]) -> None:
    Criteria(**given).check()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cost_escape": 500.0}, "needs --cost-escape, --cost-overkill and --defect-rate"),
        ({"cost_overkill": 0.0}, "needs --cost-escape, --cost-overkill and --defect-rate"),
        ({"cost_escape": 500.0, "cost_overkill": 5.0}, "and --defect-rate"),
        ({"cost_escape": 500.0, "defect_rate": 0.02}, "needs --cost-escape, --cost-overkill"),
        (COSTS | {"cost_escape": 0.0, "cost_overkill": 0.0}, "Both costs are 0"),
        (COSTS | {"max_escape": 0.01}, "not by both"),
        (COSTS | {"max_overkill": 0.01}, "not by both"),
        (COSTS | {"confidence": 0.95}, "not by both"),
        (COSTS | {"parts_per_day": 10}, "--parts-per-day"),
        ({"confidence": 0.95}, "--confidence needs a limit"),
        (
            {"max_escape": 0.0, "confidence": 0.95},
            "A limit of 0 at confidence 0.95 can't be tested",
        ),
        (
            {"max_escape": 1.0, "confidence": 0.95},
            "A limit of 1 at confidence 0.95 can't be tested",
        ),
        (LIMITS | {"max_overkill": 1.0, "confidence": 0.95}, "can't be tested"),
        ({"defect_rate": 0.02}, "--defect-rate alone is not a criterion"),
        ({"max_escape": 0.1, "defect_rate": 0.02}, "--defect-rate alone is not a criterion"),
        (LIMITS | {"parts_per_day": 10}, "--parts-per-day"),
        ({"max_escape": 0.1, "parts_per_day": 10, "defect_rate": 0.1}, "--parts-per-day"),
        ({"parts_per_day": 10, "defect_rate": 0.1}, "--parts-per-day"),
        ({"max_escape": math.nan}, "--max-escape nan: expected a finite number"),
        (COSTS | {"cost_escape": math.inf}, "--cost-escape inf: expected a finite number"),
        (LIMITS | {"confidence": math.nan}, "--confidence nan"),
    ],
)
def test_incomplete_and_contradictory_criteria_are_refused(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Criteria(**given).check()
    assert said in caught.value.message
    assert caught.value.exit_code == 2


def test_costs_are_those_given_or_none() -> None:
    assert Criteria(**COSTS).costs == Costs(500, 5, 0.02)
    assert Criteria(**LIMITS, parts_per_day=10, defect_rate=0.02).costs is None


def test_limits_are_those_given_with_zero_among_them() -> None:
    assert Criteria().limits == ()
    assert Criteria(max_escape=0.0, max_overkill=0.1).limits == (0.0, 0.1)
