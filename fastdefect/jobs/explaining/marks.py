"""The marked defect of a photo, in the network's input."""

from fastdefect.aliases import Mask
from fastdefect.data.photos import Entry
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.marked import marks_on


def marked_place(
    entry: Entry, width: int, height: int, *, frame: Frame, max_megapixels: float
) -> Mask | None:
    """Where the boxes, or the mask, of a photo of ``width`` by ``height`` are, in the ``frame``.

    None if it has neither, or if they mark nothing.
    """
    marks = marks_on(entry, width, height, max_megapixels)
    if marks is None:
        return None
    placed = frame.mark(marks, width, height)
    return placed if placed.any() else None
