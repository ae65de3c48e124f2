"""What the line keeps: inspections, their photos, and the answers of people."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from fastdefect.inference.decision_rule import Verdict
from fastdefect.inference.halves import RejectedBy
from fastdefect.inference.judge import DecidingTile

Answered = Literal["OK", "defect"]


@dataclass(frozen=True)
class Photo:
    """A photo of an inspection and the decision on it; the fields are as in ``Decision``.

    ``sha256`` (hex) is that of its bytes, by which the store finds them. ``name`` is the file name
    that the client gave, without folders; empty if none. ``kind`` is its media type. ``view`` and
    ``product`` are those with which it was decided: of the client, or the view in its name; None if
    they are not known, and in stores of earlier versions.
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
    rejected_by: RejectedBy | None = None
    tile: DecidingTile | None = None
    view: str | None = None
    product: str | None = None


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
    that the client gave, or None. ``probability`` is that of a defect: by the rule for parts, else
    the highest of the photos.
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
class New:
    """An inspection that is not stored yet, with the bytes of its photos in their order.

    ``key`` is that of a client that may repeat its request, or None; ``digest`` is the same for
    the same request. The other fields are as in ``Inspection``.
    """

    id: str
    at: datetime  # UTC
    part: str | None
    key: str | None
    digest: str
    decision: Verdict
    probability: float
    defect_class: str | None
    unlike: bool
    model: str
    bundle: str
    share: float
    chosen: bool
    priority: float
    photos: tuple[Photo, ...]
    contents: tuple[bytes, ...]

    def numbered(self, number: int) -> Inspection:
        """The inspection once it is stored."""
        kept = {field.name: getattr(self, field.name) for field in fields(Inspection)[1:]}
        return Inspection(number, **kept)


@dataclass(frozen=True)
class Answer:
    """The answer of a person about the part of an inspection.

    ``label`` is the class, None if none was given. ``seconds`` is the time that the person
    looked, None if it was not measured. An answer that was undone counts no longer.
    """

    number: int
    inspection: str  # Inspection.id
    answer: Answered
    label: str | None
    person: str
    at: datetime  # UTC
    seconds: float | None = None
    undone: bool = False


@dataclass(frozen=True)
class Day:
    """Counts of inspections in a period; ``waiting`` is the whole queue, of any day.

    ``escapes`` and ``overkills`` are those that a person confirmed: defects that were passed, and
    good parts that were rejected.
    """

    total: int
    ok: int
    look: int
    reject: int
    unlike: int
    answered: int
    escapes: int
    overkills: int
    waiting: int


@dataclass(frozen=True)
class AuditRow:
    """What an audit needs of an inspection; the fields are as in ``Inspection``.

    ``answer`` is the last that counts, None if there is none. ``said`` has the last of each person.
    """

    number: int
    part: str | None
    decision: Verdict
    share: float
    chosen: bool
    model: str
    answer: Answered | None
    said: tuple[tuple[str, Answered], ...]  # (person, answer), oldest first


@dataclass(frozen=True)
class DecidedPhoto:
    """What the test for drift needs of a photo; ``part`` is the inspection if none was named."""

    part: str
    label: str
    probability: float
    distance: float | None


@dataclass(frozen=True)
class Retired:
    """Photo files that were deleted; ``kept`` of them were chosen or answered."""

    files: int
    bytes: int
    kept: int
