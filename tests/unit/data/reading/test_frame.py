"""Photos in a frame: cut into tiles that cover them, and put together again."""

from random import Random

import numpy as np
import pytest
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.reading.frame import OVERLAP, Frame
from fastdefect.data.reading.images import PADDING, Resize, fit_to

SIDES = st.integers(1, 400)
FRAMES = st.builds(
    Frame, st.integers(16, 48), st.sampled_from(["squish", "pad"]), st.integers(1, 30)
)


def smooth(width: int, height: int) -> np.ndarray:
    """A photo whose brightness rises to the right and down, up to 250, with three channels."""
    across, down = np.linspace(0, 125, width)[None], np.linspace(0, 125, height)[:, None]
    return np.repeat((across + down)[..., None], 3, axis=2).round().astype(np.uint8)


@examples(100)
@given(FRAMES, SIDES, SIDES)
def test_the_tiles_cover_the_photo_and_are_not_enlarged(
    frame: Frame, width: int, height: int
) -> None:
    layout = frame.layout(width, height)
    assert 1 <= len(layout.places) == layout.rows * layout.columns <= frame.tiles
    times = np.zeros((height, width), int)
    for rows, columns in layout.places:
        times[rows, columns] += 1
        assert 0 <= rows.start < rows.stop <= height
        assert 0 <= columns.start < columns.stop <= width
        for length, whole in (
            (rows.stop - rows.start, height),
            (columns.stop - columns.start, width),
        ):
            assert length == whole or length >= frame.size
    assert times.min() >= 1


@examples(60)
@given(st.integers(2, 30), st.integers(40, 4000), st.integers(40, 4000), st.randoms())
def test_a_short_defect_is_whole_in_one_tile(
    tiles: int, width: int, height: int, draw: Random
) -> None:
    layout = Frame(32, "squish", tiles).layout(width, height)
    long = int(OVERLAP * layout.side) - 1  # the places are rounded to whole pixels
    if long < 1:
        return
    x, y = draw.randint(0, max(0, width - long)), draw.randint(0, max(0, height - long))
    assert any(
        rows.start <= y
        and min(y + long, height) <= rows.stop
        and columns.start <= x
        and min(x + long, width) <= columns.stop
        for rows, columns in layout.places
    )


@examples(40)
@given(st.integers(16, 40), st.sampled_from(["squish", "pad"]), st.integers(1, 16), st.data())
def test_a_photo_that_one_tile_covers_is_as_without_tiles(
    size: int, resize: Resize, tiles: int, data: st.DataObject
) -> None:
    width, height = data.draw(st.integers(1, size)), data.draw(st.integers(1, size))
    photo = smooth(width, height)
    stack = Frame(size, resize, tiles).fit(photo)
    assert stack.shape == (tiles * size, size, 3)
    np.testing.assert_array_equal(stack[:size], fit_to(photo, size, resize))
    assert (stack[size:] == PADDING).all()


def test_a_strip_gives_tiles_in_a_row_and_a_square_photo_a_square_of_them() -> None:
    strip = Frame(224, "squish", 16).layout(4000, 200)
    assert (strip.rows, strip.columns) == (1, 16)
    assert strip.side == pytest.approx(4000 / (16 - 15 / 8))
    square = Frame(224, "squish", 10).layout(2000, 2000)
    assert (square.rows, square.columns) == (3, 3)
    assert Frame(224, "squish", 16).layout(500, 4000).rows == 9  # tiles of its whole width


@pytest.mark.parametrize("resize", ["squish", "pad"])
@pytest.mark.parametrize(("width", "height"), [(300, 40), (41, 260), (150, 170)])
def test_what_is_cut_can_be_put_together(resize: Resize, width: int, height: int) -> None:
    photo, frame = smooth(width, height), Frame(32, resize, 12)
    again = frame.on_photo(
        frame.fit(photo)[..., 0].astype(np.float32), width, height, (height, width)
    )
    assert np.abs(again - photo[..., 0]).max() < 8  # the brightness of some pixels at an edge
    assert np.abs(again - photo[..., 0]).mean() < 2


def test_a_mark_lies_in_the_tiles_that_show_it_also_if_the_mask_is_smaller() -> None:
    frame, marks = Frame(32, "squish", 8), np.zeros((40, 300), bool)
    marks[10:20, 200:215] = True
    photo = np.where(marks[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    seen = frame.fit(photo)[..., 0] > 128
    placed = frame.mark(marks, 300, 40)
    assert (placed & seen).sum() / (placed | seen).sum() > 0.6
    small = frame.mark(marks[::2, ::2], 300, 40)
    assert (placed & small).sum() / (placed | small).sum() > 0.6
    assert not frame.mark(np.zeros((40, 300), bool), 300, 40).any()


def test_a_change_of_each_tile_leaves_empty_tiles_and_the_photo_itself_alone() -> None:
    frame = Frame(16, "squish", 5)
    stack = frame.fit(smooth(58, 16))
    filled = frame.filled(stack)
    assert filled.tolist() == [True, True, True, True, False]
    before, shapes = stack.copy(), []

    def darker(tile: np.ndarray) -> np.ndarray:
        shapes.append(tile.shape)
        return tile // 2

    changed = frame.each_tile(stack, darker)
    np.testing.assert_array_equal(stack, before)
    np.testing.assert_array_equal(changed[:64], before[:64] // 2)
    np.testing.assert_array_equal(changed[64:], before[64:])
    assert shapes == [(16, 16, 3)] * 4


def test_a_reduction_is_that_of_a_tile() -> None:
    assert Frame(100, "squish").reduction(1600, 800) == (16, 8)
    assert Frame(100, "pad").reduction(1600, 800) == (16, 16)
    across, down = Frame(100, "squish", 8).reduction(1600, 800)
    assert across == down < 5


def test_large_photos_are_computed_fewer_at_a_time() -> None:
    # 32 of 320 px are 3.28 million pixels: 8 of 640 px, 3.1 of 1024 px, 0.5 of 2560 px
    sizes = (64, 224, 320, 640, 1024, 2560)
    assert [Frame(size, "squish").at_once(32) for size in sizes] == [32, 32, 32, 8, 3, 1]
    assert [Frame(224, "squish", tiles).at_once(32) for tiles in (4, 9, 64)] == [8, 3, 1]
    assert Frame(640, "squish", 4).at_once(32) == 2
