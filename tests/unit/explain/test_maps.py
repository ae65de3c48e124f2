"""Maps on their photos: the resize undone, and places in words."""

import numpy as np
import pytest

from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.images import fit_to
from fastdefect.explain.maps import hot_place, laid_on, place_of


@pytest.mark.parametrize("resize", ["squish", "pad"])
@pytest.mark.parametrize(("width", "height"), [(300, 120), (90, 240), (160, 160)])
def test_a_map_lies_where_the_photo_is_bright(resize: str, width: int, height: int) -> None:
    photo = np.zeros((height, width, 3), np.uint8)
    rows, columns = slice(height // 8, height // 4), slice(2 * width // 3, 5 * width // 6)
    photo[rows, columns] = 255
    raw = fit_to(photo, 64, resize)[..., 0].astype(np.float32)  # type: ignore[arg-type]
    raw[raw == 128] = 255  # evidence on the padding is cut off
    found = laid_on(raw, width, height, Frame(64, resize))  # type: ignore[arg-type]
    assert found.values.shape == (height, width)
    assert found.highest == 255
    inside = np.zeros((height, width), bool)
    inside[rows, columns] = True
    hot = found.values > 0.5
    assert (hot & inside).sum() / (hot | inside).sum() > 0.6


def test_a_map_of_a_large_photo_is_reduced() -> None:
    found = laid_on(np.ones((32, 32), np.float32), 4000, 3000, Frame(32, "pad"))
    assert found.values.shape == (360, 480)


def test_no_evidence_is_no_place() -> None:
    found = laid_on(np.zeros((8, 8), np.float32), 20, 10, Frame(8, "squish"))
    assert found.highest == 0
    assert not found.values.any()
    assert str(found.place) == "no place"
    assert not found.relative_to(2.0).values.any()


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (2, 2, "upper left, 4 % of the photo"),
        (15, 15, "middle, 4 % of the photo"),
        (27, 16, "lower, 4 % of the photo"),
        (14, 27, "right, 4 % of the photo"),
    ],
)
def test_a_place_in_words(row: int, column: int, words: str) -> None:
    values = np.zeros((32, 32), np.float32)
    values[row - 2 : row + 4, column - 2 : column + 4] = 1
    assert str(place_of(values)) == words


def test_the_hot_place_is_the_one_with_the_highest_value() -> None:
    values = np.zeros((10, 10), np.float32)
    values[1:3, 1:3], values[6:9, 6:9] = 1.0, 0.8
    hot = hot_place(values)
    assert hot.sum() == 4
    assert hot[1, 1]


def test_weak_evidence_is_faint_beside_a_usual_photo() -> None:
    found = laid_on(np.full((4, 4), 0.5, np.float32), 8, 8, Frame(4, "squish"))
    assert found.values.max() == 1
    assert found.relative_to(2.0).values.max() == pytest.approx(0.25)
    assert found.relative_to(0.1).values.max() == pytest.approx(5)
    assert found.relative_to(None) is found
