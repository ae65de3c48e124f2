"""Photos as the bytes of files, for tests of what reads them."""

import io
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def picture(height: int = 40, width: int = 60, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth colour picture that looks different after every turn and flip."""
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / width
    green = 255 * y / height
    blue = 128 + 100 * np.sin(x / 7 + seed) * np.cos(y / 5)
    return np.dstack([red, green, blue]).astype(np.uint8)


def encode(image: NDArray[Any] | Image.Image, kind: str, **options: Any) -> bytes:
    """The file that Pillow writes: ``kind`` is JPEG, PNG, BMP, TIFF, WEBP or GIF."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def oriented(image: NDArray[np.uint8], kind: str, orientation: int, **options: Any) -> bytes:
    """A file with an EXIF orientation beside pixels that are stored as they are."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image, kind, exif=exif, **options)


def tiff(
    values: NDArray[Any],
    *,
    photometric: int = 1,
    big_endian: bool = False,
    planar: bool = False,
    alpha: bool = False,
    orientation: int = 1,
) -> bytes:
    """An uncompressed TIFF 6.0 of any dtype, written by hand since Pillow writes few kinds.

    ``values`` is (h, w) or (h, w, channels). ``photometric`` is 0 (white is zero), 1 (black
    is zero), 2 (RGB).
    """
    order = ">" if big_endian else "<"
    height, width = values.shape[:2]
    channels = 1 if values.ndim == 2 else values.shape[2]
    stored = values.astype(values.dtype.newbyteorder(order))
    if planar:
        stored = np.moveaxis(stored, 2, 0)
    data = stored.tobytes()
    strips = channels if planar else 1
    length = len(data) // strips
    sample_format = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    tags: list[tuple[int, str, Sequence[int]]] = [
        (256, "I", [width]),
        (257, "I", [height]),
        (258, "H", [8 * values.dtype.itemsize] * channels),
        (259, "H", [1]),
        (262, "H", [photometric]),
        (273, "I", [0] * strips),
        (274, "H", [orientation]),
        (277, "H", [channels]),
        (278, "I", [height]),
        (279, "I", [length] * strips),
        (284, "H", [2 if planar else 1]),
        *([(338, "H", [2])] if alpha else []),
        (339, "H", [sample_format] * channels),
    ]
    start = 8 + 2 + 12 * len(tags) + 4
    outside = sum(n for _, c, v in tags if (n := struct.calcsize(c) * len(v)) > 4)
    first = start + outside
    entries, blobs = b"", b""
    places = [first + i * length for i in range(strips)]
    for tag, code, values_of_tag in tags:
        numbers = places if tag == 273 else values_of_tag
        raw = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
        head = struct.pack(f"{order}HHI", tag, 3 if code == "H" else 4, len(numbers))
        if len(raw) > 4:
            entries += head + struct.pack(f"{order}I", start + len(blobs))
            blobs += raw
        else:
            entries += head + raw.ljust(4, b"\0")
    magic = b"MM\0*" if big_endian else b"II*\0"
    count = struct.pack(f"{order}IH", 8, len(tags))
    return magic + count + entries + b"\0" * 4 + blobs + data
