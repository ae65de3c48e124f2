"""What Pillow and OpenCV ignore in TIFF files, and the TIFFs that Pillow does not support."""

import io
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from fastdefect.data.reading.damage import RefusedError

Tags = TiffImagePlugin.ImageFileDirectory_v2

_FLOAT = 3  # a value of the tag SampleFormat
_RAW_SENSOR = 32803  # a value of the tag PhotometricInterpretation (TIFF/EP)


def read_tags(data: bytes, file: BinaryIO | None = None) -> Tags:
    """The tags of the first picture of a TIFF or BigTIFF, without decoding it.

    ``data`` is the whole file, or its first 16 bytes if ``file`` is open.
    """
    big = data[2:3] == b"+"
    tags = Tags(data[: 16 if big else 8])
    stream = io.BytesIO(data) if file is None else file
    stream.seek(tags.next)
    tags.load(stream)
    return tags


def size_of(tags: Tags) -> tuple[int, int]:
    """Width and height, before any turn."""
    return int(tags[TiffImagePlugin.IMAGEWIDTH]), int(tags[TiffImagePlugin.IMAGELENGTH])


def check_tiff(tags: Tags, size: int) -> None:
    """Reject what a file of ``size`` bytes cannot hold, which both libraries accept.

    Pillow leaves rows without data black; OpenCV first allocates up to 2^30 pixels. Both read
    deep channels in planar order as interleaved ones, which gives garbage.
    """
    width, height = size_of(tags)
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == _RAW_SENSOR:
        raise RefusedError("raw data of a camera's sensor, which must be developed")
    planar = tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) == 2
    if planar and len(bits) > 1 and max(bits) > 8:
        raise RefusedError("planar colour of more than 8 bits, which is not supported")
    if tags.get(TiffImagePlugin.COMPRESSION, 1) == 1 and width * height * sum(bits) > 8 * size:
        raise ValueError("truncated: fewer bytes than pixels")


def check_strips(tags: Tags, size: int) -> None:
    """Reject a file of ``size`` bytes that does not hold all of its strips or tiles."""
    starts = _numbers(tags, TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.TILEOFFSETS)
    lengths = _numbers(tags, TiffImagePlugin.STRIPBYTECOUNTS, TiffImagePlugin.TILEBYTECOUNTS)
    if max(start + length for start, length in zip(starts, lengths, strict=True)) > size:
        raise ValueError("truncated")  # OpenCV would fill the rest


def _numbers(tags: Tags, of_strips: int, of_tiles: int) -> tuple[int, ...]:
    """The offsets or lengths of the strips of the pixels, or of the tiles without strips."""
    values: int | tuple[int, ...] = tags[of_strips] if of_strips in tags else tags[of_tiles]
    return values if isinstance(values, tuple) else (values,)


def is_deep(tags: Tags) -> bool:
    """Whether a channel has more than 8 bits."""
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    return max(bits) > 8 or _FLOAT in tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))


def is_deep_colour(tags: Tags) -> bool:
    """Whether several channels have more than 8 bits each."""
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    return len(bits) > 1 and max(bits) > 8


def is_single(tags: Tags) -> bool:
    """Whether there is one channel."""
    return bool(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1) == 1)


def white_is_zero(tags: Tags) -> bool:
    """Whether high values are dark."""
    return tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0


def unwrapped(values: NDArray[Any], tags: Tags) -> NDArray[Any]:
    """Deep grey values from Pillow, which has no unsigned mode of 32 bits and wraps."""
    unsigned = tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,)) == (1,)
    if tags.get(TiffImagePlugin.BITSPERSAMPLE) == (32,) and unsigned:
        return values.view(np.uint32)
    return values
