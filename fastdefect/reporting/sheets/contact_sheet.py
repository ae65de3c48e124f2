"""A contact sheet: photos in a grid, each with its caption, to be looked at by a person."""

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

# Blue and vermilion of Okabe and Ito's palette: as unlike to colour-blind eyes as to others.
# A sign before the caption says the same without colour, and covers nothing of the photo.
_MARKS: dict[Mark, tuple[str, str]] = {"good": ("#0072b2", "✓"), "bad": ("#d55e00", "✗")}
_PAPER, _INK, _MAT, _RULE, _SLATE = "#ffffff", "#222222", "#e8e8e8", "#b0b0b0", "#6e6e6e"

_MARGIN = 16
_GAP = 10  # between tiles
_FRAME = 3  # around a marked tile, inside the gap
_CAPTION, _TITLE = 12, 17  # font sizes in pixels
_LINE = 16  # height of a line of caption
_BELOW = 5  # after the last line of caption
_SECTION, _SECTION_LINE = 14, 24  # font size of a heading's title, height of its line
_ABOVE = 12  # before a new section
_READABLE = 900  # width that a sheet with headings has at least: they are whole sentences
_MOST_LINES = 4  # of a heading's paragraph


@dataclass(frozen=True)
class Tile:
    """One photo of the sheet: uint8 RGB ``(height, width, 3)`` of any size.

    ``caption`` stands below it, one line of text for each of its lines. ``mark`` frames the
    photo and puts a sign before the caption.
    """

    image: NDArray[np.uint8]
    caption: str
    mark: Mark = "plain"


@dataclass(frozen=True)
class Heading:
    """What stands above a row of tiles, over the whole width of the sheet.

    A ``title`` begins a section, under a rule of its own. Each line of ``text`` is a paragraph
    below it, wrapped; one that goes on for long loses its middle.
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
    """Lay out ``rows`` of photos, each fitted whole into a square of ``tile`` pixels.

    Rows may differ in length; ``headings`` stand above the rows of these indices. Text that is
    wider than its place loses its middle: both ends of a file name tell more. The same input
    gives the same pixels on every machine.

    Raises ValueError if there is no photo at all.
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
    """A heading, cleaned and broken into lines that fit."""

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
    """The photos at ``paths`` in their order, uint8 RGB, none larger than ``side`` pixels.

    ``how`` is that of the run, so that they look as the model sees them. In place of one that
    can't be read, or that has no path, is a grey picture that says why.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        how = replace(how, side=2 * side)
        return list(pool.map(partial(_read_tile, side=side, how=how), paths))


def _read_tile(path: Path | None, side: int, how: Reading) -> NDArray[np.uint8]:
    if path is None:
        return placeholder("not where it was", side)
    try:
        photo = Image.fromarray(read_photo(path, how))
    except UnreadablePhoto as error:
        return placeholder(error.reason, side)
    photo.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(photo)


def placeholder(text: str, side: int) -> NDArray[np.uint8]:
    """A grey picture (side, side, 3) with ``text`` on it, in place of one that can't be shown."""
    picture = Image.new("RGB", (side, side), _SLATE)
    draw, font = ImageDraw.Draw(picture), _font(_CAPTION)
    lines = wrap(clean(text), font, side - 2 * _GAP)
    for number, line in enumerate(lines):
        height = side / 2 + (number - (len(lines) - 1) / 2) * _LINE
        draw.text((side / 2, height), line, fill=_PAPER, font=font, anchor="mm")
    return np.asarray(picture)


def clean(text: str) -> str:
    """``text`` with every character that can't be drawn replaced by a question mark.

    File names may hold line breaks, control characters and, on Linux, bytes that are no
    text at all; Pillow raises on some of them.
    """
    return "".join(char if char.isprintable() else "?" for char in text)


def shorten(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """``text``, or as much of both its ends as fits ``width`` pixels, with ``…`` between."""
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
    """``text`` in lines of up to ``width`` pixels, broken between words; of many, the last is cut.

    A word that is wider than a line loses its middle, and so does what is left for the last
    line: a message begins with what is wrong and ends with what to do.
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
    # The font that comes inside matplotlib. Pillow's own knows ASCII only: an "ä" in the
    # name of a class would be a box. The basic layout is the one that every Pillow has.
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
