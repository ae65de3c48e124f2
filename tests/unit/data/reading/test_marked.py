"""The tiles of a photo that show its marked defects."""

from pathlib import Path

import cv2
import numpy as np

from fastdefect.data.photos import Box, Entry
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.marked import marked_tiles

FRAME = Frame(32, "squish", 9)
WIDTH, HEIGHT = 8 * 28 + 4, 32  # eight tiles of 32 pixels, and each 28 further; one place is empty


def entry(**marks: object) -> Entry:
    return Entry("a.png", Path("a.png"), "bad", None, None, **marks)  # type: ignore[arg-type]


def test_the_tile_that_shows_most_of_a_box_is_marked() -> None:
    boxes = (Box(60, 10, 6, 6),)  # in the third tile, from 56, and not in the second, up to 60
    found = marked_tiles(entry(boxes=boxes), WIDTH, HEIGHT, FRAME, 300)
    assert found is not None
    assert np.flatnonzero(found).tolist() == [2]


def test_a_mask_of_another_size_marks_the_same_tiles(tmp_path: Path) -> None:
    mask = np.zeros((2 * HEIGHT, 2 * WIDTH), np.uint8)
    mask[20:40, 280:300] = mask[20:40, 400:424] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    found = marked_tiles(entry(mask=tmp_path / "mask.png"), WIDTH, HEIGHT, FRAME, 300)
    assert found is not None
    assert set(np.flatnonzero(found)) >= {5, 7}
    assert not found[[0, 1, 2, 3, 8]].any()


def test_without_marks_no_tile_is_chosen() -> None:
    assert marked_tiles(entry(), WIDTH, HEIGHT, FRAME, 300) is None
    assert marked_tiles(entry(boxes=(Box(500, 10, 6, 6),)), WIDTH, HEIGHT, FRAME, 300) is None
