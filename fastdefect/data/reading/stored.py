"""The values of a photo as its file stores them, before they are scaled and turned.

Pillow decodes (on 512 px JPEGs: 75 % of OpenCV's speed in one thread; unlike OpenCV it rejects
truncated files instead of filling the rest with grey). OpenCV only reads files that Pillow
reduces to 8 bits or does not support: deep colour and rare TIFFs.
"""

from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from fastdefect.aliases import Pixels
from fastdefect.config import DataConfig
from fastdefect.data.reading import netpbm, tiff
from fastdefect.data.reading.damage import DAMAGE, RefusedError
from fastdefect.data.reading.formats import open_image
from fastdefect.data.reading.signatures import lacks_jpeg_blocks

# Above so many pixels (the limit of Pillow, and of earlier versions) a photo is decoded in a
# reduced size, and its file must have a byte for so many pixels: less is a decompression bomb.
LARGE = 178_956_970
_PIXELS_A_BYTE = 250


@dataclass(frozen=True)
class Reading:
    """How photos are decoded: the same for all photos of a run, now and later.

    ``white`` is the value that is white in deep photos (see ``to_8bit``). Photos of more than
    ``max_megapixels`` are refused. Very large ones (``LARGE``) may be decoded in a reduced size,
    but no side becomes shorter than ``side``; without it they keep their size. ``threads`` changes
    nothing but the time.
    """

    white: float | None = None
    max_megapixels: float = DataConfig.max_megapixels
    side: int | None = None
    threads: int | None = None

    @classmethod
    def of(cls, config: DataConfig) -> "Reading":
        """As the settings say; reduced to twice what the model and the audit need."""
        across = config.image_size * ceil(sqrt(config.tile_count))
        return cls(config.white, config.max_megapixels, 2 * max(across, 256))


USUAL = Reading()


@dataclass(frozen=True)
class Stored:
    """The values of a photo as stored, not turned: (height, width) or (height, width, 3).

    ``alpha`` is 0..255. ``inverted``: high values are dark. ``orientation`` is that of EXIF.
    """

    values: NDArray[Any]
    size: tuple[int, int]
    alpha: Pixels | None = None
    inverted: bool = False
    orientation: int = 1


def read_stored(data: bytes, kind: str, how: Reading) -> Stored:
    """The values in the file, of very large photos in a reduced size."""
    if kind in ("PNM", "PFM"):
        header = netpbm.read_header(data)
        _check_size((header.width, header.height), len(data), how)
        return Stored(netpbm.read_values(data, header), (header.width, header.height))
    try:
        photo = open_image(data, kind)
    except UnidentifiedImageError:
        if kind != "TIFF":
            raise
        return _rare_tiff(data, how)
    with photo:
        size = photo.size
        _check_size(size, len(data), how)
        deep = _is_deep_colour(photo, data)
        if isinstance(photo, TiffImagePlugin.TiffImageFile):
            tiff.check_tiff(photo.tag_v2, len(data))
        if kind == "JPEG" and is_large(size) and how.side:
            photo.draft(None, (how.side, how.side))
        if kind == "JPEG" and lacks_jpeg_blocks(data, size[0] * size[1]):
            raise ValueError("truncated")  # the decoder would fill the rest with grey
        photo.load()  # also if OpenCV decodes: only Pillow detects a truncated file
        stored = _opencv(data, size) if deep else None
        if stored is None:
            stored = _pillow(photo, size, how)
        return replace(stored, orientation=orientation_of(photo, kind))


def _check_size(size: tuple[int, int], n_bytes: int, how: Reading) -> None:
    """Refuse photos that need too much memory, before anything is decoded."""
    pixels = size[0] * size[1]
    if pixels > how.max_megapixels * 1e6:
        raise RefusedError(
            f"too large: {size[0]} x {size[1]} is {pixels / 1e6:.3g} megapixels, more than "
            f"--max-megapixels {how.max_megapixels:g}"
        )
    if is_large(size) and pixels > _PIXELS_A_BYTE * n_bytes:
        raise RefusedError(
            f"{size[0]} x {size[1]} in {n_bytes:,} bytes: too many pixels (decompression bomb)"
        )


def is_large(size: tuple[int, int]) -> bool:
    """Whether a photo of this width and height may be decoded in a reduced size."""
    return size[0] * size[1] > LARGE


def _pillow(photo: Image.Image, size: tuple[int, int], how: Reading) -> Stored:
    """The values of a loaded Pillow image of any mode; those of 8 bits as RGB."""
    if photo.mode == "LAB":
        raise RefusedError("LAB colour, which is not supported")
    if photo.mode == "I" or photo.mode == "F" or photo.mode.startswith("I;16"):
        values, inverted = np.asarray(photo), False
        if isinstance(photo, TiffImagePlugin.TiffImageFile):
            values = tiff.unwrapped(values, photo.tag_v2)
            inverted = tiff.white_is_zero(photo.tag_v2)
        return Stored(values, size, inverted=inverted)
    if photo.has_transparency_data:
        return Stored(over_white(photo.convert("RGBA")), size)
    if photo.mode in ("L", "RGB") and is_large(size) and how.side:
        photo = photo.reduce(factor_of(photo.size, how.side))
    # convert() copies even without a conversion, which doubles the cost of reading.
    return Stored(np.array(photo if photo.mode == "RGB" else photo.convert("RGB")), size)


def _opencv(data: bytes, size: tuple[int, int]) -> Stored | None:
    """The values of a deep photo; None if OpenCV does not support its kind."""
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        return None
    if values.ndim == 2:
        return Stored(values, size)
    colour = values[..., 2::-1]
    if values.shape[2] < 4 or values.dtype.kind == "f":
        return Stored(colour, size)
    # Alpha is scaled by its dtype, whatever the range of the colours.
    alpha = values[..., 3] * (255 / np.iinfo(str(values.dtype)).max)
    return Stored(colour, size, alpha=np.rint(alpha).astype(np.uint8))


def _rare_tiff(data: bytes, how: Reading) -> Stored:
    """Read a TIFF that Pillow does not support, such as 64-bit float or float RGB."""
    tags = tiff.read_tags(data)
    size = tiff.size_of(tags)
    _check_size(size, len(data), how)
    tiff.check_tiff(tags, len(data))
    tiff.check_strips(tags, len(data))
    stored = _opencv(data, size)
    if stored is None:
        raise ValueError("neither Pillow nor OpenCV supports this TIFF")
    return replace(stored, inverted=tiff.is_single(tags) and tiff.white_is_zero(tags))


def _is_deep_colour(photo: Image.Image, data: bytes) -> bool:
    """Whether several channels have more than 8 bits each, which Pillow would drop."""
    if isinstance(photo, TiffImagePlugin.TiffImageFile):
        return tiff.is_deep_colour(photo.tag_v2)
    # Byte 24 of a PNG is its bit depth, byte 25 its colour type (0: grey without alpha).
    return photo.format == "PNG" and data[24] == 16 and data[25] != 0


def factor_of(size: tuple[int, int], side: int) -> int:
    """How many times smaller a photo can be, at its aspect, if no side is to be below ``side``."""
    return max(1, min(size) // side)


def over_white(rgba: Image.Image) -> Pixels:
    """Compose an RGBA image over white. Alpha 0 everywhere is an unused fourth channel."""
    alpha = rgba.getchannel("A")
    colour = rgba.convert("RGB")
    if alpha.getextrema() == (0, 0):
        return np.array(colour)
    white = Image.new("RGB", rgba.size, "white")
    white.paste(colour, mask=alpha)
    return np.array(white)


def orientation_of(photo: Image.Image, kind: str) -> int:
    """The orientation (1 to 8) of the pixels of a loaded photo, by its EXIF."""
    # Both libraries apply the orientation of a TIFF on load; so does the decoder of JXL, where
    # EXIF does not count (ISO 18181-2). HEIC's decoder sets it to 1 once it is applied.
    if kind in ("TIFF", "JXL"):
        return 1
    try:
        return int(photo.getexif().get(0x0112, 1))
    except DAMAGE:  # damaged EXIF, valid pixels: keep the orientation
        return 1
