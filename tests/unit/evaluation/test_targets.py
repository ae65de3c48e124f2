"""Targets: the mission's numbers, and met or not met."""

import math
from typing import Any

import pytest

from fastdefect.errors import UsageError
from fastdefect.evaluation.targets import LEGACY, Target, judge, parse_target


def _metrics(**valid: Any) -> dict[str, dict[str, Any]]:
    return {
        "train": {"accuracy": 0.9},
        "valid": {"accuracy": 0.86, "f1": 0.9, "auc": 0.9, "escape_rate": 0.02, **valid},
    }


def test_the_missions_numbers() -> None:
    numbers = {target.label: (target.previous, target.low, target.high) for target in LEGACY}
    assert numbers == {
        "training accuracy": (0.6169, 0.75, 0.85),
        "validation accuracy": (0.7701, 0.85, 0.95),
        "F1": (0.77, 0.85, 0.95),
        "AUC": (0.77, 0.85, 0.95),
        "gap, train - valid": (pytest.approx(-0.1532), 0.05, 0.10),
    }
    assert {target.split for target in LEGACY if target.label == "training accuracy"} == {"train"}


def test_the_mission_is_met_from_the_lower_end_on() -> None:
    verdicts = judge(LEGACY, _metrics(accuracy=0.85, f1=0.85, auc=0.99))
    assert [verdict.met for verdict in verdicts] == [True] * 5
    assert [verdict.value for verdict in verdicts] == pytest.approx([0.9, 0.85, 0.85, 0.99, 0.05])


def test_the_mission_is_missed_just_below() -> None:
    content = _metrics(accuracy=0.8499, f1=0.8499, auc=0.8499)
    content["train"]["accuracy"] = 0.7499
    verdicts = judge(LEGACY, content)
    assert [verdict.met for verdict in verdicts] == [False, False, False, False, True]


@pytest.mark.parametrize(
    ("train", "valid", "met"),
    [(0.95, 0.90, True), (0.90, 0.95, True), (0.99, 0.88, False), (0.80, 0.95, False)],
)
def test_the_gap_is_judged_by_its_size(train: float, valid: float, met: bool) -> None:
    content = {"train": {"accuracy": train}, "valid": {"accuracy": valid}}
    (verdict,) = judge([LEGACY[-1]], content)
    assert verdict.met is met
    assert verdict.value == pytest.approx(train - valid)


@pytest.mark.parametrize(
    ("text", "value", "met"),
    [
        ("f1=0.9", 0.9, True),
        ("f1=0.9", 0.8999, False),
        ("escape_rate=0.01", 0.01, True),
        ("escape_rate=0.01", 0.0101, False),
        ("escape_rate=0", 0.0, True),
        ("overkill_rate=0.05", 0.2, False),
        ("overkill_rate=0.05", 0.0, True),
        ("auc=1", 1.0, True),
    ],
)
def test_higher_or_lower_is_better_as_the_metric_has_it(text: str, value: float, met: bool) -> None:
    target = parse_target(text)
    (verdict,) = judge([target], _metrics(**{target.metric: value}))
    assert verdict.met is met


@pytest.mark.parametrize(("text", "met"), [("gap=0.05", True), ("gap=0.03", False)])
def test_a_gap_of_ones_own(text: str, met: bool) -> None:
    (verdict,) = judge([parse_target(text)], _metrics())  # 0.90 - 0.86
    assert verdict.met is met


@pytest.mark.parametrize("value", [None, math.nan])
@pytest.mark.parametrize("text", ["f1=0", "escape_rate=1"])
def test_what_is_not_defined_is_not_met(text: str, value: float | None) -> None:
    target = parse_target(text)
    (verdict,) = judge([target], _metrics(**{target.metric: value}))
    assert not verdict.met
    assert math.isnan(verdict.value)


def test_a_target_is_read() -> None:
    assert parse_target("f1=0.95") == Target("f1", "f1", "valid", None, 0.95)
    assert parse_target(" escape_rate = 1e-2 ").low == 0.01


@pytest.mark.parametrize(
    "text",
    [
        *("f1", "f1=", "=0.9", "f1=high", "f1=nan", "f1=inf", "f1=95", "f1=-0.1", "f1=1.01"),
        *("f2=0.9", "F1=0.9", "", "f1=0.9=0.9", "n=0.5", "confusion=1"),
    ],
)
def test_anything_else_is_refused_with_the_metrics(text: str) -> None:
    with pytest.raises(UsageError, match="--target") as caught:
        parse_target(text)
    assert text in caught.value.message
    assert "escape_rate" in caught.value.hint
