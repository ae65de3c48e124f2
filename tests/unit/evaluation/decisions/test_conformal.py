"""A threshold from good parts alone: its promise by hand, and in simulated draws."""

import numpy as np
import pytest
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.errors import DataError
from fastdefect.evaluation.decisions.conformal import (
    choose_from_good,
    least_level,
    raised_for_defects,
)


def test_by_hand() -> None:
    # 9 parts, two photos each; the part counts by its higher score.
    scores = np.array([k / 10 for k in range(1, 10)] + [0.05] * 9)
    parts = [f"p{k}" for k in range(9)] * 2
    point = choose_from_good(scores, parts, 0.2)
    assert (point.level, point.n_parts, point.rejected) == (0.2, 9, 1)
    assert point.threshold == pytest.approx(0.808)  # above the second highest of 10 ranks
    assert "20.00%" in point.said
    assert point.as_json()["settings"] == {"level": 0.2, "n_parts": 9}


def test_too_few_parts_name_how_many() -> None:
    with pytest.raises(DataError, match="that takes 19") as caught:
        choose_from_good(np.linspace(0, 0.9, 10), [str(k) for k in range(10)], 0.05)
    assert "9.10%" in caught.value.hint
    assert (
        choose_from_good(np.linspace(0, 0.9, 19), [str(k) for k in range(19)], 0.05).rejected == 0
    )


def test_without_good_parts_there_is_no_bound() -> None:
    with pytest.raises(DataError, match="there are none"):
        choose_from_good(np.zeros(0), [], 0.05)


def test_of_equal_scores_none_is_rejected() -> None:
    point = choose_from_good(np.full(30, 1.0), [str(k) for k in range(30)], 0.1)
    assert point.rejected == 0
    assert point.threshold > 1


@given(n=st.integers(1, 40), seed=st.integers(0, 5), limit=st.floats(0.02, 0.6))
@examples(40)
def test_the_level_is_kept_exactly_over_all_ranks(n: int, seed: int, limit: float) -> None:
    """Each of the n + 1 scores is the new part once: the share rejected is at most the level."""
    if limit < least_level(n):
        return
    scores = np.random.default_rng(seed).permutation(n + 1) / (n + 1)
    rejected = 0
    for new in range(n + 1):
        point = choose_from_good(np.delete(scores, new), [str(k) for k in range(n)], limit)
        assert point.level <= limit + 1e-9
        rejected += scores[new] >= point.threshold
    assert rejected / (n + 1) <= point.level + 1e-9


def test_known_defects_raise_the_bound_by_hand() -> None:
    scores = np.array([0.1, 0.2, 0.3])
    parts = ["a", "b", "c"]
    point = choose_from_good(scores, parts, 0.3)
    raised = raised_for_defects(point, scores, parts, np.array([0.25, 0.8, 0.9]))
    # The middle of 0.3 and 0.8 in log odds; the defect at 0.25 was passed before, too.
    assert raised.threshold == pytest.approx(1 / (1 + np.sqrt(7 / 3 * 1 / 4)))
    assert (raised.level, raised.rejected) == (point.level, 0)
    assert raised_for_defects(point, scores, parts, np.zeros(0)) == point


@given(seed=st.integers(0, 200), limit=st.floats(0.1, 0.6))
@examples(40)
def test_a_raised_bound_rejects_the_same_defects_and_fewer_good_parts(
    seed: int, limit: float
) -> None:
    rng = np.random.default_rng(seed)
    good, defects = rng.beta(2, 5, 12), rng.beta(4, 3, 9)
    parts = [str(k) for k in range(12)]
    point = choose_from_good(good, parts, limit)
    raised = raised_for_defects(point, good, parts, defects)
    assert raised.threshold >= point.threshold
    assert raised.rejected <= point.rejected
    np.testing.assert_array_equal(defects >= raised.threshold, defects >= point.threshold)


@pytest.mark.slow
def test_the_promise_holds_in_simulated_draws() -> None:
    """Photos of a part are alike; the mean over 4,000 draws of the parts and of a new part."""
    rng = np.random.default_rng(0)
    rejected = []
    for _ in range(4000):
        of_part = np.repeat(rng.beta(2, 5, 31), 3)
        scores = np.clip(of_part + rng.normal(0, 0.02, 93), 0, 1)
        parts = [str(k) for k in np.repeat(np.arange(31), 3)]
        point = choose_from_good(scores[:90], parts[:90], 0.1)
        rejected.append(scores[90:].max() >= point.threshold)
    share, error = np.mean(rejected), np.std(rejected) / 4000**0.5
    assert point.level == pytest.approx(3 / 31)
    assert share <= point.level + 2 * error
    assert share >= point.level - 4 * error  # and it is not far too careful
