"""What can be read of a photo without decoding it in full: its size and a small copy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from fastdefect.data.photos import Box
from fastdefect.data.reading.file_facts import HEADER_DAMAGE
from fastdefect.data.reading.formats import open_header

_ORIENTATION = 0x0112
_MOST_PIXELS = 300_000_000  # of a mask: the usual --max-megapixels


@dataclass(frozen=True)
class Header:
    """Width and height as stored, and the camera orientation (1 to 8)."""

    width: int
    height: int
    orientation: int

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the upright photo."""
        turned = self.orientation >= 5
        return (self.height, self.width) if turned else (self.width, self.height)


def read_small(path: Path) -> tuple[NDArray[Any], bool] | None:
    """The pixels as stored, and whether they are from a JPEG; None if it is not a photo or has
    too many pixels.

    A large JPEG is reduced to some 500 pixels and to grey, so that it is not decoded in full.
    """
    try:
        with open_header(path) as photo:
            if photo.width * photo.height > _MOST_PIXELS:
                return None
            if photo.format != "JPEG":
                return np.asarray(photo), False
            photo.draft("L", (512, 512))
            return np.asarray(photo.convert("L")), True
    except HEADER_DAMAGE:
        return None


def read_header(path: Path) -> Header | None:
    """The header of the photo, or None if it cannot be read."""
    try:
        with open_header(path) as photo:
            orientation = int(photo.getexif().get(_ORIENTATION, 1))
            width, height = photo.size
            if isinstance(photo, TiffImagePlugin.TiffImageFile):  # Pillow may have turned the size
                width = photo.tag_v2[TiffImagePlugin.IMAGEWIDTH]
                height = photo.tag_v2[TiffImagePlugin.IMAGELENGTH]
    except HEADER_DAMAGE:
        return None
    return Header(width, height, orientation if 1 <= orientation <= 8 else 1)


def upright_boxes(
    boxes: tuple[Box, ...], size: tuple[float, float], header: Header
) -> tuple[Box, ...]:
    """Boxes in a photo of ``size`` as boxes in the upright photo.

    ``size`` is what the annotation program took for the width and height. If these are the stored
    ones of a photo that is turned by a quarter, the boxes are turned. Then they are scaled.
    """
    width, height = size
    upright = header.upright
    turned = header.orientation >= 5 and (width > height) == (header.width > header.height)
    if turned and width != height:
        boxes = tuple(_turned(box, width, height, header.orientation) for box in boxes)
        width, height = height, width
    across, down = upright[0] / width, upright[1] / height
    return tuple(
        Box(box.x * across, box.y * down, box.w * across, box.h * down, box.kind) for box in boxes
    )


def _turned(box: Box, width: float, height: float, orientation: int) -> Box:
    """The box after the quarter turn that makes the photo upright."""
    right, below = width - box.x - box.w, height - box.y - box.h
    x, y = {5: (box.y, box.x), 6: (below, box.x), 7: (below, right), 8: (box.y, right)}[orientation]
    return Box(x, y, box.h, box.w, box.kind)
