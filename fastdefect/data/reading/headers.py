"""The size and orientation of a photo, without decoding it, and boxes in the upright photo."""

from dataclasses import dataclass
from pathlib import Path

from PIL import TiffImagePlugin

from fastdefect.data.photos import Box
from fastdefect.data.reading.file_facts import HEADER_DAMAGE
from fastdefect.data.reading.formats import open_header

_ORIENTATION = 0x0112


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
