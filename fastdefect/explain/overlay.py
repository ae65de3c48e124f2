"""A heat map drawn over its photo, with a legend."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fastdefect.aliases import Floats32, Pixels
from fastdefect.data.reading.frame import TileBox
from fastdefect.explain.maps import shown_size

# Plasma: readable in grey, and for colour-blind readers. Nuñez et al. 2018 discuss such maps.
_COLOURS = ("#0d0887", "#6a00a8", "#b12a90", "#e16462", "#fca636", "#f0f921")
_MOST = 0.6  # opacity at the highest value: the texture below stays visible
_DIM = 0.75  # of the photo, so that a yellow place stands out on bright metal
_EDGE = 0.5  # of the highest value: where the line is drawn
_LEAST = 0.25  # with less, there is no line
_TILE = (0, 200, 255)  # the frame of a tile; a colour that is on no map and seldom on metal
_BAR, _LINE, _GAP = 10, 15, 6
_PAPER, _INK, _WARNING = "#ffffff", "#222222", "#b03000"


def to_show(photo: Pixels) -> Pixels:
    """``photo`` in its shape, its longer side at most 480 pixels."""
    height, width = photo.shape[:2]
    size = shown_size(width, height)
    if size == (width, height):
        return photo
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def overlay(photo: Pixels, values: Floats32) -> Pixels:
    """``photo`` (h, w, 3) in grey with the map over it; a line surrounds its strongest places.

    ``values``, 0 or more, are resized to the photo; those above 1 have the colour of 1. The line is
    at half of their highest; without a value of at least a quarter there is none.
    """
    height, width = photo.shape[:2]
    evidence = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
    heat = np.clip(evidence, 0, 1)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32) * np.float32(_DIM)
    opacity = (np.float32(_MOST) * heat)[..., None]
    mixed = grey[..., None] * (1 - opacity) + colours_of(heat) * opacity
    picture = np.ascontiguousarray(np.rint(mixed).astype(np.uint8))
    highest = float(evidence.max(initial=0))
    if highest >= _LEAST:
        line = max(1, round(max(height, width) / 300))
        edges, _ = cv2.findContours(
            (evidence >= _EDGE * highest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(picture, edges, -1, (255, 255, 255), line, cv2.LINE_AA)
    return picture


def framed(picture: Pixels, tile: TileBox, size: tuple[int, int]) -> Pixels:
    """``picture`` (h, w, 3) of a photo of ``size`` (width, height) with a frame around ``tile``."""
    height, width = picture.shape[:2]
    across, down = width / size[0], height / size[1]
    line = max(1, round(max(height, width) / 240))
    corners = (
        (round(tile.x * across), round(tile.y * down)),
        (
            min(round((tile.x + tile.width) * across), width) - 1,
            min(round((tile.y + tile.height) * down), height) - 1,
        ),
    )
    return np.asarray(cv2.rectangle(picture.copy(), *corners, _TILE, line), np.uint8)


def colours_of(values: NDArray[Any]) -> NDArray[np.float32]:
    """The colours (..., 3), 0 to 255, of values in [0, 1]."""
    table = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in _COLOURS], np.float32)
    at = np.linspace(0, 1, len(table))
    channels = [np.interp(values, at, table[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def with_legend(
    photo: Pixels, laid: Pixels, lines: list[str], *, full: str, warning: str = ""
) -> Pixels:
    """The photo, beside it its overlay ``laid``, below them the scale and ``lines`` of text.

    ``full`` says what a value of 1 is. ``warning`` is a line of its own in another colour and
    begins with a sign.
    """
    height, width = photo.shape[:2]
    font = ImageFont.load_default(12)
    texts = [(line, _INK) for line in lines] + ([(f"! {warning}", _WARNING)] if warning else [])
    whole = max(2 * width + _GAP, 340)
    texts = [(part, ink) for text, ink in texts for part in _wrapped(text, font, whole - 2 * _GAP)]
    below = 3 * _GAP + _LINE + len(texts) * _LINE
    sheet = Image.new("RGB", (whole, height + below), _PAPER)
    sheet.paste(Image.fromarray(photo), (0, 0))
    sheet.paste(Image.fromarray(laid), (width + _GAP, 0))
    draw = ImageDraw.Draw(sheet)
    _scale(sheet, draw, font, height + _GAP, full)
    for number, (text, ink) in enumerate(texts):
        top = height + 2 * _GAP + _LINE + number * _LINE
        draw.text((_GAP, top), text, fill=ink, font=font)
    return np.asarray(sheet)


def _scale(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    top: int,
    high: str,
) -> None:
    low, width = "no evidence", 110
    ramp = np.repeat(np.linspace(0, 1, width, dtype=np.float32)[None], _BAR, axis=0)
    left = _GAP + round(font.getlength(low)) + _GAP
    draw.text((_GAP, top), low, fill=_INK, font=font)
    sheet.paste(Image.fromarray(colours_of(ramp).astype(np.uint8)), (left, top + 2))
    draw.text((left + width + _GAP, top), high, fill=_INK, font=font)


def _wrapped(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
