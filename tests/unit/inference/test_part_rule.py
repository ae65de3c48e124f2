"""The rules that combine the photos of a part: by hand, and what all of them have in common."""

from typing import get_args

import numpy as np
import pytest
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.config import FixedPartRule, PartRule
from fastdefect.inference.decision_rule import defect_score
from fastdefect.inference.part_rule import (
    DEFAULT_RULE,
    PART_RULES,
    about,
    combine,
    combine_parts,
)

RULES: tuple[FixedPartRule, ...] = get_args(FixedPartRule)
weights = st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any)
goods = st.sampled_from([(1,), (1, 3), (0, 2, 3)])
rules = st.sampled_from(RULES)


def shares(photos: list[list[int]]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Probabilities (k, 4) from whole numbers."""
    return np.array([[value / sum(photo) for value in photo] for photo in photos])


def test_every_name_of_the_option_has_a_rule() -> None:
    assert tuple(PART_RULES) == RULES
    assert get_args(PartRule) == (*RULES, "stacking")
    assert all(about(rule) for rule in get_args(PartRule))
    assert DEFAULT_RULE in PART_RULES


@pytest.mark.parametrize(
    ("rule", "score"),
    [
        ("worst", 0.7),
        ("mean", (0.1 + 0.7 + 0.4) / 3),
        ("noisy-or", 1 - 0.9 * 0.3 * 0.6),
    ],
)
def test_scores_by_hand(rule: FixedPartRule, score: float) -> None:
    y_prob = np.array([[0.1, 0.9], [0.7, 0.3], [0.4, 0.6]])
    found = combine(rule, y_prob, (1,))
    assert defect_score(found[None], (1,))[0] == pytest.approx(score)


def test_noisy_or_divides_the_defects_as_their_sums() -> None:
    y_prob = np.array([[0.2, 0.6, 0.2], [0.4, 0.6, 0.0]])
    crack, good, dent = combine("noisy-or", y_prob, (1,))
    assert (crack, good, dent) == pytest.approx((0.64 * 0.75, 0.36, 0.64 * 0.25))


@examples(100)
@given(rule=rules, photos=st.lists(weights, min_size=1, max_size=6), good=goods, data=st.data())
def test_the_order_of_the_photos_changes_nothing(
    rule: FixedPartRule, photos: list[list[int]], good: tuple[int, ...], data: st.DataObject
) -> None:
    y_prob = shares(photos)
    order = data.draw(st.permutations(range(len(photos))))
    assert np.array_equal(combine(rule, y_prob, good), combine(rule, y_prob[order], good))


@examples(50)
@given(photo=weights, good=goods)
def test_one_photo_is_the_part_bit_by_bit(photo: list[int], good: tuple[int, ...]) -> None:
    y_prob = shares([photo])
    for rule in RULES:
        assert np.array_equal(combine(rule, y_prob, good), y_prob[0])


@examples(100)
@given(rule=rules, photos=st.lists(weights, min_size=1, max_size=6), good=goods)
def test_the_score_is_a_probability_between_those_of_its_photos_or_above(
    rule: FixedPartRule, photos: list[list[int]], good: tuple[int, ...]
) -> None:
    y_prob = shares(photos)
    found, scores = combine(rule, y_prob, good), defect_score(y_prob, good)
    score = defect_score(found[None], good)[0]
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    highest = 1 + 1e-12 if rule == "noisy-or" else scores.max() + 1e-12
    assert scores.min() - 1e-12 <= score <= highest
    if rule == "worst":
        assert score == scores.max()
    if rule == "noisy-or":
        assert score >= scores.max() - 1e-12


@examples(30)
@given(
    rule=rules,
    photos=st.lists(st.tuples(weights, st.integers(0, 3)), min_size=1, max_size=8),
    good=goods,
)
def test_parts_are_combined_one_by_one(
    rule: FixedPartRule, photos: list[tuple[list[int], int]], good: tuple[int, ...]
) -> None:
    y_prob = shares([photo for photo, _ in photos])
    _, part = np.unique([number for _, number in photos], return_inverse=True)
    found = combine_parts(rule, y_prob, part, good)
    for number in range(part.max() + 1):
        assert np.array_equal(found[number], combine(rule, y_prob[part == number], good))


@pytest.mark.parametrize("rule", RULES)
def test_a_photo_without_numbers_leaves_the_part_without(rule: FixedPartRule) -> None:
    y_prob = np.array([[0.1, 0.9], [np.nan, np.nan], [0.4, 0.6]])
    assert np.isnan(combine(rule, y_prob, (1,))).all()


def test_no_photos_and_no_good_class_are_refused() -> None:
    for y_prob, good in ((np.zeros((0, 2)), (1,)), (np.array([[0.5, 0.5]]), ())):
        with pytest.raises(ValueError, match="photos and a good class"):
            combine("worst", y_prob, good)
