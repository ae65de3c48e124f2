"""What the line keeps: inspections, their photos, and the answers of people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fastdefect.inference.decision_rule import Verdict

Answered = Literal["OK", "defect"]


@dataclass(frozen=True)
class Photo:
    """A photo of an inspection and the decision on it; the fields are as in ``Decision``.

    ``sha256`` (hex) is that of its bytes, by which the store finds them. ``name`` is the file name
    that the client gave, without folders; empty if none. ``kind`` is its media type.
    """

    sha256: str
    name: str
    kind: str
    decision: Verdict
    probability: float
    probabilities: Mapping[str, float]
    label: str
    defect_class: str | None
    unlike: bool
    likeness: float | None
    distance: float | None
    milliseconds: float


@dataclass(frozen=True)
class Model:
    """The bundle that decided. ``identity`` (hex) changes with its weights and its rule."""

    identity: str
    name: str
    classes: tuple[str, ...]
    good: tuple[str, ...]


@dataclass(frozen=True)
class Inspection:
    """One decision on one part, from one photo or several.

    ``number`` orders inspections: it grows also when the clock is set back. ``part`` is the name
    that the client gave, or None. ``probability`` is that of a defect, the highest of the photos.
    ``share``: the probability with which an inspection with this decision goes to people: 1 for
    look; for OK and reject the random share of the settings. ``chosen``: it goes to people.
    ``priority`` in [0, 1]: its place in the queue, the highest first.
    """

    number: int
    id: str
    at: datetime  # UTC
    part: str | None
    decision: Verdict
    probability: float
    defect_class: str | None
    unlike: bool
    model: str  # Model.identity
    bundle: str  # Model.name
    share: float
    chosen: bool
    priority: float
    photos: tuple[Photo, ...]


@dataclass(frozen=True)
class Answer:
    """What a person says about the part of an inspection.

    ``label`` is the class, None if the person named none. ``seconds`` is the time that the person
    looked, None if it is not known. An answer that was undone counts no longer.
    """

    number: int
    inspection: str  # Inspection.id
    answer: Answered
    label: str | None
    person: str
    at: datetime  # UTC
    undone: bool = False
