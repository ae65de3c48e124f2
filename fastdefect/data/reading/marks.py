"""Masks: which of their pixels are marked, by one rule for labels and for the sizes of defects."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastdefect.data.reading.file_facts import HEADER_DAMAGE
from fastdefect.data.reading.formats import open_header
from fastdefect.data.reading.images import upright
from fastdefect.data.reading.object_store import Place
from fastdefect.data.reading.stored import USUAL, orientation_of

Marks = NDArray[np.bool_]

# At most this many values, if the name says mask: one value a kind of defect.
_MOST_KINDS = 16
# Of a mask with soft edges: how far from black or white, and how much of it at least.
_NEAR, _SHARE = 24, 0.97
_HALF = 128  # a soft edge is where the grey is halfway


def marks_of(path: Place, *, lenient: bool = True) -> bool | None:
    """Whether the mask marks anything; None if the file is not a mask.

    ``lenient`` is as in ``marked_pixels``. A large JPEG is reduced to some 500 pixels, so that it
    is not decoded in full.
    """
    try:
        with open_header(path) as photo:
            if _pixels(photo) > USUAL.max_megapixels * 1e6:
                return None
            if photo.format == "JPEG":
                photo.draft("L", (512, 512))
            marked = marked_pixels(_values(photo), soft=photo.format == "JPEG", lenient=lenient)
    except HEADER_DAMAGE:
        return None
    return None if marked is None else bool(marked.any())


def read_marks(path: Path, max_megapixels: float) -> Marks | None:
    """Which pixels of the upright mask are marked; None if the file is not a mask or larger."""
    try:
        with open_header(path) as photo:
            if _pixels(photo) > max_megapixels * 1e6:
                return None
            marked = marked_pixels(_values(photo), soft=photo.format == "JPEG")
            turn = orientation_of(photo, photo.format or "")
    except HEADER_DAMAGE:
        return None
    return None if marked is None else np.ascontiguousarray(upright(marked, turn))


def mask_pixels(path: Path) -> int:
    """The number of pixels that the header of a mask claims; 0 if it cannot be read."""
    try:
        with open_header(path) as photo:
            return _pixels(photo)
    except HEADER_DAMAGE:
        return 0


def marked_pixels(
    values: NDArray[Any], *, soft: bool = False, lenient: bool = True
) -> Marks | None:
    """Which pixels are marked, (height, width); None if the values are not those of a mask.

    A mask has two values, of which the higher one marks. A mask of one value marks all of it, or
    nothing if the value is 0. ``lenient`` also accepts colours, a value for each kind of defect,
    all above the lowest, and soft edges. ``soft``: the values are from a JPEG, which makes all
    edges soft.
    """
    if not values.size:
        return None
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return None  # NaN is neither above nor equal to a value: no comparison holds
    if soft:
        return _soft_marks(values)
    if values.ndim == 3 and not lenient and np.ptp(values[..., :3], axis=2).any():
        return None
    grey = values if values.ndim == 2 else _one_channel(values)
    low, high = grey.min(), grey.max()
    if low == high:
        return np.asarray(grey != 0)
    above = np.asarray(grey > low)
    if (grey[above] == high).all():
        return above
    if not lenient or grey.dtype != np.uint8:
        return None
    if np.count_nonzero(np.bincount(grey.reshape(-1))) <= _MOST_KINDS:
        return above
    return _soft_marks(grey)


def _pixels(photo: Image.Image) -> int:
    return photo.width * photo.height


def _values(photo: Image.Image) -> NDArray[Any]:
    """The values as stored; a JPEG and the numbers of grey levels as grey."""
    if photo.format == "JPEG" or (photo.mode == "P" and _is_grey(photo)):
        return np.asarray(photo.convert("L"))
    return np.asarray(photo)  # the numbers of colours as they are: 0 is the background


def _is_grey(photo: Image.Image) -> bool:
    palette = np.reshape(photo.getpalette("RGB") or [], (-1, 3))
    return not np.ptp(palette, axis=1).any()


def _one_channel(values: NDArray[Any]) -> NDArray[Any]:
    """The brightest channel: a mask may be red on black."""
    colour = values[..., : 1 if values.shape[2] == 2 else 3]
    return np.ascontiguousarray(colour.max(axis=2))


def _soft_marks(grey: NDArray[Any]) -> Marks | None:
    """Marks of a mask with soft edges, as JPEG and resizing leave them."""
    low, high = int(grey.min()), int(grey.max())
    if low > _NEAR or (_NEAR < high < 255 - _NEAR):
        return None
    if np.mean((grey <= _NEAR) | (grey >= 255 - _NEAR)) < _SHARE:
        return None
    return np.asarray(grey >= _HALF)
