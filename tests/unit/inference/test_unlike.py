"""Scores against scikit-learn, p-values by hand, and the guarantee by simulation."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from fastdefect.inference.unlike import (
    NEIGHBOURS,
    Reference,
    distances,
    normalised,
    part_scores,
    usual,
)


def reference_of(scores: list[float], alpha: float = 0.01) -> Reference:
    return Reference(np.eye(2, dtype=np.float32), (2,), (1.0,), np.array(scores), alpha)


@pytest.mark.parametrize("m", [1, 2, 3, 40])
def test_distances_are_those_of_scikit_learn_in_each_block(m: int) -> None:
    generator, blocks = np.random.default_rng(m), (3, 5)
    train, photos = (
        normalised(generator.normal(size=(n, 8)).astype(np.float32), blocks) for n in (m, 6)
    )
    found = distances(photos, train, blocks)
    for block, here in enumerate((slice(0, 3), slice(3, 8))):
        nearest = NearestNeighbors(n_neighbors=min(NEIGHBOURS, m)).fit(train[:, here])
        expected = nearest.kneighbors(photos[:, here])[0].mean(axis=1)
        np.testing.assert_allclose(found[:, block], expected, atol=1e-3)


def test_each_block_is_scaled_to_length_one_and_zeros_stay_zero() -> None:
    unit = normalised(np.array([[3, 4, 0, 0], [0, 0, 5, 12]], np.float32), (2, 2))
    np.testing.assert_allclose(unit, [[0.6, 0.8, 0, 0], [0, 0, 5 / 13, 12 / 13]], rtol=1e-6)


def test_the_block_with_the_largest_distance_decides() -> None:
    train = np.array([[1, 0, 1, 0]], np.float32)
    reference = Reference(train, (2, 2), (1.0, 0.5), np.array([1.0]), 0.1)
    photos = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]], np.float32)
    expected = [0, 2**0.5, 2 * 2**0.5]
    np.testing.assert_allclose(reference.score(photos), expected, atol=1e-6)


def test_p_values_by_hand() -> None:
    reference = reference_of([1.0, 2.0, 2.0, 3.0])
    scores = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, np.inf, np.nan])
    expected = [1, 1, 0.8, 0.8, 0.4, 0.4, 0.2, 0, 0]
    np.testing.assert_allclose(reference.p_values(scores), expected)


def test_the_level_is_never_below_what_the_parts_can_show() -> None:
    assert reference_of([1.0] * 9, alpha=0.01).level == 0.1
    assert reference_of([1.0] * 999, alpha=0.01).level == 0.01


def test_features_that_are_not_finite_are_unlike_anything() -> None:
    reference = reference_of([0.5, 0.6])
    for value in (np.nan, np.inf, -np.inf):
        scores = reference.score(np.array([[value, 1.0]], np.float32))
        assert reference.p_values(scores) == 0
    huge = reference.score(np.array([[3e38, 3e38]], np.float32))
    assert 0 <= reference.p_values(huge)[0] <= 1


def test_at_most_the_level_of_new_parts_is_unlike() -> None:
    generator, alpha, found = np.random.default_rng(1), 0.1, []
    for _ in range(2000):
        scores = generator.lognormal(size=20)  # 19 calibration parts and a new one
        reference = Reference(
            np.eye(2, dtype=np.float32), (2,), (1.0,), np.sort(scores[:19]), alpha
        )
        found.append(reference.p_values(scores[19:])[0] <= reference.level)
    # Exactly 10 % for continuous scores; four standard errors.
    assert abs(np.mean(found) - alpha) < 4 * (alpha * (1 - alpha) / 2000) ** 0.5


def test_a_part_has_the_score_of_its_worst_photo() -> None:
    np.testing.assert_array_equal(
        part_scores(np.array([0.2, 0.9, 0.5]), ["a", "b", "a"]), [0.5, 0.9]
    )


def test_the_usual_distance_is_the_median_and_never_zero() -> None:
    assert usual(np.array([[1.0, 0.0], [2.0, 0.0], [9.0, 0.0]])) == (2.0, 1e-6)


def test_the_score_of_a_photo_does_not_depend_on_the_others() -> None:
    random = np.random.default_rng(0)
    blocks = (16, 48, 320)
    features = random.normal(size=(40, sum(blocks))).astype(np.float32)
    reference = Reference(
        normalised(random.normal(size=(120, sum(blocks))).astype(np.float32), blocks),
        blocks,
        (0.5, 0.7, 0.9),
        np.arange(1.0, 30),
        0.01,
    )
    together = reference.score(features)
    alone = [reference.score(each[None])[0] for each in features]
    assert together.tolist() == alone
