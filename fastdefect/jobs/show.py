"""``fastdefect show``: the decision on one photo, and where the evidence for a defect is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastdefect.data.reading.images import UnreadablePhoto
from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.errors import DataError
from fastdefect.files import typed
from fastdefect.jobs.explaining.explainer import Explainer
from fastdefect.jobs.explaining.explanation import NOT_CONFIRMED, PhotoMap


@dataclass(frozen=True)
class Shown:
    """A photo, explained by ``method`` of the model called ``model``."""

    model: str
    method: str
    target: str
    photo: PhotoMap

    def as_json(self) -> dict[str, Any]:
        """All facts."""
        names = {"model": self.model, "method": self.method, "target": self.target}
        return {**names, **self.photo.as_json()}

    def lines(self) -> list[str]:
        """The decision, and the place of the evidence, in words."""
        photo = self.photo
        place = f"Evidence for {self.target}: {photo.where} ({self.method})."
        return [
            f"{photo.name}: {photo.decided}, P(defect) {photo.probability:.3f}, by {self.model}",
            place if photo.confirmed else f"{place} {NOT_CONFIRMED.capitalize()}.",
            *([photo.of_tile] if photo.tile is not None else []),
        ]


def show(explainer: Explainer, photo: Path) -> Shown:
    """Decide on a photo and explain the decision; nothing is written.

    Raises ``DataError`` if it is no photo that can be read.
    """
    if photo.is_dir():
        raise DataError(
            f"Expected a photo at {photo}, but it is a folder.",
            f"Name one file. For several photos: fastdefect explain MODEL {typed(photo)}",
        )
    try:
        found = explainer.photo_map(Candidate(str(photo), photo, photo.name))
    except UnreadablePhoto as error:
        raise DataError(
            f"Expected a photo at {photo}, but it can't be read: {error.reason}.",
            "Name another file.",
        ) from error
    maps = explainer.maps
    return Shown(explainer.scorer.name, explainer.method.title, maps.target.name, found)
