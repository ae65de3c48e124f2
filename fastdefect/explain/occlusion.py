"""Occlusion: how much the target falls where a place of the photo is hidden. Without torch.

Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks". They hide by a grey
square. Its sharp edges are themselves like a defect, and so is a blurred square on turned metal.
Here the surface around the square is continued into it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fastdefect.aliases import Floats, Floats32, Mask, Pixels
from fastdefect.data.reading.frame import Frame, Framed, TileBox
from fastdefect.explain.target import Target

Score = Callable[[Pixels], Floats]  # (n, size, size, 3) uint8 to the log odds of the target (n,)

_ACROSS = 6  # squares along a side; they overlap by half
_AROUND = 3  # pixels around a hidden place from which it is filled
_BATCH = 32


def without(photo: Pixels, place: Mask) -> Pixels:
    """The photo with the surface around ``place`` (size, size) continued into it.

    Telea 2004, "An image inpainting technique based on the fast marching method".
    """
    return np.asarray(cv2.inpaint(photo, place.astype(np.uint8), _AROUND, cv2.INPAINT_TELEA))


def occlusion_map(photo: Pixels, score: Score) -> Floats32:
    """The evidence (size, size) at each place of ``photo`` (size, size, 3).

    It is the mean fall of the score over the squares that hide the place; 0 where it rises.
    """
    size = photo.shape[0]
    squares = list(_squares(size))
    whole = score(photo[None])[0]
    total, times = np.zeros((size, size)), np.zeros((size, size))
    for start in range(0, len(squares), _BATCH):
        some = squares[start : start + _BATCH]
        for square, masked in zip(some, score(_masked(photo, some)), strict=True):
            total[square] += whole - masked
            times[square] += 1
    smooth = cv2.GaussianBlur(total / times, (0, 0), size / (4 * _ACROSS))  # no edges of squares
    return np.maximum(smooth, 0).astype(np.float32)


def occlusion_in_tiles(photo: Pixels, score: Score, frame: Frame) -> Floats32:
    """The evidence (tiles * size, size) in a photo in the ``frame``; as above without tiles.

    Each tile is decided on alone, and places are hidden in the worst one, which decides.
    """
    if frame.tiles == 1:
        return occlusion_map(photo, score)
    size, found = frame.size, np.zeros(frame.shape[:2], np.float32)
    if not frame.filled(photo).any():
        return found
    worst = worst_tile(photo, score, frame)
    found[worst * size : (worst + 1) * size] = occlusion_map(frame.cells(photo[None])[worst], score)
    return found


def worst_tile(photo: Pixels, score: Score, frame: Frame) -> int:
    """The tile with the highest score of a photo (tiles * size, size, 3): it decides."""
    counted = np.flatnonzero(frame.counted(photo))
    tiles = frame.cells(photo[None])[counted]
    starts = range(0, len(tiles), _BATCH)  # a tile is a photo of one tile
    scores = np.concatenate([score(tiles[at : at + _BATCH]) for at in starts])
    return int(counted[scores.argmax()])


def worst_box(photo: Framed, score: Score, frame: Frame) -> TileBox | None:
    """Where the ``worst_tile`` is in the photo; None without tiles."""
    return photo.boxes[worst_tile(photo.pixels, score, frame)] if photo.boxes else None


@dataclass(frozen=True)
class OutputMaps:
    """The heat maps of a model of which only the outputs are known, such as a bundle.

    ``probabilities`` maps photos in the ``frame`` to (n, n_classes), averaged over its views.
    """

    probabilities: Callable[[Pixels], Floats]
    target: Target
    frame: Frame

    def __call__(self, pixels: Pixels) -> Floats32:
        """The evidence (n, h, w) at each place of photos (n, h, w, 3) in the frame; 0 or more."""
        return np.stack([occlusion_in_tiles(photo, self.score, self.frame) for photo in pixels])

    def score(self, pixels: Pixels) -> Floats:
        """The log odds (n,) of the target."""
        if pixels.shape[1] > self.frame.size:  # photos in tiles one by one: a photo is a batch
            found = [self.probabilities(photo[None]) for photo in pixels]
            return self.target.of_probabilities(np.concatenate(found))
        return self.target.of_probabilities(self.probabilities(pixels))


def _masked(photo: Pixels, squares: Sequence[tuple[slice, slice]]) -> Pixels:
    copies = []
    for square in squares:
        place = np.zeros(photo.shape[:2], bool)
        place[square] = True
        copies.append(without(photo, place))
    return np.stack(copies)


def _squares(size: int) -> Iterator[tuple[slice, slice]]:
    """The squares, so that each place is in at least one."""
    side = max(2, round(size / _ACROSS))
    starts = np.unique(np.linspace(0, size - side, 2 * _ACROSS - 1).round().astype(int))
    for top in starts:
        for left in starts:
            yield slice(int(top), int(top) + side), slice(int(left), int(left) + side)
