"""A contact sheet: photos in a grid, each with its caption, to be looked at by a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Mark = Literal["good", "bad", "plain"]

# Blue and vermilion of Okabe and Ito's palette: as unlike to colour-blind eyes as to others.
# A sign before the caption says the same without colour, and covers nothing of the photo.
_MARKS: dict[Mark, tuple[str, str]] = {"good": ("#0072b2", "✓"), "bad": ("#d55e00", "✗")}
_PAPER, _INK, _MAT = "#ffffff", "#222222", "#e8e8e8"

_MARGIN = 16
_GAP = 10  # between tiles
_FRAME = 3  # around a marked tile, inside the gap
_CAPTION, _TITLE = 12, 17  # font sizes in pixels
_LINE = 16  # height of a line of caption
_BELOW = 5  # after the last line of caption


@dataclass(frozen=True)
class Tile:
    """One photo of the sheet: uint8 RGB ``(height, width, 3)`` of any size.

    ``caption`` stands below it, one line of text for each of its lines. ``mark`` frames the
    photo and puts a sign before the caption.
    """

    image: NDArray[np.uint8]
    caption: str
    mark: Mark = "plain"


def contact_sheet(rows: Sequence[Sequence[Tile]], *, title: str, tile: int = 160) -> Image.Image:
    """Lay out ``rows`` of photos, each fitted whole into a square of ``tile`` pixels.

    Rows may differ in length. Text that is wider than its place loses its middle: both ends
    of a file name tell more. The same input gives the same pixels on every machine.

    Raises ValueError if there is no photo at all.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise ValueError("Expected at least one photo for a contact sheet but got none")
    lines = [max(map(_lines, row), default=0) for row in rows]
    width = 2 * _MARGIN + columns * tile + (columns - 1) * _GAP
    head = _MARGIN + 2 * _TITLE
    height = head + sum(tile + n * _LINE + _BELOW + _GAP for n in lines) + _MARGIN - _GAP
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = _font(_TITLE)
    short = shorten(clean(title), font, width - 2 * _MARGIN)
    draw.text((_MARGIN, _MARGIN), short, fill=_INK, font=font, anchor="lt")
    top = head
    for row, count in zip(rows, lines, strict=True):
        for column, item in enumerate(row):
            _draw_tile(sheet, draw, item, (_MARGIN + column * (tile + _GAP), top), tile)
        top += tile + count * _LINE + _BELOW + _GAP
    return sheet


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


def _ends(text: str, kept: int) -> str:
    head, tail = (kept + 1) // 2, kept // 2
    return text[:head] + "…" + text[len(text) - tail :]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # The font that comes inside matplotlib. Pillow's own knows ASCII only: an "ä" in the
    # name of a class would be a box. The basic layout is the one that every Pillow has.
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
