"""From the answers on inspections to labels of photos."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fastdefect.serving.records import Answer, Inspection, Model, Photo


class Reason(StrEnum):
    """Why a photo of an inspection with an answer has no label."""

    PEOPLE = "people contradict each other"
    CLASS_CONTRADICTS = "the class contradicts the answer"
    NO_DEFECT_CLASS = "a defect without its class, and the model has several"
    NO_GOOD_CLASS = "a good part without its class, and the model has several"
    WHICH_PHOTO = (
        "a defective part with several photos: the answer does not name the photo that shows it"
    )
    SAME_PHOTO = "the same photo has different labels"
    GONE = "the photo was deleted (retention)"
    DAMAGED = "the file of the photo is damaged"
    OF_RUN = "the photo is one of the run"


@dataclass(frozen=True)
class Labelled:
    """A photo with its label."""

    inspection: Inspection
    photo: Photo
    label: str

    @property
    def part(self) -> str:
        """The part; an inspection without one is a part of its own."""
        return self.inspection.part or self.inspection.id

    @property
    def chosen_by(self) -> str:
        """``look``: by the model. ``check``: at random. ``person``: an answer outside the queue."""
        if not self.inspection.chosen:
            return "person"
        return "look" if self.inspection.decision == "look" else "check"


@dataclass(frozen=True)
class LeftOut:
    """A photo without a label, and why."""

    inspection: Inspection
    photo: Photo
    reason: Reason


def labelled(
    inspection: Inspection, answers: Sequence[Answer], model: Model
) -> list[Labelled] | list[LeftOut]:
    """The photos of an inspection with their label, or all of them with the reason why not.

    ``answers`` are those that count, oldest first; ``model`` is the one that decided.
    """
    label = label_of(answers, model)
    if not isinstance(label, Reason) and len(inspection.photos) > 1 and label not in model.good:
        label = Reason.WHICH_PHOTO
    if isinstance(label, Reason):
        return [LeftOut(inspection, photo, label) for photo in inspection.photos]
    return [Labelled(inspection, photo, label) for photo in inspection.photos]


def label_of(answers: Sequence[Answer], model: Model) -> str | Reason:
    """The class of a part by the answers of people. The last answer of each person counts."""
    last = {answer.person: answer for answer in answers}.values()
    said = {answer.answer for answer in last}
    named = {answer.label for answer in last if answer.label is not None}
    if len(said) > 1 or len(named) > 1:
        return Reason.PEOPLE
    is_ok = said == {"OK"}
    for label in named:
        return label if (label in model.good) == is_ok else Reason.CLASS_CONTRADICTS
    usual = [name for name in model.classes if (name in model.good) == is_ok]
    if len(usual) == 1:
        return usual[0]
    return Reason.NO_GOOD_CLASS if is_ok else Reason.NO_DEFECT_CLASS


def one_label_each(photos: Iterable[Labelled]) -> tuple[list[Labelled], list[LeftOut]]:
    """Each photo once, with the part that it was inspected as first; without those in dispute.

    A photo is its bytes: the same file may have been inspected several times.
    """
    every = list(photos)
    labels: dict[str, set[str]] = {}
    for each in every:
        labels.setdefault(each.photo.sha256, set()).add(each.label)
    kept: dict[str, Labelled] = {}
    disputed = []
    for each in every:
        if len(labels[each.photo.sha256]) > 1:
            disputed.append(LeftOut(each.inspection, each.photo, Reason.SAME_PHOTO))
        else:
            kept.setdefault(each.photo.sha256, each)
    return list(kept.values()), disputed
