"""Keypoints: what must not move them, and what mirrors them."""

import cv2
import numpy as np
import pytest

from fastdefect.data.parts.keypoints import _AXES, MIRROR, MOST, UNIT, find_keypoints
from fastdefect.sample.render import photograph, render_part


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return photograph(render_part(3, size=256, defect=None), 4).pixels


def _best(one: np.ndarray, other: np.ndarray, mirrored: bool = False) -> float:
    """The median over ``one``'s keypoints of the cosine to the best of ``other``'s."""
    mine, theirs = (find_keypoints(each).packed / UNIT for each in (one, other))
    return float(np.median((mine @ (theirs * MIRROR if mirrored else theirs).T).max(axis=1)))


def test_axes_are_orthonormal_and_the_mirror_is_its_own_inverse() -> None:
    assert np.allclose(_AXES @ _AXES.T, np.eye(len(_AXES)), atol=1e-5)
    assert set(MIRROR) == {-1.0, 1.0}


def test_the_mirror_of_a_descriptor_is_the_descriptor_of_the_mirror(pixels: np.ndarray) -> None:
    flipped = np.ascontiguousarray(pixels[:, ::-1])
    assert _best(pixels, flipped, mirrored=True) > 0.99
    assert _best(pixels, flipped) < 0.85
    upside_down = np.ascontiguousarray(pixels[::-1])
    assert _best(pixels, upside_down, mirrored=True) > 0.99


def test_quarter_turns_and_light_change_little(pixels: np.ndarray) -> None:
    assert _best(pixels, np.ascontiguousarray(np.rot90(pixels))) > 0.99
    darker = np.rint(255 * (pixels / 255) ** 1.4 * 0.8).astype(np.uint8)
    assert _best(pixels, darker) > 0.97


def test_the_size_of_the_photo_hardly_matters(pixels: np.ndarray) -> None:
    double = np.asarray(cv2.resize(pixels, (512, 512), interpolation=cv2.INTER_CUBIC), np.uint8)
    assert _best(pixels, double) > 0.97


def test_limits(pixels: np.ndarray) -> None:
    found = find_keypoints(pixels)
    assert 100 < len(found) <= MOST
    assert found.packed.shape == (len(found), 46)
    lengths = np.linalg.norm(found.packed / UNIT, axis=1)
    assert np.mean(np.abs(lengths - 1) < 0.02) > 0.95  # a few are clipped
    assert 0.9 < lengths.min() < lengths.max() < 1.02
    again = find_keypoints(pixels)
    assert np.array_equal(found.packed, again.packed)
    assert np.array_equal(found.places, again.places)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (7, 5), (300, 2), (40, 90)])
def test_photos_of_any_shape(shape: tuple[int, int]) -> None:
    blank = np.full((*shape, 3), 90, np.uint8)
    assert len(find_keypoints(blank)) == 0
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert len(find_keypoints(noise)) <= MOST
