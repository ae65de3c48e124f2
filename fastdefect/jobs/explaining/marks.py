"""The marked defect of a photo, in the network's input."""

import cv2
import numpy as np

from fastdefect.aliases import Mask
from fastdefect.data.photos import Entry
from fastdefect.data.reading.images import Resize, shown_in
from fastdefect.data.reading.marks import read_marks

_LEAST = 0.1  # of a pixel of the network: a thin scratch covers no pixel whole


def marked_place(
    entry: Entry, width: int, height: int, *, size: int, resize: Resize, max_megapixels: float
) -> Mask | None:
    """Where the boxes, or the mask, of a photo of ``width`` by ``height`` are: (size, size).

    None if it has neither, or if they mark nothing.
    """
    marks = read_marks(entry.mask, max_megapixels) if entry.mask is not None else None
    if marks is None and not entry.boxes:
        return None
    if marks is None:
        marks = np.zeros((height, width), bool)
        for box in entry.boxes:
            rows = slice(max(int(box.y), 0), max(round(box.y + box.h), 0))
            columns = slice(max(int(box.x), 0), max(round(box.x + box.w), 0))
            marks[rows, columns] = True
    placed = np.zeros((size, size), bool)
    shown = placed[shown_in(size, width, height, resize)]  # a view
    fitting = (shown.shape[1], shown.shape[0])
    small = cv2.resize(marks.astype(np.float32), fitting, interpolation=cv2.INTER_AREA)
    shown[:] = small >= _LEAST
    return placed if placed.any() else None
