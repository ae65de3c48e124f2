"""The share of the evidence on the part, as a figure of an evaluation."""

from dataclasses import dataclass
from typing import Any

from fastdefect.data.reading.images import shown_in
from fastdefect.evaluation.predictions import Predictions
from fastdefect.events import OnEvent, Progress
from fastdefect.explain.attention import Attention
from fastdefect.explain.maps import within
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
    steps = model.spec.preprocessing
    for done, index in enumerate(chosen, start=1):
        photo, pixels = photos.photos[index], photos.store[photos.rows[index]]
        maps = judges[photos.fold[index] - 1] if photos.fold else whole
        area = shown_in(steps.image_size, photo.width, photo.height, steps.resize)
        raw = within(maps(pixels[None])[0], area)
        found.append(CheckPhoto(pixels, raw, area, None, photos.parts[index]))
        on_event(Progress("heat maps", done, len(chosen)))
    return EvidenceOnPart(whole.method, attention_of(found))
