"""Photos made square: nothing at the edge is lost."""

import numpy as np
import pytest
from helpers.encode import picture

from fastdefect.data.reading.images import (
    IMAGE_SUFFIXES,
    Resize,
    fit_to,
)

# As images.py sets it for the process, but pytest has filters of its own.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


# ---- resizing ----------------------------------------------------------------------------


@pytest.mark.parametrize("resize", ["squish", "pad"])
@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (32, 32), (7, 500), (500, 7), (1, 1)])
def test_fit_to_gives_a_new_square(resize: Resize, shape: tuple[int, int]) -> None:
    image = picture(*shape)
    before = image.copy()
    fitted = fit_to(image, 32, resize)
    assert fitted.shape == (32, 32, 3)
    assert fitted.dtype == np.uint8
    assert fitted.flags.writeable
    fitted[:] = 0
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("resize", ["squish", "pad"])
@pytest.mark.parametrize("edge", [np.s_[:4], np.s_[-4:], np.s_[:, :4], np.s_[:, -4:]])
def test_a_defect_at_the_edge_survives(resize: Resize, edge: slice | tuple[slice, slice]) -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[edge] = 255
    fitted = fit_to(image, 50, resize)
    inside = fitted if resize == "squish" else fitted[12:37]  # 25 rows of photo, 50 columns
    assert inside[edge].max() == 255


def test_pad_keeps_the_aspect_and_centres_on_grey() -> None:
    fitted = fit_to(np.full((10, 20, 3), 200, np.uint8), 40, "pad")
    assert (fitted[10:30] == 200).all()
    assert (fitted[:10] == 128).all()
    assert (fitted[30:] == 128).all()


def test_shrinking_averages_areas() -> None:
    board = np.indices((64, 64)).sum(0) % 2 * 255
    image = np.dstack([board.astype(np.uint8)] * 3)
    assert np.abs(fit_to(image, 32, "squish").astype(int) - 127.5).max() < 1
    # One axis shrinks, the other grows: still averaged, where INTER_AREA alone samples.
    stripes = np.zeros((8, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit_to(stripes, 32, "squish").astype(int) - 127.5).max() < 1


def test_growing_does_not_overshoot() -> None:
    image = np.full((8, 8, 3), 100, np.uint8)
    image[:, 4:] = 200
    fitted = fit_to(image, 64, "squish")
    assert fitted.min() == 100  # a cubic would ring to 90 and 210
    assert fitted.max() == 200


def test_the_right_size_is_copied() -> None:
    image = picture(32, 32)
    np.testing.assert_array_equal(fit_to(image, 32, "squish"), image)


def test_suffixes() -> None:
    assert {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"} <= IMAGE_SUFFIXES
    assert all(suffix == suffix.lower() for suffix in IMAGE_SUFFIXES)
    assert ".gif" not in IMAGE_SUFFIXES
