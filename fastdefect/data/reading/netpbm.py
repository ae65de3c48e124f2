"""PGM, PPM and PFM: a short header of text, then the plain values.

Pillow would scale 16-bit values by the highest value that the header allows, and reads no colour
PFM.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Magic, width, height and the highest value (PFM: the scale), with blanks and comments between.
_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(
    rb"P([56fF])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(-?[\d.eE+-]{1,32})\s"
)


@dataclass(frozen=True)
class Netpbm:
    """The header: size, channels, type of the values, and where they begin."""

    width: int
    height: int
    channels: int
    dtype: np.dtype[Any]
    highest: float
    start: int

    @property
    def is_deep(self) -> bool:
        """Whether a value has more than 8 bits."""
        return self.dtype.itemsize > 1


def read_header(data: bytes) -> Netpbm:
    """The header of a PGM, PPM or PFM; raises ``ValueError`` if it is damaged."""
    match = _HEADER.match(data)
    if match is None:
        raise ValueError("damaged header")
    letter, width, height = match[1], int(match[2]), int(match[3])
    highest = float(match[4])
    channels = 3 if letter in b"6F" else 1
    if letter in b"fF":  # a negative scale stands for little endian; its size has no meaning here
        dtype: np.dtype[Any] = np.dtype("<f4" if highest < 0 else ">f4")
    elif 0 < highest < 65536 and highest.is_integer():
        dtype = np.dtype(np.uint8 if highest < 256 else ">u2")
    else:
        raise ValueError("damaged header")
    if not (width and height and highest):
        raise ValueError("no pixels")
    return Netpbm(width, height, channels, dtype, highest, match.end())


def read_values(data: bytes, header: Netpbm) -> NDArray[Any]:
    """The values, (height, width) or (height, width, 3), as stored; 8-bit ones from 0 to 255."""
    count = header.width * header.height * header.channels
    if len(data) - header.start < count * header.dtype.itemsize:
        raise ValueError("truncated")
    values = np.frombuffer(data, header.dtype, count, header.start)
    shape = (header.height, header.width, header.channels)
    shaped = values.reshape(shape if header.channels > 1 else shape[:2])
    if header.dtype.kind == "f":
        return shaped[::-1].astype(np.float32)  # rows from the bottom up
    if not header.is_deep and header.highest < 255:
        return np.rint(np.clip(shaped / header.highest, 0, 1) * 255).astype(np.uint8)
    return shaped.astype(header.dtype.newbyteorder("="))
