"""``fastdefect show``: the decision on one photo, and where the evidence for a defect is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastdefect.data.reading.unlabelled import Sources
from fastdefect.errors import DataError
from fastdefect.events import OnEvent
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
        ]


def show(explainer: Explainer, photo: Path, *, on_event: OnEvent) -> Shown:
    """Decide on a photo and explain the decision; nothing is written.

    Raises ``DataError`` if it is no photo that can be read.
    """
    found = list(explainer.photo_maps(Sources.of([str(photo)]), on_event))
    if len(found) != 1:
        raise DataError(
            f"Expected one photo that can be read at {photo}, but found {len(found)}.",
            "Name one file. For several photos: fastdefect explain MODEL PHOTOS",
        )
    maps = explainer.maps
    return Shown(explainer.scorer.name, explainer.method.title, maps.target.name, found[0])
