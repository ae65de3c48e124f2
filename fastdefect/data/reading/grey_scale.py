"""From the values of deep photos (more than 8 bits a channel) to 8 bits: what is white.

Cameras with 10, 12 and 14 bits write files of 16 bits, and nothing in the file says how many bits
are used. A scale that is chosen photo by photo would make dark photos bright, so that one class
could differ from another by the reading alone. Hence one value is white in all photos of a set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Pixels

# The highest value of 8, 10, 12, 14 and 16 bits. Values that are aligned to the left, multiples of
# 64, 16 or 4, use the range of 16 bits.
LEVELS = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
# Filters such as sharpening slightly overshoot the range 0 to 1 of floats.
_OVERSHOOT = 0.01
_BLOCK = 1 << 22  # values that are scaled at a time, 32 MB as float64


@dataclass(frozen=True)
class ValueRange:
    """The lowest and the highest finite value of one deep photo; ``floats``: not integers.

    ``holes`` is the number of values that are NaN or infinite, and so black.
    """

    low: float
    high: float
    floats: bool
    holes: int = 0

    def exceeds(self, white: float) -> bool:
        """Whether values are beyond ``white``, and so clipped."""
        return self.high > white * (1 + _OVERSHOOT if self.floats else 1)

    @property
    def below_black(self) -> bool:
        """Whether values are below 0, and so clipped."""
        return self.low < (-_OVERSHOOT if self.floats else 0)


def range_of(values: NDArray[Any]) -> ValueRange:
    """The range of ``values``; NaN and infinity count as 0, as in ``to_8bit``."""
    if values.dtype.kind != "f":
        return ValueRange(float(values.min()), float(values.max()), False)
    lows, highs, holes = [], [], 0
    for block in _blocks(values):
        finite = np.isfinite(block)
        known = np.where(finite, block, 0)
        lows.append(float(known.min()))
        highs.append(float(known.max()))
        holes += int(finite.size - np.count_nonzero(finite))
    return ValueRange(min(lows), max(highs), True, holes)


def choose_white(ranges: Sequence[ValueRange]) -> float:
    """The one value that is white in all photos with these ranges.

    Integers: the highest value of the fewest of 8, 10, 12, 14, 16 or more bits that holds all.
    Floats: 1 if all are within 0 to 1, else the highest of all. Where a set has both, integers
    decide. Values below 0 are black.
    """
    whole = [each.high for each in ranges if not each.floats]
    if whole:
        level = next((level for level in LEVELS if max(whole) <= level), None)
        return level or 2.0 ** int(max(whole)).bit_length() - 1
    highest = max(each.high for each in ranges)
    return 1.0 if highest <= 1 + _OVERSHOOT else highest


def to_8bit(values: NDArray[Any], white: float | None = None) -> Pixels:
    """Scale brightness of any numeric dtype and any shape from 0..``white`` to 0..255 and round.

    Values outside are clipped; NaN and infinity count as 0. Values of 8 bits stay as they are.

    Without ``white`` the scale is that of the values alone, as in runs of earlier versions, which
    keep none: 4095 is white in 16-bit data without a higher value, else 65535. For 32-bit data it
    is the smallest usual range that contains them: 0..1 (floats), 0..255, then as for 16 bits. Data
    beyond 65535 or below zero are stretched from minimum to maximum.
    """
    if values.dtype == np.uint8:
        return values
    low, high = 0.0, white
    if high is None:
        found = range_of(values)
        low, high = _black_and_white(values.dtype, found.low, found.high)
    table = None
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        table = _scaled(np.arange(65536, dtype=np.uint16), low, high)
    scaled = np.empty(values.shape, np.uint8)
    for part, block in zip(_blocks(scaled), _blocks(values), strict=True):
        part[...] = _scaled(block, low, high) if table is None else table[block]
    return scaled


def _scaled(values: NDArray[Any], low: float, high: float) -> Pixels:
    if values.dtype.kind == "f":  # before the conversion, which warns of a signalling NaN
        values = np.where(np.isfinite(values), values, np.zeros((), values.dtype))
    # The relative error of 2^-24 is far smaller than the distance of any 16-bit value from a tie.
    exact: NDArray[Any] = values.astype(np.float32 if values.dtype.itemsize == 2 else np.float64)
    exact -= low
    exact *= 255 / (high - low)
    return np.asarray(np.clip(np.rint(exact), 0, 255)).astype(np.uint8)


def _blocks(values: NDArray[Any]) -> list[NDArray[Any]]:
    """The rows in blocks: a photo of 100 megapixels is 800 MB as float64."""
    rows = max(1, _BLOCK // max(1, values[:1].size))
    return [values[at : at + rows] for at in range(0, len(values), rows)]


def _black_and_white(dtype: np.dtype[Any], least: float, greatest: float) -> tuple[float, float]:
    """The values that map to 0 and 255 where no scale is given (see ``to_8bit``)."""
    whites = [4095.0, 65535.0]
    if dtype.itemsize > 2:
        whites.insert(0, 255.0)
    if dtype.kind == "f" and least >= -_OVERSHOOT and greatest <= 1 + _OVERSHOOT:
        return 0.0, 1.0
    if least >= 0:
        for white in whites:
            if greatest <= white:
                return 0.0, white
    return least, max(greatest, least + 1.0)
