"""The share of the evidence on the part, as a figure of an evaluation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats32, Pixels
from fastdefect.data.photos import Photo
from fastdefect.data.reading.frame import Frame
from fastdefect.evaluation.predictions import Predictions
from fastdefect.events import OnEvent, Progress
from fastdefect.explain.attention import Attention
from fastdefect.explain.maps import shown_size, within
from fastdefect.explain.methods import AUTO, Method
from fastdefect.explain.target import Target
from fastdefect.jobs.explaining.checked import CheckPhoto, attention_of
from fastdefect.jobs.explaining.choice import Decided, found_defects
from fastdefect.jobs.trained.heat_maps import maps_of
from fastdefect.jobs.trained.model import TrainedModel


@dataclass(frozen=True)
class EvidenceOnPart:
    """The attention by the maps of ``method``."""

    method: Method
    attention: Attention

    def as_json(self) -> dict[str, Any]:
        """All figures."""
        return {"method": self.method.name, **self.attention.as_json()}


def evidence_on_part(
    model: TrainedModel,
    target: Target,
    predictions: Predictions,
    decided: Decided,
    on_event: OnEvent,
) -> EvidenceOnPart:
    """The evidence for ``target`` in the photos of the model, of those that it decides rightly.

    ``decided`` is the class of each photo by the decision, as an index. The photos are those that
    ``explain`` checks, so that both give the same figures.
    """
    whole = maps_of(model.predictor, model.spec, target, AUTO)
    judges = [maps_of(judge, model.spec, target, AUTO) for judge in model.judges]
    chosen = found_defects(predictions, decided, target, whole.method)
    photos, found = model.photos, []
    frame = model.spec.preprocessing.frame
    for done, index in enumerate(chosen, start=1):
        photo, pixels = photos.photos[index], photos.store[photos.rows[index]]
        maps = judges[photos.fold[index] - 1] if photos.fold else whole
        area = frame.area(photo.width, photo.height)
        raw = within(maps.of_view(photo.view)(pixels[None])[0], area)
        joined = _in_one_piece(pixels, raw, photo, frame) if frame.tiles > 1 else None
        found.append(CheckPhoto(pixels, raw, area, None, photos.parts[index], joined))
        on_event(Progress("heat maps", done, len(chosen)))
    return EvidenceOnPart(whole.method, attention_of(found))


def _in_one_piece(
    pixels: Pixels, raw: Floats32, photo: Photo, frame: Frame
) -> tuple[Pixels, Floats32]:
    """The photo and its map from their tiles, as small as they are shown."""
    across, down = shown_size(photo.width, photo.height)

    def joined(values: NDArray[Any]) -> Floats32:
        of = np.asarray(values, np.float32)
        return frame.on_photo(of, photo.width, photo.height, (down, across))

    channels = [joined(pixels[..., channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8), joined(raw)
