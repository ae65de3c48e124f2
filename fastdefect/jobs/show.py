"""``fastdefect show``: the decision on one photo, and where the evidence for a defect is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastdefect.data.reading.images import UnreadablePhoto
from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.data.reading.view_input import without_view
from fastdefect.errors import DataError
from fastdefect.files import typed
from fastdefect.jobs.explaining.explainer import Explainer
from fastdefect.jobs.explaining.explanation import NOT_CONFIRMED, PhotoMap
from fastdefect.text import first


@dataclass(frozen=True)
class Shown:
    """A photo, explained by ``method`` of the model called ``model``.

    ``without_view``: the views that its network takes, if it does not know that of the photo.
    """

    model: str
    method: str
    target: str
    photo: PhotoMap
    without_view: tuple[str, ...] = ()

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
            *([self._view_text] if self.without_view else []),
        ]

    @property
    def _view_text(self) -> str:
        return (
            f"Decided without a view: the network knows {first(self.without_view)}. "
            "--view NAME gives it that of the photo."
        )


def show(explainer: Explainer, photo: Path, view: str | None = None) -> Shown:
    """Decide on a photo and explain the decision; nothing is written.

    ``view`` is that of the photo, for a model that takes it; None for the one in its name. Raises
    ``DataError`` if it is no photo that can be read.
    """
    if photo.is_dir():
        raise DataError(
            f"Expected a photo at {photo}, but it is a folder.",
            f"Name one file. For several photos: fastdefect explain MODEL {typed(photo)}",
        )
    candidate = Candidate(str(photo), photo, photo.name, view=view)
    try:
        found = explainer.photo_map(candidate)
    except UnreadablePhoto as error:
        raise DataError(
            f"Expected a photo at {photo}, but it can't be read: {error.reason}.",
            "Name another file.",
        ) from error
    scorer, maps = explainer.scorer, explainer.maps
    unknown = bool(without_view(scorer.view_input, [explainer.names.view(candidate)]))
    known = scorer.view_input if unknown else ()
    return Shown(scorer.name, explainer.method.title, maps.target.name, found, known)
