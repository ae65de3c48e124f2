"""The gate: limits as people write them, and what holds them."""

import json
import math

import pytest

from fastdefect.errors import UsageError
from fastdefect.evaluation.evaluate import Estimate
from fastdefect.evaluation.gate import At, Check, Limit, check_limits, parse_limit
from fastdefect.metrics import METRICS, lower_is_better


def _judged(limit: Limit, value: float, interval: tuple[float, float] | None, at: At) -> Check:
    method = "bootstrap" if interval else "none"
    (check,) = check_limits([limit], {limit.metric: Estimate(value, interval, method)}, at)
    return check


# ---- as people write them ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "at_most", "limit"),
    [
        ("f1=0.95", False, Limit("f1", 0.95, False)),
        (" Balanced-Accuracy = .9", False, Limit("balanced_accuracy", 0.9, False)),
        ("average precision=9e-1", False, Limit("average_precision", 0.9, False)),
        ("mcc=-0.5", False, Limit("mcc", -0.5, False)),
        ("escape_rate=0", True, Limit("escape_rate", 0, True)),
        ("log_loss=3", True, Limit("log_loss", 3, True)),
        ("brier=2", True, Limit("brier", 2, True)),
    ],
)
def test_a_limit_is_figure_and_number(text: str, at_most: bool, limit: Limit) -> None:
    assert parse_limit(text, at_most=at_most) == limit


@pytest.mark.parametrize(
    ("text", "at_most", "said", "hint"),
    [
        ("speed=1", False, "unknown metric 'speed'", "escape_rate, overkill_rate, f1"),
        ("", False, "unknown metric ''", "f1"),
        ("=0.9", True, "unknown metric ''", "f1"),
        ("f1", False, "--min f1: expected METRIC=NUMBER", "--min f1=0.9"),
        ("f1=high", False, "expected METRIC=NUMBER", "--min f1=0.9"),
        ("f1=nan", False, "expected METRIC=NUMBER", ""),
        ("log_loss=inf", True, "expected METRIC=NUMBER", "--max log_loss=0.9"),
        ("f1=0.9=0.8", False, "expected METRIC=NUMBER", ""),
        ("f1=0.9", True, "--max f1=0.9: higher is better", "--min f1=0.9"),
        ("escape_rate=0.1", False, "lower is better", "--max escape_rate=0.1"),
        # In percent: it would hold for whatever comes.
        (
            "escape_rate=5",
            True,
            "limit for escape_rate must be from 0 to 1, but it is 5",
            "0.05 is 5 %",
        ),
        ("f1=95", False, "from 0 to 1, but it is 95", "shares"),
        ("mcc=-2", False, "from -1 to 1", ""),
        ("brier=2.5", True, "from 0 to 2", ""),
        ("escape_rate=-0.1", True, "from 0 to 1, but it is -0.1", ""),
    ],
)
def test_input_errors_are_reported(text: str, at_most: bool, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_limit(text, at_most=at_most)
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_every_figure_can_be_limited_in_one_direction_only() -> None:
    for figure in METRICS:
        at_most = lower_is_better(figure)
        assert parse_limit(f"{figure}=0.5", at_most=at_most).at_most is at_most
        with pytest.raises(UsageError):
            parse_limit(f"{figure}=0.5", at_most=not at_most)


def test_a_limit_that_is_no_number_is_none() -> None:
    with pytest.raises(UsageError, match="but it is nan"):
        Limit("escape_rate", math.nan, True)


# ---- what holds ------------------------------------------------------------------------------

LOW, HIGH = Limit("f1", 0.9, at_most=False), Limit("escape_rate", 0.05, at_most=True)


@pytest.mark.parametrize(
    ("limit", "value", "interval", "point", "upper"),
    [
        (LOW, 0.95, (0.91, 0.99), True, True),
        (LOW, 0.95, (0.85, 0.99), True, False),
        (LOW, 0.89, (0.85, 0.99), False, False),
        (LOW, 0.90, (0.90, 0.99), True, True),  # the limit itself holds
        (HIGH, 0.01, (0.0, 0.04), True, True),
        (HIGH, 0.01, (0.0, 0.06), True, False),
        (HIGH, 0.06, (0.0, 0.08), False, False),
        (HIGH, 0.05, (0.0, 0.05), True, True),
        # Perfect on all photos, yet no interval: the bad end isn't known.
        (LOW, 1.0, None, True, False),
        (HIGH, 0.0, None, True, False),
        # Not defined, as the escape rate of good photos only: no proof of anything.
        (HIGH, math.nan, None, False, False),
        (LOW, math.nan, None, False, False),
        (HIGH, 0.0, (0.0, math.nan), True, False),
    ],
)
def test_the_figure_or_the_bad_end_decides(
    limit: Limit,
    value: float,
    interval: tuple[float, float] | None,
    point: bool,
    upper: bool,
) -> None:
    assert _judged(limit, value, interval, "point").holds is point
    assert _judged(limit, value, interval, "upper").holds is upper


def test_each_limit_is_judged_in_its_order() -> None:
    estimates = {
        "f1": Estimate(0.95, (0.9, 0.99), "bootstrap"),
        "escape_rate": Estimate(0.06, (0.01, 0.2), "clopper-pearson"),
    }
    checks = check_limits([HIGH, LOW, HIGH], estimates, "point")
    assert [(check.metric, check.holds) for check in checks] == [
        ("escape_rate", False),
        ("f1", True),
        ("escape_rate", False),
    ]
    assert checks[0].estimate is estimates["escape_rate"]


def test_a_check_is_plain_json_without_nan() -> None:
    check = _judged(HIGH, math.nan, None, "upper")
    assert json.loads(json.dumps(check.as_json(), allow_nan=False)) == {
        "metric": "escape_rate",
        "limit": 0.05,
        "at_most": True,
        "estimate": {"value": None, "interval": None, "method": "none"},
        "holds": False,
    }
