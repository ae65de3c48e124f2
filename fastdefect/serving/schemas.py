"""The JSON of the API, with examples."""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from fastdefect.inference.decision_rule import Verdict
from fastdefect.inference.halves import RejectedBy
from fastdefect.inference.judge import DecidingTile
from fastdefect.serving.records import Answer, Answered, Day, Inspection, Model, Photo
from fastdefect.serving.settings import MOST_NAME, MOST_TEXT, UNPRINTED

_PERSON = rf"^[^\s{UNPRINTED}]([^{UNPRINTED}]*[^\s{UNPRINTED}])?$"
Person = Annotated[str, StringConstraints(max_length=MOST_NAME, pattern=_PERSON)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=MOST_TEXT)]

_PHOTO: dict[str, Any] = {
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "name": "part-17-front.jpg",
    "media_type": "image/jpeg",
    "decision": "reject",
    "probability": 0.97,
    "probabilities": {"crack": 0.97, "ok": 0.03},
    "label": "crack",
    "defect_class": "crack",
    "unlike": False,
    "likeness": 0.61,
    "distance": 0.93,
    "milliseconds": 21.4,
    "rejected_by": None,
    "view": "front",
    "product": None,
}
_INSPECTION: dict[str, Any] = {
    "id": "0f8fad5bd9cb469fa16570867728950e",
    "at": "2026-03-01T06:12:09.512000Z",
    "part": "17",
    "decision": "reject",
    "probability": 0.97,
    "defect_class": "crack",
    "unlike": False,
    "bundle": "castings.fdb",
    "model": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "photos": [_PHOTO],
    "missing_views": [],
    "without_view": 0,
}
_ANSWER: dict[str, Any] = {
    "number": 41,
    "inspection": _INSPECTION["id"],
    "answer": "defect",
    "label": "crack",
    "person": "Ines",
    "at": "2026-03-01T06:15:30Z",
    "undone": False,
}


def _examples(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


def _finite(value: float | None) -> float | None:
    """JSON has no NaN."""
    return value if value is not None and math.isfinite(value) else None


class TileOut(BaseModel):
    """The tile that decided on a photo, in pixels of the upright photo."""

    x: int
    y: int
    width: int
    height: int
    probability: float | None = Field(description="Of a defect in this tile.")
    distance: float | None = Field(description="To the tiles of the training; 1 is usual.")

    @classmethod
    def of(cls, tile: DecidingTile) -> Self:
        """``tile`` as JSON."""
        finite = {name: _finite(getattr(tile, name)) for name in ("probability", "distance")}
        return cls(**vars(tile) | finite)


class PhotoOut(BaseModel):
    """The decision on a photo; ``/photos/{sha256}`` has its bytes."""

    model_config = _examples(_PHOTO)
    sha256: str
    name: str = Field(description="The file name that was sent; empty if there was none.")
    media_type: str
    decision: Verdict
    probability: float | None = Field(description="Of a defect; null if it is not a number.")
    probabilities: dict[str, float | None] = Field(description="Of each class.")
    label: str = Field(description="The class of the decision.")
    defect_class: str | None = Field(description="The most probable defect; null if OK.")
    unlike: bool = Field(description="Unlike the photos of the training; then never OK.")
    likeness: float | None = Field(description="The p-value of the check for unlike photos.")
    distance: float | None = Field(description="To the photos of the training; 1 is usual.")
    milliseconds: float = Field(description="From the bytes to the decision.")
    rejected_by: RejectedBy | None = Field(
        default=None,
        description="The half of a joint model that does not pass the photo; null for others.",
    )
    tile: TileOut | None = Field(
        None,
        description="Of a model with tiles: the tile that decided, by probability, or by "
        "distance if the photo is unlike.",
    )
    view: str | None = Field(
        None,
        description="With which it was decided: that of the request, else that in its file name.",
    )
    product: str | None = Field(None, description="That of the request.")

    @classmethod
    def of(cls, photo: Photo) -> Self:
        """``photo`` as JSON."""
        fields = vars(photo) | {
            "media_type": photo.kind,
            "probability": _finite(photo.probability),
            "probabilities": {name: _finite(p) for name, p in photo.probabilities.items()},
            "likeness": _finite(photo.likeness),
            "distance": _finite(photo.distance),
            "tile": TileOut.of(photo.tile) if photo.tile is not None else None,
        }
        return cls(**{name: fields[name] for name in cls.model_fields})


class InspectionOut(BaseModel):
    """The decision on a part. It does not contain whether people will check it."""

    model_config = _examples(_INSPECTION)
    id: str
    at: datetime = Field(description="When the request was accepted, UTC.")
    part: str | None
    decision: Verdict = Field(description="OK, look (a person decides) or reject.")
    probability: float | None = Field(
        description="Of a defect, on the part; without a rule for parts the highest of the photos."
    )
    defect_class: str | None
    unlike: bool = Field(description="One of the photos is unlike those of the training.")
    bundle: str = Field(description="The name of the bundle that decided.")
    model: str = Field(description="The identity of the bundle that decided.")
    photos: list[PhotoOut] = Field(description="In the order in which they were sent.")
    missing_views: list[str] = Field(
        [],
        description="Views, such as cameras, that the training knew and that no photo has, by the "
        "field view or the names of the files. Only in the answer to the request that decided.",
    )
    without_view: int = Field(
        0,
        description="Photos that a network with the view as an input decided on without it: their "
        "view is not given, or is none that it knows. Only in the answer to the request that "
        "decided.",
    )

    @classmethod
    def of(cls, inspection: Inspection, **more: Any) -> Self:
        """``inspection`` as JSON."""
        fields = {
            name: getattr(inspection, name)
            for name in InspectionOut.model_fields
            if name not in ("probability", "photos", "missing_views", "without_view")
        }
        return cls(
            **fields,
            probability=_finite(inspection.probability),
            photos=[PhotoOut.of(photo) for photo in inspection.photos],
            **more,
        )


class AnswerIn(BaseModel):
    """The answer of a person about a part."""

    model_config = _examples({"answer": "defect", "label": "crack", "person": "Ines"})
    answer: Answered
    label: Label | None = Field(None, description="A class of the model; null without one.")
    person: Person
    seconds: float | None = Field(None, ge=0, le=1e6, description="How long the person looked.")


class AnswerOut(BaseModel):
    """A stored answer."""

    model_config = _examples(_ANSWER)
    number: int
    inspection: str
    answer: Answered
    label: str | None
    person: str
    at: datetime
    undone: bool

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """``answer`` as JSON."""
        return cls(**{name: getattr(answer, name) for name in cls.model_fields})


class AnsweredOut(InspectionOut):
    """An inspection with the answers of people."""

    model_config = _examples({**_INSPECTION, "answers": [_ANSWER]})
    answers: list[AnswerOut] = Field(description="The oldest first; also those undone.")


class UndoIn(BaseModel):
    """Whose last answer is taken back."""

    model_config = _examples({"person": "Ines"})
    person: Person


class WaitingPhoto(BaseModel):
    """A photo that a person looks at."""

    sha256: str
    name: str
    media_type: str
    view: str | None = None
    product: str | None = None


class WaitingOut(BaseModel):
    """An inspection in the queue, without its decision: an answer must not follow the model."""

    id: str
    at: datetime
    part: str | None
    photos: list[WaitingPhoto]


class QueueOut(BaseModel):
    """The inspections that wait for people, the most urgent first."""

    model_config = _examples(
        {
            "waiting": 7,
            "inspections": [
                {
                    **{name: _INSPECTION[name] for name in ("id", "at", "part")},
                    "photos": [{name: _PHOTO[name] for name in WaitingPhoto.model_fields}],
                }
            ],
        }
    )
    waiting: int = Field(description="All of them; the list may be shorter.")
    inspections: list[WaitingOut]

    @classmethod
    def of(cls, waiting: int, inspections: Iterable[Inspection]) -> Self:
        """These inspections as JSON."""
        return cls(
            waiting=waiting,
            inspections=[
                WaitingOut(
                    id=each.id,
                    at=each.at,
                    part=each.part,
                    photos=[
                        WaitingPhoto(
                            sha256=photo.sha256,
                            name=photo.name,
                            media_type=photo.kind,
                            view=photo.view,
                            product=photo.product,
                        )
                        for photo in each.photos
                    ],
                )
                for each in inspections
            ],
        )


class TodayOut(BaseModel):
    """Counts of the inspections since ``since``."""

    model_config = _examples(
        {
            "since": "2026-03-01T00:00:00+01:00",
            "total": 1204,
            "ok": 1101,
            "look": 61,
            "reject": 42,
            "unlike": 9,
            "answered": 70,
            "escapes": 0,
            "overkills": 3,
            "waiting": 7,
        }
    )
    since: datetime
    total: int
    ok: int
    look: int
    reject: int
    unlike: int
    answered: int
    escapes: int = Field(description="Decided OK, but people answered defect.")
    overkills: int = Field(description="Rejected, but people answered OK.")
    waiting: int = Field(description="In the queue now, of any day.")

    @classmethod
    def of(cls, since: datetime, day: Day) -> Self:
        """``day`` as JSON."""
        return cls(since=since, **vars(day))


class BundleOut(BaseModel):
    """The bundle that decides from now on."""

    model_config = _examples(
        {
            "bundle": "castings.fdb",
            "model": _INSPECTION["model"],
            "classes": ["crack", "ok"],
            "good": ["ok"],
        }
    )
    bundle: str
    model: str
    classes: list[str]
    good: list[str]

    @classmethod
    def of(cls, model: Model) -> Self:
        """``model`` as JSON."""
        return cls(
            bundle=model.name,
            model=model.identity,
            classes=list(model.classes),
            good=list(model.good),
        )


class Status(BaseModel):
    """The server answers."""

    model_config = _examples({"status": "ok"})
    status: Literal["ok"] = "ok"
