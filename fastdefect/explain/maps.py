"""A heat map on its photo: scaled, with the resize of the network undone, and in words."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats32, Mask
from fastdefect.data.reading.frame import Area, Frame

_HOT = 0.5  # of the highest value: where the hot place ends
_LARGEST = 480  # pixels of the longer side of a photo and its map, which has no finer detail
WHOLE: Area = (slice(None), slice(None))
_ROWS, _COLUMNS = ("upper", "", "lower"), ("left", "", "right")


@dataclass(frozen=True)
class HeatMap:
    """Where the evidence for the target is, on the photo.

    ``values`` (h, w) float32 in [0, 1] have the photo's shape, at most 480 pixels wide and high.
    ``highest`` is the evidence, in the unit of the method, that is 1 here; 0 if there is none.
    """

    values: Floats32
    highest: float

    def relative_to(self, usual: float | None) -> "HeatMap":
        """The map with ``usual`` evidence as 1; there can be more. None leaves the map as it is.

        Without this, the strongest place of a good photo would be as yellow as a defect.
        """
        if not usual:
            return self
        share = self.highest / usual
        return HeatMap(np.asarray(self.values * share, np.float32), usual)

    @property
    def place(self) -> "Place":
        """Where most of the evidence is."""
        return place_of(self.values)


@dataclass(frozen=True)
class Place:
    """Where the evidence is: of all places above half of the highest, the one with the highest.

    ``x`` and ``y`` are the middle, ``area`` the share of the photo. 0 without evidence.
    """

    x: float
    y: float
    area: float

    def __str__(self) -> str:
        """In words: ``upper left, 12 % of the photo``."""
        if not self.area:
            return "no place"
        row, column = (
            names[min(int(3 * at), 2)] for names, at in ((_ROWS, self.y), (_COLUMNS, self.x))
        )
        where = f"{row} {column}".strip() or "middle"
        percent = f"{100 * self.area:.0f}" if self.area >= 0.01 else "less than 1"
        return f"{where}, {percent} % of the photo"


def laid_on(raw: Floats32, width: int, height: int, frame: Frame) -> HeatMap:
    """The map of a photo of ``width`` by ``height`` from the evidence in the input of the network.

    ``frame`` is how the photo became the input; padding is cut off.
    """
    across, down = shown_size(width, height)
    values = frame.on_photo(raw, width, height, (down, across))
    return HeatMap(scaled(values), float(values.max()))


def shown_size(width: int, height: int) -> tuple[int, int]:
    """Width and height at which a photo is shown: in its shape, at most 480 pixels a side."""
    scale = min(1.0, _LARGEST / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def within(values: NDArray[Any], area: Area) -> NDArray[Any]:
    """``values`` (size, size) with 0 outside ``area``: evidence on padding is not on the photo."""
    inside = np.zeros_like(values)
    inside[area] = values[area]
    return inside


def scaled(raw: Floats32) -> Floats32:
    """Evidence in [0, 1]: divided by the highest; all 0 if there is none."""
    highest = float(raw.max(initial=0))
    return np.asarray(raw / highest if highest > 0 else np.zeros_like(raw), np.float32)


def hot_place(values: NDArray[np.floating[Any]]) -> Mask:
    """(h, w): the connected place above half of the highest value that has the highest value."""
    if not values.max(initial=0) > 0:
        return np.zeros(values.shape, bool)
    hot = values >= _HOT * values.max()
    _, number = cv2.connectedComponents(hot.astype(np.uint8), connectivity=8)
    return np.asarray(number == number[np.unravel_index(int(values.argmax()), values.shape)])


def place_of(values: NDArray[np.floating[Any]]) -> Place:
    """The hot place of a map (h, w), in shares of the photo."""
    hot = hot_place(values)
    if not hot.any():
        return Place(0.0, 0.0, 0.0)
    rows, columns = np.nonzero(hot)
    height, width = hot.shape
    return Place(
        float((columns.mean() + 0.5) / width),
        float((rows.mean() + 0.5) / height),
        float(hot.mean()),
    )
