"""The limits of a gate as outcomes."""

import math
from pathlib import Path

import pytest

from fastdefect.evaluation.evaluate import Estimate
from fastdefect.evaluation.gate import At, Limit, check_limits
from fastdefect.reporting.ci.gate import gate_outcomes
from fastdefect.reporting.ci.outcomes import Outcomes
from fastdefect.run import Run

ESTIMATES = {
    "escape_rate": Estimate(0.0714, (0.002, 0.34), "rate"),
    "f1": Estimate(0.93, (0.8, 1.0), "bootstrap"),
    "auc": Estimate(math.nan, None, "none"),
}


def _outcomes(*limits: Limit, at: At = "point") -> Outcomes:
    checks = check_limits(limits, ESTIMATES, at)
    about = {"split": "valid"}
    return gate_outcomes(Run(Path("runs/a")), checks, at=at, photos="split valid", about=about)


def test_a_failed_limit_has_expected_found_where_and_what_to_do() -> None:
    found = _outcomes(Limit("escape_rate", 0.01, True), Limit("f1", 0.9, False))
    escape, f1 = found.checks
    assert (escape.name, escape.state) == ("escape_rate at most 0.01", "failed")
    assert (f1.name, f1.state) == ("f1 at least 0.9", "passed")
    assert escape.message == (
        "escape rate: expected at most 1.00% for the value, found 7.14% "
        "(95 % interval: 0.20% to 34.00%)."
    )
    assert escape.details is not None
    assert escape.details["where"] == f"{Path('runs/a')}, split valid"
    assert "fastdefect threshold runs/a" in escape.details["what to do"]
    assert found.properties["run"] == "a"
    assert found.properties["split"] == "valid"


def test_the_bad_end_of_the_interval_is_named() -> None:
    (f1,) = _outcomes(Limit("f1", 0.9, False), at="upper").checks
    assert f1.state == "failed"
    assert "for the bad end of its 95 % interval, found 0.9300" in f1.message


def test_a_metric_that_is_not_defined_fails() -> None:
    (auc,) = _outcomes(Limit("auc", 0.9, False)).checks
    assert auc.state == "failed"
    assert "found - (95 % interval: -)" in auc.message


@pytest.mark.parametrize("twice", [0.1, 0.2])
def test_two_limits_of_one_metric_have_two_names(twice: float) -> None:
    found = _outcomes(Limit("escape_rate", 0.3, True), Limit("escape_rate", twice, True))
    assert len({check.name for check in found.checks}) == 2
