"""A contact sheet: photos in a grid, each with its caption, for a person to check."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fastdefect.data.reading.images import USUAL, Reading, UnreadablePhoto, read_photo

Mark = Literal["good", "bad", "plain"]

# Blue and vermilion from Okabe and Ito's palette, which colour-blind readers can distinguish.
# A sign before the caption means the same without colour and does not cover the photo.
_MARKS: dict[Mark, tuple[str, str]] = {"good": ("#0072b2", "✓"), "bad": ("#d55e00", "✗")}
_PAPER, _INK, _MAT, _RULE, _SLATE = "#ffffff", "#222222", "#e8e8e8", "#b0b0b0", "#6e6e6e"

_MARGIN = 16
_GAP = 10  # between tiles
_FRAME = 3  # around a marked tile, inside the gap
_CAPTION, _TITLE = 12, 17  # font sizes in pixels
_LINE = 16  # height of a caption line
_BELOW = 5  # after the last caption line
_SECTION, _SECTION_LINE = 14, 24  # font size of a heading's title, height of its line
_ABOVE = 12  # before a new section
_READABLE = 900  # minimum width of a sheet with headings, which are complete sentences
_MOST_LINES = 4  # per paragraph of a heading


@dataclass(frozen=True)
class Tile:
    """One photo of the sheet: uint8 RGB ``(height, width, 3)`` of any size.

    Each line of ``caption`` is a line of text below it. ``mark`` frames the photo and adds a sign
    before the caption.
    """

    image: NDArray[np.uint8]
    caption: str
    mark: Mark = "plain"


@dataclass(frozen=True)
class Heading:
    """The text above a row of tiles, over the whole width of the sheet.

    A ``title`` begins a section with a horizontal rule. Each line of ``text`` is a wrapped
    paragraph below it; a long paragraph is shortened in the middle.
    """

    title: str = ""
    text: str = ""


def contact_sheet(
    rows: Sequence[Sequence[Tile]],
    *,
    title: str,
    tile: int = 160,
    headings: Mapping[int, Heading] | None = None,
) -> Image.Image:
    """Lay out ``rows`` of photos, each fitted into a square of ``tile`` pixels.

    Rows can differ in length; ``headings`` maps row indices to the headings above them. Text that
    is too wide is shortened in the middle, because both ends of a file name are more useful. The
    same input gives the same pixels on every machine.

    Raises ValueError without a photo.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise ValueError("Expected at least one photo for a contact sheet but got none")
    width = 2 * _MARGIN + columns * tile + (columns - 1) * _GAP
    width = max(width, _READABLE) if headings else width
    above = {
        row: _set_heading(heading, width - 2 * _MARGIN) for row, heading in (headings or {}).items()
    }
    lines = [max(map(_lines, row), default=0) for row in rows]
    head = _MARGIN + 2 * _TITLE
    height = head + sum(tile + n * _LINE + _BELOW + _GAP for n in lines) + _MARGIN - _GAP
    height += sum(block.height for block in above.values())
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = _font(_TITLE)
    short = shorten(clean(title), font, width - 2 * _MARGIN)
    draw.text((_MARGIN, _MARGIN), short, fill=_INK, font=font, anchor="lt")
    top = head
    for index, (row, count) in enumerate(zip(rows, lines, strict=True)):
        if index in above:
            _draw_heading(draw, above[index], top, width)
            top += above[index].height
        for column, item in enumerate(row):
            _draw_tile(sheet, draw, item, (_MARGIN + column * (tile + _GAP), top), tile)
        top += tile + count * _LINE + _BELOW + _GAP
    return sheet


@dataclass(frozen=True)
class _Block:
    """A heading in clean text, broken into lines that fit."""

    title: str
    lines: tuple[str, ...]

    @property
    def height(self) -> int:
        section = _ABOVE + _SECTION_LINE if self.title else 0
        return section + len(self.lines) * _LINE + _BELOW


def _set_heading(heading: Heading, width: int) -> _Block:
    paragraphs = [wrap(clean(text), _font(_CAPTION), width) for text in heading.text.splitlines()]
    title = shorten(clean(heading.title), _font(_SECTION), width)
    return _Block(title, tuple(line for lines in paragraphs for line in lines))


def _draw_heading(draw: ImageDraw.ImageDraw, block: _Block, top: int, width: int) -> None:
    if block.title:
        top += _ABOVE
        draw.line((_MARGIN, top, width - _MARGIN - 1, top), fill=_RULE)
        top += _SECTION_LINE
        place = (_MARGIN, top - 6)
        draw.text(place, block.title, fill=_INK, font=_font(_SECTION), anchor="ls")
    for number, line in enumerate(block.lines, start=1):
        place = (_MARGIN, top + number * _LINE - 4)
        draw.text(place, line, fill=_INK, font=_font(_CAPTION), anchor="ls")


def _draw_tile(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, item: Tile, corner: tuple[int, int], side: int
) -> None:
    left, top = corner
    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=_MAT)
    photo = _fitted(item.image, side)
    sheet.paste(photo, (left + (side - photo.width) // 2, top + (side - photo.height) // 2))
    font, indent = _font(_CAPTION), 0
    if item.mark in _MARKS:
        colour, sign = _MARKS[item.mark]
        box = (left - _FRAME, top - _FRAME, left + side + _FRAME - 1, top + side + _FRAME - 1)
        draw.rectangle(box, outline=colour, width=_FRAME)
        draw.text((left, top + side + _LINE + 1), sign, fill=colour, font=font, anchor="ls")
        indent = 14
    for number, line in enumerate(item.caption.splitlines(), start=1):
        text = shorten(clean(line), font, side - indent)
        place = (left + indent, top + side + number * _LINE + 1)
        draw.text(place, text, fill=_INK, font=font, anchor="ls")


def _lines(item: Tile) -> int:
    return max(len(item.caption.splitlines()), item.mark != "plain")


def _fitted(image: NDArray[np.uint8], side: int) -> Image.Image:
    photo = Image.fromarray(image)
    scale = side / max(photo.size)
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    return photo.resize(size, Image.Resampling.LANCZOS)


def read_tiles(
    paths: Sequence[Path | None], side: int, how: Reading = USUAL
) -> list[NDArray[np.uint8]]:
    """The photos at ``paths`` in their order, uint8 RGB, at most ``side`` pixels wide and high.

    ``how`` is that of the run, so that photos look as the model sees them. A photo that cannot be
    read, or that has no path, is replaced by a grey picture with the reason.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        how = replace(how, side=2 * side)
        return list(pool.map(partial(_read_tile, side=side, how=how), paths))


def _read_tile(path: Path | None, side: int, how: Reading) -> NDArray[np.uint8]:
    if path is None:
        return placeholder("file not found", side)
    try:
        photo = Image.fromarray(read_photo(path, how))
    except UnreadablePhoto as error:
        return placeholder(error.reason, side)
    photo.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(photo)


def placeholder(text: str, side: int) -> NDArray[np.uint8]:
    """A grey picture (side, side, 3) with ``text``, in place of one that cannot be shown."""
    picture = Image.new("RGB", (side, side), _SLATE)
    draw, font = ImageDraw.Draw(picture), _font(_CAPTION)
    lines = wrap(clean(text), font, side - 2 * _GAP)
    for number, line in enumerate(lines):
        height = side / 2 + (number - (len(lines) - 1) / 2) * _LINE
        draw.text((side / 2, height), line, fill=_PAPER, font=font, anchor="mm")
    return np.asarray(picture)


def clean(text: str) -> str:
    """``text`` with every character that cannot be drawn replaced by a question mark.

    File names can contain line breaks, control characters and, on Linux, bytes that are not text;
    Pillow raises on some of them.
    """
    return "".join(char if char.isprintable() else "?" for char in text)


def shorten(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """``text``, or as much of both ends as fits ``width`` pixels, with ``…`` between them."""
    if font.getlength(text) <= width:
        return text
    fits, too_long = 0, len(text)  # characters kept: bisection, as width grows with them
    while too_long - fits > 1:
        kept = (fits + too_long) // 2
        if font.getlength(_ends(text, kept)) <= width:
            fits = kept
        else:
            too_long = kept
    return _ends(text, fits)


def wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """``text`` in lines of up to ``width`` pixels, broken between words, up to a number of lines.

    A word that is wider than a line is shortened in the middle, and so is the rest in the last
    line: a message begins with the problem and ends with the solution.
    """
    words = text.split()
    lines: list[str] = []
    while words and len(lines) < _MOST_LINES - 1:
        taken = 1
        while taken < len(words) and font.getlength(" ".join(words[: taken + 1])) <= width:
            taken += 1
        lines.append(shorten(" ".join(words[:taken]), font, width))
        del words[:taken]
    return [*lines, shorten(" ".join(words), font, width)] if words else lines


def _ends(text: str, kept: int) -> str:
    head, tail = (kept + 1) // 2, kept // 2
    return text[:head] + "…" + text[len(text) - tail :]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # The font of matplotlib. Pillow's own has ASCII only, so an "ä" in a class name would be a
    # box. Every build of Pillow has the basic layout.
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
