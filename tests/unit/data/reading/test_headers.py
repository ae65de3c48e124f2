from pathlib import Path

import numpy as np
import pytest
from helpers.encode import oriented, picture, tiff
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.photos import Box
from fastdefect.data.reading.headers import Header, read_header, upright_boxes
from fastdefect.data.reading.images import decode_photo


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_the_size_is_that_of_the_upright_photo(tmp_path: Path, orientation: int, kind: str) -> None:
    if kind == "JPEG":
        data = oriented(picture(12, 16), "JPEG", orientation)
    else:
        data = tiff(picture(12, 16)[..., 0], orientation=orientation)
    (tmp_path / "photo").write_bytes(data)
    header = read_header(tmp_path / "photo")
    assert header.orientation == orientation
    assert (header.width, header.height) == (16, 12)
    assert header.upright == decode_photo(data, "photo").shape[1::-1]


@given(
    st.integers(1, 8),
    st.tuples(st.integers(0, 10), st.integers(0, 6), st.integers(1, 6), st.integers(1, 6)),
)
def test_boxes_turn_with_the_photo(orientation: int, sides: tuple[int, int, int, int]) -> None:
    """A marked place is where the reader of photos puts it."""
    x, y, w, h = sides
    pixels = np.zeros((12, 16, 3), np.uint8)
    pixels[y : y + h, x : x + w] = 255
    upright = decode_photo(oriented(pixels, "PNG", orientation), "photo")[..., 0] > 0
    rows, columns = np.nonzero(upright)
    header = Header(16, 12, orientation)
    given_box = Box(x, y, w, h, "crack")
    if orientation < 5:  # sizes agree both ways: the box is taken as drawn on the upright photo
        assert upright_boxes((given_box,), (16, 12), header) == (given_box,)
        return
    (box,) = upright_boxes((given_box,), (16, 12), header)
    assert (box.x, box.y) == (columns.min(), rows.min())
    assert (box.w, box.h) == (np.ptp(columns) + 1, np.ptp(rows) + 1)


def test_boxes_follow_the_size_of_the_photo() -> None:
    boxes = upright_boxes((Box(2, 3, 4, 5),), (16, 12), Header(32, 36, 1))
    assert boxes == (Box(4, 9, 8, 15),)


def test_what_is_no_photo(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no photo")
    assert read_header(tmp_path / "text") is None
    assert read_header(tmp_path / "none") is None
