"""The photos of a run, as input of a training."""

from dataclasses import dataclass

from fastdefect.data.findings import Finding
from fastdefect.data.photos import Manifest
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
