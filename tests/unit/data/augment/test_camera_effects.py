"""What a camera does to a photo: against Pillow, by hand, and against what the stress test does."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from helpers.surfaces import SIDE, Photo, blob, surface, with_defect
from numpy.random import Generator
from PIL import Image

from fastdefect.data.augment.camera_effects import add_noise, bend, brighten, compress, turn
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES


class Unlikely(Generator):
    """A generator by whose draws nothing happens that depends on chance."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self) -> float:  # type: ignore[override]
        return 0.999


def rng() -> Generator:
    return np.random.default_rng(3)


def coloured() -> Photo:
    """Red and blue grain, each in its own places, on a grey surface."""
    photo = surface()
    grain = np.random.default_rng(1).integers(-40, 41, (2, SIDE, SIDE))
    return np.dstack([photo[..., 0] + grain[0], photo[..., 1], photo[..., 2] + grain[1]]).astype(
        np.uint8
    )


@pytest.mark.parametrize(
    ("change", "name", "strengths"),
    [
        (brighten, "brightness", (0.7, 1.3)),
        (bend, "gamma", (0.7, 1.4)),
        (compress, "JPEG", (20, 70)),
        (turn, "turn", (-15, 15)),
        (turn, "large turn", (45,)),
    ],
)
@pytest.mark.parametrize("photo", [surface(), coloured()], ids=["grey", "coloured"])
def test_a_strength_means_what_it_means_in_the_stress_test(
    change: Callable[[Photo, float, Generator], Photo],
    name: str,
    strengths: tuple[float, ...],
    photo: Photo,
) -> None:
    for strength in strengths:
        assert strength in DISTURBANCES[name].strengths
        expected = DISTURBANCES[name].apply(photo, strength, rng())
        np.testing.assert_array_equal(change(photo, strength, Unlikely()), expected)


@pytest.mark.parametrize("change", [brighten, bend, add_noise, compress, turn])
def test_a_change_is_a_new_photo_and_repeatable(
    change: Callable[[Photo, float, Generator], Photo],
) -> None:
    photo = coloured()
    kept = photo.copy()
    photo.flags.writeable = False
    first, second = change(photo, 30, rng()), change(photo, 30, rng())
    assert (first.shape, first.dtype) == (photo.shape, np.uint8)
    assert not np.shares_memory(first, photo)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(photo, kept)


def test_brighter_never_makes_more_than_half_white_and_keeps_the_pit_in_it() -> None:
    plain = surface(235, grain=2)
    marked = with_defect(plain, blob(), -30)
    lit = brighten(marked, 1.5, rng())
    assert 0.2 < (lit == 255).mean() <= 0.5
    assert np.abs(brighten(plain, 1.5, rng()).astype(int) - lit).max() >= 15
    assert brighten(plain, 0.7, rng()).mean() == pytest.approx(0.7 * plain.mean(), rel=0.01)


def test_what_is_white_for_the_most_part_already_stays() -> None:
    photo = surface()
    photo[: SIDE // 2 + 10] = 255
    np.testing.assert_array_equal(brighten(photo, 1.5, rng()), photo)
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    np.testing.assert_array_equal(brighten(black, 1.5, rng()), black)


def test_noise_is_as_strong_as_stated_and_grey_on_a_grey_photo() -> None:
    flat = np.full((SIDE, SIDE, 3), 128, np.uint8)
    noise = add_noise(flat, 15, rng()).astype(float) - 128
    assert noise.std() == pytest.approx(15, rel=0.02)
    assert abs(noise.mean()) < 0.2
    assert np.ptp(noise, axis=2).max() == 0
    # Off by a level, as CLAHE leaves it, it is grey all the same.
    flat[..., 2] = 129
    assert np.ptp(add_noise(flat, 15, rng()).astype(int), axis=2).max() <= 1


def test_noise_on_a_coloured_photo_is_another_in_each_channel() -> None:
    flat = np.full((SIDE, SIDE, 3), (100, 120, 140), np.uint8)
    noise = add_noise(flat, 15, rng()).astype(float) - flat
    np.testing.assert_allclose(noise.std(axis=(0, 1)), 15, rtol=0.03)
    together = np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)
    assert np.abs(together).max() < 0.02


def test_jpeg_is_pillows_with_red_as_red() -> None:
    photo = coloured()
    data = io.BytesIO()
    Image.fromarray(photo).save(data, "JPEG", quality=20)
    expected = np.asarray(Image.open(data)).astype(int)
    assert np.abs(compress(photo, 20, rng()) - expected).mean() < 1
    swapped = compress(photo[..., ::-1].copy(), 20, rng())[..., ::-1]
    assert np.abs(swapped - expected).mean() > 2


def test_a_turn_shows_no_border_and_not_turned_is_the_photo_itself() -> None:
    photo = surface()
    np.testing.assert_array_equal(turn(photo, 0, rng()), photo)
    white = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for degrees in (-45, -20, 10, 45):
        assert turn(white, degrees, rng()).min() == 255


@pytest.mark.parametrize("degrees", [-45.0, -30.0, 10.0, 45.0])
def test_a_turned_photo_is_whole_or_as_large_as_it_was(degrees: float) -> None:
    photo = np.zeros((SIDE, SIDE, 3), np.uint8)
    for x, y in [(6, 6), (217, 6), (6, 217), (217, 217)]:
        photo[y - 4 : y + 5, x - 4 : x + 5] = 255
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    disc = np.repeat((255 * (np.hypot(x, y) < 100)).astype(np.uint8)[..., None], 3, axis=2)
    angle = np.deg2rad(abs(degrees))
    whole = 1 / (np.cos(angle) + np.sin(angle))
    shrunk = []
    for seed in range(60):
        generators = [np.random.default_rng(seed) for _ in range(2)]
        size = (turn(disc, degrees, generators[0])[SIDE // 2, :, 0] > 127).sum() / 200
        shrunk.append(size < (1 + whole) / 2)
        assert size == pytest.approx(whole if shrunk[-1] else 1, abs=0.02)
        if shrunk[-1]:  # all four corners are there; what the mirror adds comes on top
            left = turn(photo, degrees, generators[1]).sum() / photo.sum()
            assert left >= 0.95 * whole**2
    assert 0.5 < np.mean(shrunk) < 0.83
