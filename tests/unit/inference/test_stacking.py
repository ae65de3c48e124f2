"""The learned rule for parts: by hand, and what holds for any weights."""

import json
import math
from typing import Any

import numpy as np
import pytest
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.inference.card import Rule
from fastdefect.inference.decision_rule import DecisionRule, defect_score
from fastdefect.inference.part_rule import combine, combine_parts
from fastdefect.inference.stacking import Stacking, ViewScale

RULE = Stacking(-1.0, 2.0, (ViewScale("top", -3.0, 0.5),), (1.5, 0.5), -2.0)
GOOD = (1,)
scores = st.floats(0, 1)
views = st.sampled_from(["top", "left", None])


def _of(p: list[float]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Photos with the classes crack, good and dent."""
    score = np.array(p)
    return np.stack([0.75 * score, 1 - score, 0.25 * score], axis=1)


def test_the_score_by_hand() -> None:
    found = combine(RULE, _of([0.1, 0.6]), GOOD, ["top", "left"])
    # Log-odds of 1/9 and 3/2: of the top camera (z + 3) / 0.5, of another one (z + 1) / 2.
    top, left = (math.log(1 / 9) + 3) / 0.5, (math.log(1.5) + 1) / 2
    odds = 1.5 * max(top, left) + 0.5 * (top + left) / 2 - 2
    assert 1 - found[1] == pytest.approx(1 / (1 + math.exp(-odds)))
    assert found.sum() == pytest.approx(1)
    assert found[0] == pytest.approx(3 * found[2])  # as the photos


def test_without_views_all_photos_have_the_common_scale() -> None:
    y_prob = _of([0.1, 0.6])
    unknown = combine(RULE, y_prob, GOOD, [None, "other"])
    assert np.array_equal(combine(RULE, y_prob, GOOD), unknown)


def test_a_photo_without_numbers_leaves_the_part_without() -> None:
    y_prob = _of([0.1, math.nan])
    assert np.isnan(combine(RULE, y_prob, GOOD, ["top", None])).all()


@examples(50)
@given(st.lists(st.tuples(scores, views), min_size=1, max_size=5), st.data())
def test_the_order_of_the_photos_does_not_matter(
    photos: list[tuple[float, str | None]], data: st.DataObject
) -> None:
    mixed = data.draw(st.permutations(photos))
    found = [
        combine(RULE, _of([p for p, _ in each]), GOOD, [view for _, view in each])
        for each in (photos, mixed)
    ]
    assert np.array_equal(*found)


@examples(50)
@given(st.lists(st.tuples(scores, views), min_size=1, max_size=5), st.data())
def test_a_more_suspicious_photo_never_makes_a_part_less_suspicious(
    photos: list[tuple[float, str | None]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(photos) - 1))
    p, its_views = [p for p, _ in photos], [view for _, view in photos]
    before = defect_score(combine(RULE, _of(p), GOOD, its_views)[None], GOOD)
    p[at] = data.draw(st.floats(p[at], 1))
    after = defect_score(combine(RULE, _of(p), GOOD, its_views)[None], GOOD)
    assert after >= before - 1e-12


def test_the_smallest_number_is_divided_like_any_other() -> None:
    """A sum of 5e-324 has no finite inverse."""
    found = combine(RULE, _of([5e-324]), GOOD, [None])
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)


def test_parts_are_combined_with_the_views_of_their_own_photos() -> None:
    y_prob, part = _of([0.1, 0.6, 0.3]), np.array([1, 0, 1])
    found = combine_parts(RULE, y_prob, part, GOOD, ["top", "left", None])
    assert np.array_equal(found[0], combine(RULE, y_prob[[1]], GOOD, ["left"]))
    assert np.array_equal(found[1], combine(RULE, y_prob[[0, 2]], GOOD, ["top", None]))


def test_what_is_written_is_read_again_also_from_a_bundle() -> None:
    assert Stacking.from_json(json.loads(json.dumps(RULE.as_json()))) == RULE
    rule = DecisionRule("none", 1.0, 0.5, None, "by hand", "stacking", stacking=RULE)
    card = Rule.model_validate_json(json.dumps(rule.as_json()))
    assert (
        card.model_dump_json() == Rule.model_validate_json(card.model_dump_json()).model_dump_json()
    )
    plain = DecisionRule("none", 1.0, 0.5, None, "by hand", "worst")
    assert "stacking" not in Rule.model_validate_json(json.dumps(plain.as_json())).model_dump()


@pytest.mark.parametrize(
    "damage",
    [
        {"scale": 0.0},
        {"center": math.inf},
        {"weights": [1.0]},
        {"views": [{"view": "top", "center": 0.0, "scale": -1.0}]},
        {"views": [{"view": "top"}]},
        {"intercept": "x"},
    ],
)
def test_damaged_values_are_refused(damage: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Stacking.from_json({**RULE.as_json(), **damage})


@pytest.mark.parametrize(
    "change", [{"part_rule": "worst"}, {"stacking": None}, {"part_rule": None}]
)
def test_only_stacking_has_learned_something(change: dict[str, Any]) -> None:
    rule = DecisionRule("none", 1.0, 0.5, None, "by hand", "stacking", stacking=RULE)
    with pytest.raises(ValueError, match="Expected a learned rule for stacking alone"):
        DecisionRule(**{**vars(rule), **change})
    with pytest.raises(ValueError, match="stacking needs what it learned"):
        Rule.model_validate_json(json.dumps({**rule.as_json(), **change}))
