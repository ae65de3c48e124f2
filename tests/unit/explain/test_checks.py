"""The figures that tell true maps from others."""

import numpy as np
import pytest
from helpers.explained import SIZE, TARGET, predictor_of, spot_network, spotted

from fastdefect.aliases import Floats, Pixels
from fastdefect.explain.cam import NetworkMaps
from fastdefect.explain.checks import (
    BASELINES,
    MapChecks,
    Pointing,
    deletion,
    insertion,
    likeness,
    mass_inside,
    points_inside,
    remove_place,
)
from fastdefect.explain.methods import METHODS

PHOTO = spotted(8, 40)
MASK = PHOTO[..., 0] > 0
TRUE = MASK.astype(np.float32)
FALSE = np.roll(TRUE, (SIZE // 2, SIZE // 2), axis=(0, 1))
MAPS = NetworkMaps(predictor_of(spot_network()), TARGET, METHODS["occlusion"])


def _probability(pixels: Pixels) -> Floats:
    return np.asarray(1 / (1 + np.exp(-MAPS.score(pixels))))


def test_the_pointing_game_and_the_mass() -> None:
    assert points_inside(TRUE, MASK)
    assert not points_inside(FALSE, MASK)
    assert not points_inside(np.zeros_like(TRUE), MASK)
    assert mass_inside(TRUE, MASK) == 1
    assert mass_inside(np.ones_like(TRUE), MASK) == pytest.approx(MASK.mean())


def test_a_point_beside_the_mask_hits() -> None:
    beside = np.zeros_like(TRUE)
    beside[8, 39] = 1
    assert points_inside(beside, MASK)


def test_true_maps_delete_faster_and_insert_faster() -> None:
    assert deletion(PHOTO, TRUE, _probability) < deletion(PHOTO, FALSE, _probability)
    start = np.zeros_like(PHOTO)  # the same photo without its white place
    true, false = (insertion(PHOTO, values, _probability, start) for values in (TRUE, FALSE))
    assert true > false + 0.05


def test_hiding_the_true_place_counts_more_than_hiding_others() -> None:
    assert remove_place(PHOTO, TRUE, MAPS.score).confirms
    assert not remove_place(PHOTO, FALSE, MAPS.score).confirms
    assert not remove_place(PHOTO, np.zeros_like(TRUE), MAPS.score).confirms


def test_likeness_is_of_ranks_and_ignores_the_sign() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random((2, SIZE, SIZE), np.float32)
    assert likeness(one, np.float32(0) + one * 3) == pytest.approx(1)
    assert likeness(one, -one) == pytest.approx(1)
    assert likeness(one, other) < 0.2
    assert likeness(one, np.zeros_like(one)) == 0


@pytest.mark.parametrize("name", [*BASELINES])
def test_baselines_do_not_depend_on_the_network(name: str) -> None:
    values = BASELINES[name](PHOTO)
    assert values.shape == (SIZE, SIZE)
    assert values.min() >= 0
    np.testing.assert_array_equal(values, BASELINES[name](PHOTO))


def _checks(likeness: float | None, **hits: int) -> MapChecks:
    games = {name: Pointing(n, 10, 0.1) for name, n in hits.items()}
    return MapChecks(likeness, 12, games, 3, 4)


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        (_checks(0.2, map=9, edges=3), ""),
        (_checks(None), ""),
        (_checks(0.8), "random weights"),
        (_checks(0.1, map=3, edges=3, centre=1), "no more than a map of edges"),
    ],
)
def test_what_does_not_pass_is_named(checks: MapChecks, words: str) -> None:
    assert words in "; ".join(checks.failures)
    assert bool(words) == bool(checks.failures)
