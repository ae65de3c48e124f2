"""The photos of a run, put together: what a training is handed."""

from dataclasses import dataclass

from fastdefect.data.findings import Finding
from fastdefect.data.photos import Manifest
from fastdefect.data.splitting.split import Split
from fastdefect.data.store import PhotoStore


@dataclass(frozen=True)
class TrainingData:
    """The photos of a run: what they are, their pixels, and which side each is on.

    ``findings`` is what an audit found when the run began.
    """

    manifest: Manifest
    store: PhotoStore
    split: Split
    findings: tuple[Finding, ...] = ()

    def rows(self, side: tuple[int, ...]) -> list[int]:
        """Rows in the store of some of the manifest's photos."""
        return [self.manifest.photos[index].row for index in side]
