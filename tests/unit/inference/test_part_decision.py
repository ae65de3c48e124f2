"""The decision on a part, by the decisions or by the scores of its photos."""

import math

import pytest
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.config import PartRule
from fastdefect.inference.decision_rule import DecisionRule, Verdict, of_part
from fastdefect.inference.judge import Decision
from fastdefect.inference.part_decision import OfPart, decide_part

CLASSES, GOOD = ("crack", "ok", "dent"), (1,)


def rule_of(part_rule: PartRule | None, high: float | None = None) -> DecisionRule:
    return DecisionRule("none", 1.0, 0.5, high, "by hand", part_rule)


def photo(crack: float, dent: float = 0.0, *, unlike: bool = False) -> Decision:
    """The decision of ``rule_of`` on a photo with these probabilities."""
    score = crack + dent
    verdict: Verdict = "look" if unlike or math.isnan(score) else "reject" if score >= 0.5 else "OK"
    defect = "crack" if crack >= dent else "dent"
    shown = None if verdict == "OK" else defect
    by_class = {"crack": crack, "ok": 1 - score, "dent": dent}
    return Decision(verdict, score, by_class, defect, shown, unlike, None, 1.0)


def decided(part_rule: PartRule | None, *photos: Decision) -> OfPart:
    return decide_part(photos, rule_of(part_rule), CLASSES, GOOD)


def test_each_rule_decides_by_its_score() -> None:
    photos = (photo(0.4), photo(0.1, 0.3), photo(0.1))
    assert decided("worst", *photos).decision == "OK"
    assert decided("mean", *photos).probability == pytest.approx(0.3)
    part = decided("noisy-or", *photos)
    assert (part.decision, part.defect_class) == ("reject", "crack")
    assert part.probability == pytest.approx(1 - 0.6 * 0.6 * 0.9)


def test_a_band_is_a_band_of_scores_of_parts() -> None:
    part = decide_part([photo(0.6), photo(0.4)], rule_of("mean", 0.7), CLASSES, GOOD)
    assert (part.decision, part.probability) == ("look", 0.5)


@examples(100)
@given(st.lists(st.integers(0, 100), min_size=1, max_size=5))
def test_the_worst_photo_decides_as_the_worst_decision(percents: list[int]) -> None:
    photos = [photo(each / 100) for each in percents]
    for part_rule in ("worst", None):
        part = decide_part(photos, rule_of(part_rule), CLASSES, GOOD)
        assert part.decision == of_part(each.decision for each in photos)
        assert part.probability == pytest.approx(max(percents) / 100)


@pytest.mark.parametrize("part_rule", ["worst", "mean", "noisy-or", None])
def test_a_part_with_a_photo_that_can_not_be_believed_is_not_ok(part_rule: PartRule | None) -> None:
    good, bad, strange = photo(0.1), photo(0.9), photo(0.9, unlike=True)
    unknown = photo(math.nan)
    assert decided(part_rule, good, strange).decision == "look"
    assert decided(part_rule, good, strange).unlike
    assert decided(part_rule, bad, strange).decision == "reject"
    assert decided(part_rule, strange).decision == "look"
    part = decided(part_rule, good, unknown)
    assert part.decision == "look"
    assert math.isnan(part.probability)
    assert decided(part_rule, bad, unknown).decision == "reject"
    assert decided(part_rule, unknown).decision == "look"


def test_without_a_rule_the_defect_is_that_of_the_worst_photo_that_decides() -> None:
    good, bad, strange = photo(0.1), photo(0.2, 0.6), photo(0.9, unlike=True)
    part = decided(None, good, bad, strange)
    assert (part.decision, part.defect_class, part.probability) == ("reject", "dent", 0.9)
    assert decided(None, good, strange).defect_class == "crack"
    assert decided(None, good).defect_class is None
