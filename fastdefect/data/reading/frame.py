"""From a photo to the input of a network, and back: one square, or tiles below each other.

A photo that is made small as a whole loses defects of a few pixels. Cut into overlapping tiles,
each of the size of the network, it keeps them. The tiles of a photo are one array, a stack from top
to bottom, so that all that handles photos handles stacks: the store, the loaders, a bundle. A tile
of one colour is empty: networks ignore it (``training/tiled.py``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats32, Mask, Pixels
from fastdefect.config import DataConfig
from fastdefect.data.reading.background import Area as Area
from fastdefect.data.reading.background import Background
from fastdefect.data.reading.images import PADDING, Resize, fit_to, shown_in

OVERLAP = 1 / 8  # of the side of a tile: a defect up to this long is whole in one tile at least
_CLOSE = 1.01  # a layout with fewer tiles is preferred if its tiles are hardly larger
_LARGE = 320  # the side from which squares are computed fewer at a time
_LEAST = 0.1  # of a pixel of the network: a thin scratch covers no pixel whole


@dataclass(frozen=True)
class Layout:
    """Where the tiles of a photo of ``width`` by ``height`` are: ``rows`` x ``columns`` of them.

    ``side`` is the side of a tile in pixels of the photo; a photo that is less high or less wide
    gives tiles of its own height or width.
    """

    width: int
    height: int
    rows: int
    columns: int
    side: float

    @cached_property
    def places(self) -> tuple[Area, ...]:
        """The rows and columns of each tile in the photo, row by row."""
        down = _spread(self.height, self.side, self.rows)
        across = _spread(self.width, self.side, self.columns)
        return tuple((y, x) for y in down for x in across)


@dataclass(frozen=True)
class TileBox:
    """Where a tile is, in pixels of the upright photo."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Framed:
    """A photo in a frame: ``pixels`` (tiles * size, size, 3) uint8, and where each tile is.

    ``boxes`` is empty without tiles.
    """

    pixels: Pixels
    boxes: tuple[TileBox, ...] = ()


def squares_at_once(usual: int, size: int) -> int:
    """Return how many squares of ``size`` pixels to compute at a time, at least one.

    It is ``usual``, but no more pixels than ``usual`` squares of 320 x 320. The memory of a network
    grows with the pixels: in batches of 32 and 64, squares of 1024 x 1024 take more than 20 GB.
    """
    return max(1, int(usual * min(1.0, (_LARGE / size) ** 2)))


@dataclass(frozen=True)
class Frame:
    """How a photo becomes (tiles * size, size, 3) uint8; with one tile, a square.

    ``resize`` is as in ``fit_to``, for each tile. A photo has at most ``tiles`` tiles; the places
    of those that it does not need are empty. So are tiles that show ``background`` alone, if it is
    known.
    """

    size: int
    resize: Resize
    tiles: int = 1
    background: Background | None = None

    @classmethod
    def of(cls, config: DataConfig) -> "Frame":
        """As the settings say; ``tiles`` must be settled (``settle.settle_tiles``)."""
        return cls(config.image_size, config.resize, config.tile_count, background_of(config))

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of a photo in the frame."""
        return self.tiles * self.size, self.size, 3

    @property
    def grey(self) -> Pixels:
        """An empty photo, (tiles * size, size, 3)."""
        return np.full(self.shape, PADDING, np.uint8)

    def at_once(self, usual: int) -> int:
        """Return how many photos to compute at a time: at most ``usual``, fewer large ones."""
        return max(1, squares_at_once(usual, self.size) // self.tiles)

    def layout(self, width: int, height: int) -> Layout:
        """The tiles of a photo of this size: the smallest that cover it, and not enlarged."""
        return _layout(self.size, self.tiles, width, height)

    def fit(self, photo: Pixels) -> Pixels:
        """``photo``, (height, width, 3) uint8, in the frame. Always a new array."""
        if self.tiles == 1:
            return fit_to(photo, self.size, self.resize)
        stack = self.grey
        height, width = photo.shape[:2]
        places = self.layout(width, height).places
        for place, (rows, columns) in enumerate(places):
            tile = np.ascontiguousarray(photo[rows, columns])
            stack[place * self.size : (place + 1) * self.size] = fit_to(
                tile, self.size, self.resize
            )
        if self.background is not None:
            cells = self.cells(stack[None])[: len(places)]  # a view
            cells[self.background.alone(photo, places, cells)] = PADDING
        return stack

    def take(self, photo: Pixels, size: tuple[int, int] | None = None) -> Framed:
        """``photo``, (height, width, 3) uint8, in the frame, with the places of its tiles.

        ``size`` is width and height of the upright photo, if ``photo`` is a reduced one.
        """
        height, width = photo.shape[:2]
        return Framed(self.fit(photo), self.boxes(width, height, size or (width, height)))

    def boxes(self, width: int, height: int, size: tuple[int, int]) -> tuple[TileBox, ...]:
        """Where the tiles of a photo, read as ``width`` by ``height``, are in one of ``size``."""
        if self.tiles == 1:
            return ()
        across, down = size[0] / width, size[1] / height
        return tuple(
            TileBox(
                round(columns.start * across),
                round(rows.start * down),
                round((columns.stop - columns.start) * across),
                round((rows.stop - rows.start) * down),
            )
            for rows, columns in self.layout(width, height).places
        )

    def reduction(self, width: int, height: int) -> tuple[float, float]:
        """How many times shorter each axis of a photo of this size becomes; below 1 it grows."""
        rows, columns = self.layout(width, height).places[0]
        across, down = columns.stop - columns.start, rows.stop - rows.start
        if self.resize == "pad":
            return max(across, down) / self.size, max(across, down) / self.size
        return across / self.size, down / self.size

    def area(self, width: int, height: int) -> Area:
        """The rows and columns of the frame that show a photo of this size, not bars.

        Bars inside tiles count as the photo.
        """
        if self.tiles == 1:
            return shown_in(self.size, width, height, self.resize)
        used = len(self.layout(width, height).places)
        return slice(0, used * self.size), slice(0, self.size)

    def mark(self, marks: Mask, width: int, height: int) -> Mask:
        """A mask of a photo of ``width`` by ``height`` as a mask (tiles * size, size) of the frame.

        ``marks`` may have another size than the photo.
        """
        placed = np.zeros(self.shape[:2], bool)
        if self.tiles > 1 and marks.shape != (height, width):
            whole = cv2.resize(marks.astype(np.float32), (width, height))
            marks = np.asarray(whole >= _LEAST)
        elif self.tiles == 1:
            height, width = marks.shape
        for place, (rows, columns) in enumerate(self.layout(width, height).places):
            tile = marks[rows, columns]
            cell = placed[place * self.size : (place + 1) * self.size]
            shown = cell[shown_in(self.size, tile.shape[1], tile.shape[0], self.resize)]  # a view
            fitting = (shown.shape[1], shown.shape[0])
            small = cv2.resize(tile.astype(np.float32), fitting, interpolation=cv2.INTER_AREA)
            shown[:] = small >= _LEAST
        return placed

    def on_photo(self, raw: Floats32, width: int, height: int, shape: tuple[int, int]) -> Floats32:
        """Values (tiles * size, size) in the frame as an array of ``shape`` (h, w) of the photo.

        ``width`` and ``height`` are those of the photo that became ``raw``. Where tiles overlap,
        the highest value counts.
        """
        found = np.zeros(shape, np.float32)
        down, across = shape[0] / height, shape[1] / width
        for place, (rows, columns) in enumerate(self.layout(width, height).places):
            cell = raw[place * self.size : (place + 1) * self.size]
            size = columns.stop - columns.start, rows.stop - rows.start
            inside = cell[shown_in(self.size, *size, self.resize)]
            y = slice(int(rows.start * down), max(ceil(rows.stop * down), 1))
            x = slice(int(columns.start * across), max(ceil(columns.stop * across), 1))
            target = found[y, x]  # a view
            grown = cv2.resize(inside, target.shape[::-1], interpolation=cv2.INTER_LINEAR)
            np.maximum(target, grown, out=target)
        return found

    def cells(self, photos: NDArray[Any]) -> NDArray[Any]:
        """The tiles of photos (n, tiles * size, size, ...) as (n * tiles, size, size, ...)."""
        return photos.reshape(-1, self.size, *photos.shape[2:])

    def filled(self, photo: Pixels) -> NDArray[np.bool_]:
        """(tiles,): which tiles of a photo in the frame are not empty."""
        cells = self.cells(photo[None])
        flat = cells.reshape(len(cells), -1, 3)
        return np.asarray((flat.max(axis=1) != flat.min(axis=1)).any(axis=1))

    def counted(self, photo: Pixels) -> NDArray[np.bool_]:
        """(tiles,): the tiles of a photo in the frame that count: all, if all are empty."""
        filled = self.filled(photo)
        return filled if filled.any() else np.ones_like(filled)

    def only(self, photo: Pixels, kept: NDArray[np.bool_]) -> Pixels:
        """``photo`` in the frame with the tiles that are not ``kept`` (tiles,) empty.

        If nothing else were left, the photo as it is.
        """
        if not (kept & self.filled(photo)).any():
            return photo.copy()
        stack = photo.copy()
        self.cells(stack[None])[~kept] = PADDING  # a view
        return stack

    def each_tile(self, photo: Pixels, change: Callable[[Pixels], Pixels]) -> Pixels:
        """``photo`` in the frame with ``change`` applied to each tile that is not empty."""
        if self.tiles == 1:
            return change(photo)
        stack = photo.copy()
        for place in np.flatnonzero(self.filled(photo)).tolist():
            cell = slice(place * self.size, (place + 1) * self.size)
            stack[cell] = change(photo[cell])
        return stack


def background_of(config: DataConfig) -> Background | None:
    """The settled background of the photos; None if all tiles count."""
    values = config.background
    return None if values is None else Background(*values)


@lru_cache(maxsize=4096)
def _layout(size: int, tiles: int, width: int, height: int) -> Layout:
    """The layout with at most so many ``tiles`` that are the smallest, but not below ``size``."""
    if tiles == 1:
        return Layout(width, height, 1, 1, max(width, height))
    pairs = [(r, c) for r in range(1, tiles + 1) for c in range(1, tiles // r + 1)]
    sides = [max(_side(height, r), _side(width, c), size) for r, c in pairs]
    closest = _CLOSE * min(sides)
    fitting = [
        (rows * columns, abs(rows - columns), rows, columns, side)
        for (rows, columns), side in zip(pairs, sides, strict=True)
        if side <= closest
    ]
    *_, rows, columns, side = min(fitting)
    return Layout(width, height, rows, columns, side)


def _side(length: int, tiles: int) -> float:
    """The side of so many tiles in a row that cover ``length``."""
    return length / (tiles - (tiles - 1) * OVERLAP)


def _spread(length: int, side: float, tiles: int) -> list[slice]:
    """The places of ``tiles`` in a row, the first and the last at the ends."""
    long = min(length, ceil(side))
    starts = np.linspace(0, length - long, tiles).round().astype(int).tolist()
    return [slice(start, start + long) for start in starts]
