"""Where the marked defects of a photo are, from its boxes or its mask."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Mask
from fastdefect.data.photos import Box
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.marks import read_marks

_MOST = 0.5  # of the marks in the tile that has most of them


class Marked(Protocol):
    """A photo or an entry, with the marks that are known of it."""

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The marked places in pixels of the upright photo."""
        ...

    @property
    def mask(self) -> Path | None:
        """The file of a mask, or None."""
        ...


def marks_on(photo: Marked, width: int, height: int, max_megapixels: float) -> Mask | None:
    """The marked pixels of a photo of ``width`` by ``height``: those of its mask, else its boxes.

    A mask has its own size. None without either.
    """
    marks = read_marks(photo.mask, max_megapixels) if photo.mask is not None else None
    if marks is not None or not photo.boxes:
        return marks
    marks = np.zeros((height, width), bool)
    for box in photo.boxes:
        rows = slice(max(int(box.y), 0), max(round(box.y + box.h), 0))
        columns = slice(max(int(box.x), 0), max(round(box.x + box.w), 0))
        marks[rows, columns] = True
    return marks


def marked_tiles(
    photo: Marked, width: int, height: int, frame: Frame, max_megapixels: float
) -> NDArray[np.bool_] | None:
    """(tiles,): the tiles that show most of what is marked; None if nothing is marked.

    A tile that shows a corner of a defect is left out: nothing in it may look like a defect.
    """
    marks = marks_on(photo, width, height, max_megapixels)
    if marks is None or not marks.any():
        return None
    counts = frame.cells(frame.mark(marks, width, height)[None]).sum(axis=(1, 2))
    return np.asarray(counts >= max(1, _MOST * counts.max())) if counts.any() else None
