"""Contact sheets: each photo in its place and whole, each caption readable."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFont

from fastdefect.reporting.sheets.contact_sheet import (
    Heading,
    Tile,
    _font,
    clean,
    contact_sheet,
    placeholder,
    read_tiles,
    shorten,
    wrap,
)

GREY = np.full((40, 40, 3), 128, np.uint8)


def noise(height: int = 64, width: int = 64) -> NDArray[np.uint8]:
    return np.random.default_rng(height + width).integers(0, 256, (height, width, 3), np.uint8)


def pixels(sheet: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(sheet)


def find(photo: NDArray[np.uint8], sheet: Image.Image) -> list[tuple[int, int]]:
    """Every ``(top, left)`` at which ``photo`` stands in ``sheet``, to the pixel."""
    page = pixels(sheet)
    height, width = photo.shape[:2]
    starts = np.argwhere((page == photo[0, 0]).all(axis=2))
    return [
        (int(top), int(left))
        for top, left in starts
        if np.array_equal(page[top : top + height, left : left + width], photo)
    ]


def test_photos_stand_in_rows_and_columns_pixel_for_pixel() -> None:
    images = [[noise(64, 64), noise(64, 64)[::-1]], [noise(64, 64)[:, ::-1]]]
    rows = [[Tile(np.ascontiguousarray(image), "x") for image in row] for row in images]
    sheet = contact_sheet(rows, title="t", tile=64)
    (first,), (second,), (third,) = (find(image, sheet) for row in images for image in row)
    assert first[0] == second[0]
    assert second[1] == first[1] + 64 + 10
    assert third[1] == first[1]
    assert third[0] > first[0] + 64 + 16  # below the caption


def test_a_photo_of_another_shape_is_fitted_whole() -> None:
    wide = np.zeros((50, 100, 3), np.uint8)
    page = pixels(contact_sheet([[Tile(wide, "")]], title="", tile=80))
    black = np.argwhere((page == 0).all(axis=2))
    assert black[:, 1].max() - black[:, 1].min() + 1 == 80
    assert black[:, 0].max() - black[:, 0].min() + 1 == 40


def test_the_same_input_gives_the_same_pixels() -> None:
    rows = [[Tile(noise(), "caption", "bad"), Tile(noise(30, 90), "Gehäuse", "good")]]
    sheets = [pixels(contact_sheet(rows, title="title")) for _ in range(2)]
    np.testing.assert_array_equal(*sheets)


def test_marks_frame_the_photo_and_cover_none_of_it() -> None:
    photo = noise()
    sheets = {
        mark: contact_sheet([[Tile(photo, "x", mark)]], title="t", tile=64)
        for mark in ("plain", "good", "bad")
    }
    blue, vermilion = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)
    for mark, colour in (("good", blue), ("bad", vermilion)):
        (place,) = find(photo, sheets[mark])
        assert [place] == find(photo, sheets["plain"])
        page = pixels(sheets[mark])
        assert tuple(page[place[0] - 2, place[1] + 30]) == colour
        assert tuple(page[place[0] + 30, place[1] + 64 + 1]) == colour
    # Not by colour alone: the signs before the captions differ in shape as well.
    below = [
        pixels(sheets[mark].convert("L"))[find(photo, sheets[mark])[0][0] + 70 :] < 200
        for mark in ("good", "bad")
    ]
    assert not np.array_equal(*below)


def test_each_line_of_a_caption_gets_a_line() -> None:
    def height(caption: str) -> int:
        return contact_sheet([[Tile(GREY, caption), Tile(GREY, "one")]], title="t").height

    assert height("one\ntwo\nthree") - height("one") == 2 * (height("one\ntwo") - height("one"))
    assert height("one\ntwo") > height("one") == height("")


@pytest.mark.parametrize(
    ("one", "other"), [("ä", "ö"), ("é", "è"), ("č", "ž"), ("Ж", "Я"), ("µ", "°"), ("ß", "Ω")]
)
def test_letters_of_many_languages_are_drawn(one: str, other: str) -> None:
    # With a font that lacks them both come out as the same box.
    sheets = [contact_sheet([[Tile(GREY, text)]], title=text) for text in (one, other)]
    assert not np.array_equal(pixels(sheets[0]), pixels(sheets[1]))


@pytest.mark.parametrize("text", ["", "a\x00b\x07", "bad\udcffname.png", "缺陷", "🔩", "x" * 5000])
def test_any_name_of_a_file_can_stand_on_it(text: str) -> None:
    contact_sheet([[Tile(GREY, text, "bad")]], title=text)


def test_rows_may_be_empty_but_not_all_of_them() -> None:
    contact_sheet([[], [Tile(GREY, "x")]], title="t")
    for rows in ([], [[], []]):
        with pytest.raises(ValueError, match="at least one photo"):
            contact_sheet(rows, title="t")


def test_long_captions_stay_within_their_column() -> None:
    rows = [[Tile(GREY, "W" * 90), Tile(GREY, "")]]
    page = pixels(contact_sheet(rows, title="t", tile=100))
    left = 16 + 100
    assert (page[60 + 100 :, left : left + 10] == 255).all()


def test_shortening_keeps_both_ends() -> None:
    font = _font(12)
    name = "def_front/cast_def_0_1015_second_shift.jpeg"
    short = shorten(name, font, 160)
    head, tail = short.split("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert abs(len(head) - len(tail)) <= 1
    assert font.getlength(short) <= 160 < font.getlength(name)


@given(st.text(max_size=60), st.integers(20, 300))
def test_shortened_text_always_fits_and_loses_no_more_than_it_must(text: str, width: int) -> None:
    font: ImageFont.FreeTypeFont = _font(12)
    text = clean(text)
    short = shorten(text, font, width)
    assert font.getlength(short) <= width
    if font.getlength(text) <= width:
        assert short == text
    else:
        head, tail = short.split("…", 1) if text.count("…") == 0 else ("", "")
        assert text.startswith(head)
        assert text.endswith(tail)


def test_a_heading_stands_above_its_row_and_moves_what_is_below() -> None:
    images = [noise(64, 64), np.ascontiguousarray(noise(64, 64)[::-1])]
    rows = [[Tile(image, "x")] for image in images]
    plain = contact_sheet(rows, title="t", tile=64)
    headed = contact_sheet(rows, title="t", tile=64, headings={1: Heading("Section", "one\ntwo")})
    (before, after), (same, moved) = (
        [find(image, sheet)[0] for image in images] for sheet in (plain, headed)
    )
    assert same == before
    assert moved[1] == after[1]
    assert moved[0] - after[0] == headed.height - plain.height > 2 * 16
    # Between the caption above and the photo there is text, and it stops short of both.
    between = pixels(headed.convert("L"))[same[0] + 64 + 22 : moved[0]] < 128
    assert between.any()
    assert not between[-3:].any()


def test_headings_stay_within_the_sheet_however_long_they_are() -> None:
    long = Heading("W" * 500, f"{'word ' * 2000}\n{'W' * 500}")
    sheet = contact_sheet([[Tile(GREY, "x")]], title="t", tile=64, headings={0: long})
    assert sheet.width == 900  # whole sentences need more than a tile's width
    page = pixels(sheet)
    assert (page[:, :16] == 255).all()
    assert (page[:, -16:] == 255).all()
    assert (page[-16:] == 255).all()
    assert sheet.height < 64 + 300


def test_wrapping_breaks_between_words_and_marks_omissions() -> None:
    font = _font(12)
    text = "Label conflicts: a.png and b.png are one photo. Look at them, and mend a label."
    lines = wrap(text, font, 200)
    assert " ".join(lines) == text
    assert len(lines) > 1
    # Each line is full: the first word of the next has no room on it.
    for line, following in pairwise(lines):
        assert font.getlength(line) <= 200 < font.getlength(f"{line} {following.split()[0]}")
    cut = wrap("begin " + "and so on " * 100 + "the end.", font, 200)
    assert len(cut) == 4
    assert cut[0].startswith("begin and")
    assert "…" in cut[3]
    assert cut[3].endswith("the end.")
    assert wrap("", font, 200) == []


@given(st.text(max_size=400), st.integers(20, 300))
def test_wrapped_lines_always_fit(text: str, width: int) -> None:
    font = _font(12)
    lines = wrap(clean(text), font, width)
    assert len(lines) <= 4
    assert all(line and font.getlength(line) <= width for line in lines)


def test_a_placeholder_is_grey_with_its_text_in_the_middle() -> None:
    empty, said = placeholder("", 120), placeholder("too many pixels (decompression bomb)", 120)
    assert empty.shape == said.shape == (120, 120, 3)
    assert (empty == empty[0, 0]).all()
    rows, columns = np.nonzero((said != empty).any(axis=2))
    assert 10 <= columns.min() < columns.max() < 110
    assert abs((rows.min() + rows.max()) / 2 - 60) < 6
    assert rows.max() - rows.min() > 16  # in two lines or more


def test_photos_are_read_in_their_order_and_no_larger_than_a_tile(tmp_path: Path) -> None:
    sizes = [(300, 150), (20, 40), (100, 100)]
    paths: list[Path | None] = []
    for number, size in enumerate(sizes):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", size, (50 * number, 0, 0)).save(tmp_path / f"{number}.png")
    found = read_tiles([paths[2], paths[0], paths[1], paths[0]], 100)
    # A small one is left as it is: the sheet enlarges it.
    assert [each.shape for each in found] == [
        *((100, 100, 3), (50, 100, 3), (40, 20, 3), (50, 100, 3))
    ]
    assert [int(each[0, 0, 0]) for each in found] == [100, 0, 50, 0]


def test_an_unreadable_photo_is_grey_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no photo")
    nowhere, broken, gone = read_tiles([None, tmp_path / "broken.png", tmp_path / "gone.png"], 120)
    assert np.array_equal(nowhere, placeholder("file not found", 120))
    for each in (broken, gone):
        assert each.shape == (120, 120, 3)
        assert not np.array_equal(each, nowhere)
    assert read_tiles([], 120) == []
