"""The photos of a run, as input of a training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.findings import Finding
from fastdefect.data.photos import Manifest
from fastdefect.data.reading.images import USUAL
from fastdefect.data.reading.marked import marked_tiles
from fastdefect.data.splitting.split import Split
from fastdefect.data.store import PhotoStore


@dataclass(frozen=True)
class TrainingData:
    """The photos of a run: manifest, pixels and split.

    ``findings`` are those of the audit at the start of the run.
    """

    manifest: Manifest
    store: PhotoStore
    split: Split
    findings: tuple[Finding, ...] = ()

    def rows(self, side: tuple[int, ...]) -> list[int]:
        """The rows in the store of the photos of ``side``."""
        return [self.manifest.photos[index].row for index in side]

    def views(self, side: tuple[int, ...]) -> list[str | None]:
        """The view, such as the camera, of each photo of ``side``; None if it is not known."""
        return [self.manifest.photos[index].view for index in side]

    def kept_tiles(self, side: tuple[int, ...]) -> NDArray[np.bool_] | None:
        """(n, tiles): the tiles of the photos of ``side`` that a training uses; None for all.

        Of a defective photo with boxes or a mask these are the tiles that show a defect. The others
        are good, but have the label of the photo.
        """
        frame = self.store.frame
        if frame.tiles == 1:
            return None
        kept = np.ones((len(side), frame.tiles), bool)
        for position, index in enumerate(side):
            photo = self.manifest.photos[index]
            if photo.label in self.manifest.good:
                continue
            size = photo.width, photo.height
            marked = marked_tiles(photo, *size, frame, USUAL.max_megapixels)
            if marked is not None:
                kept[position] = marked
        return None if kept.all() else kept
