"""Decoded, resized photos, stored so that only the first epoch decodes.

The store is a plain array in memory if it fits and worker processes can share it. Otherwise it is
a memory-mapped file in the temporary folder. The operating system pages that file, and all
processes share it, whatever their start method.
"""

import multiprocessing
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.reading.background import Background
from fastdefect.data.reading.frame import Frame
from fastdefect.scratch import Scratch

MIB = 1024 * 1024


class PhotoStore:
    """Up to ``capacity`` photos in a frame, (tiles * size, size, 3) uint8, addressed by row."""

    def __init__(
        self,
        capacity: int,
        size: int,
        resize: Literal["squish", "pad"],
        *,
        tiles: int = 1,
        background: Background | None = None,
        limit_mb: int,
        shared: bool = False,
    ) -> None:
        """Allocate the store. Set ``shared`` if worker processes read the photos."""
        self.frame = Frame(size, resize, tiles, background)
        self._shape = (capacity, *self.frame.shape)
        self._file: Path | None = None
        # Forked workers share the parent's memory; spawned ones would each get a copy.
        copies = shared and multiprocessing.get_start_method() != "fork"
        remove: Callable[[], None] = _nothing
        if self.megabytes > limit_mb or copies:
            scratch = Scratch()
            remove = scratch.close
            self._file = scratch.folder / "photos.u8"
            self._photos: NDArray[np.uint8] = np.memmap(
                self._file, np.uint8, mode="w+", shape=self._shape
            )
        else:
            self._photos = np.empty(self._shape, np.uint8)
        self._finalizer = weakref.finalize(self, remove)

    @property
    def size(self) -> int:
        """The side of a photo, or of its tiles."""
        return self.frame.size

    @property
    def cells(self) -> NDArray[np.uint8]:
        """All tiles, (capacity * tiles, size, size, 3): ``tiles`` rows for each photo; a view."""
        return np.asarray(self.frame.cells(self._photos))

    @property
    def megabytes(self) -> float:
        """The size of the decoded photos, MiB."""
        return float(np.prod(self._shape, dtype=np.int64)) / MIB

    @property
    def where(self) -> str:
        """The location of the photos, for the log of the run."""
        place = "a memory-mapped file" if self._file else "memory"
        tiles = f"up to {self.frame.tiles} tiles of " if self.frame.tiles > 1 else ""
        size = f"{tiles}{self.size} px"
        return f"{self._shape[0]} photos of {size} in {place} ({self.megabytes:.0f} MB)"

    def put(self, row: int, image: NDArray[np.uint8]) -> None:
        """Resize a decoded photo, (height, width, 3) uint8, and store it. Thread-safe by row."""
        self._photos[row] = self.frame.fit(image)

    def on_file(self) -> "PhotoStore":
        """The same photos in a memory-mapped file, which other processes on this host can map.

        A pickled copy of this store maps the file; the file is deleted with this store.
        """
        if self._file is not None:
            return self
        copy = PhotoStore(
            len(self), self.size, self.frame.resize, tiles=self.frame.tiles, limit_mb=-1
        )
        copy.fill(0, self._photos)
        return copy

    def delete_file(self) -> None:
        """Delete the file; the photos stay for all processes that have mapped it (POSIX)."""
        self._finalizer()

    def fill(self, row: int, photos: NDArray[np.uint8]) -> None:
        """Store photos that are already resized, (n, *frame), from ``row`` on."""
        self._photos[row : row + len(photos)] = photos

    def __len__(self) -> int:
        return self._shape[0]

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        """The photo of one row, or a batch for an index array."""
        return np.asarray(self._photos[rows])

    def close(self) -> None:
        """Release the memory or delete the temporary file."""
        self._photos = np.empty((0, *self.frame.shape), np.uint8)
        self._finalizer()

    def __getstate__(self) -> dict[str, Any]:
        # A spawned worker maps the same file again instead of receiving the pixels.
        state = {k: v for k, v in self.__dict__.items() if k != "_finalizer"}
        if self._file is not None:
            del state["_photos"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._file is not None:
            self._photos = np.memmap(self._file, np.uint8, mode="r", shape=self._shape)


def _nothing() -> None:
    """There is no file to delete."""
