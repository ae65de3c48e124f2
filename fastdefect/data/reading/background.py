"""Which tiles of a photo show background alone, so that they need not be computed.

Two signs must agree: the tile lies outside the outline of the part, which covers about the usual
share of the photo, and its surface has no more contrast than background has. So a wrong outline
leaves out no tile with an edge, a texture or a defect in it. The values are those of photos of the
training (``audit/background_tiles.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Mask, Pixels
from fastdefect.data.outline import part_of

Area = tuple[slice, slice]  # rows and columns

_SIDE = 64  # pixels of the longer side at which the outline is searched, in some milliseconds
_SHORTEST = 24  # of the shorter side; a strip is too narrow
_AROUND = 2  # pixels at that size by which the outline is widened
_FINE, _COARSE = 1.0, 4.0  # pixels of a tile: what is wider than noise, and narrower than shading


@dataclass(frozen=True)
class Background:
    """What is known of the background of a set of photos.

    The outline of the part covers ``least`` to ``most`` of a photo, and a tile of background has
    a ``contrast_of`` at most ``contrast``.
    """

    least: float
    most: float
    contrast: float

    def alone(
        self, photo: Pixels, places: Sequence[Area], tiles: NDArray[np.uint8]
    ) -> NDArray[np.bool_]:
        """Which of ``tiles`` (n, size, size, 3), cut from ``places``, show background alone.

        None where the outline of ``photo`` (height, width, 3) is unclear or unusual.
        """
        outline = outline_of(photo)
        if outline is None or not self.least <= outline.mean() <= self.most:
            return np.zeros(len(places), bool)
        outside = outside_of(outline, places, photo.shape[:2])
        plain = [contrast_of(tile) <= self.contrast for tile in tiles[outside]]
        outside[outside] = plain
        return outside


def outline_of(photo: Pixels) -> Mask | None:
    """Where the part is, at a longer side of 64 pixels; None if that is unclear."""
    height, width = photo.shape[:2]
    scale = _SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if min(size) < _SHORTEST:
        return None
    return part_of(cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.uint8))


def outside_of(outline: Mask, places: Sequence[Area], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which of ``places`` in a photo of ``shape`` show nothing within or beside the outline."""
    reach = np.ones((2 * _AROUND + 1, 2 * _AROUND + 1), np.uint8)
    wide = cv2.dilate(outline.astype(np.uint8), reach)
    down, across = (length / of for length, of in zip(wide.shape, shape, strict=True))
    return np.array(
        [
            not wide[
                int(rows.start * down) : int(np.ceil(rows.stop * down)),
                int(columns.start * across) : int(np.ceil(columns.stop * across)),
            ].any()
            for rows, columns in places
        ]
    )


def contrast_of(tile: Pixels) -> float:
    """The strongest change of brightness in a tile (size, size, 3), without noise and shading.

    In grey levels: the largest difference of two blurred tiles.
    """
    grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (_FINE, _COARSE))
    return float(np.abs(fine - coarse).max())
