"""From photos with marked kinds of defects to photos with one label each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastdefect.data.photos import DEFECT_COLUMN, KINDS_BETWEEN, Box, Entry
from fastdefect.data.reading.good_class import recognise_good
from fastdefect.data.reading.layouts.mask_labels import DEFECT, GOOD
from fastdefect.text import counted


@dataclass(frozen=True)
class Annotated:
    """One photo and what is marked on it; ``kinds`` are the different kinds of its boxes."""

    name: str
    path: Path
    side: str | None
    kinds: tuple[str, ...]
    boxes: tuple[Box, ...] = ()
    mask: Path | None = None
    part: str | None = None
    columns: tuple[tuple[str, str], ...] = ()


def label_photos(photos: Sequence[Annotated], unit: str = "box") -> tuple[list[Entry], str]:
    """The photos with one label each, and the rule in words.

    A photo without a box is good. The others have the class of their boxes if every photo has
    boxes of one kind only, else the class ``defect``. A kind that means good ("ok") marks no
    defect. The kinds of a defective photo are kept in the column ``defect``, joined by |.
    """
    every_kind = {kind for photo in photos for kind in photo.kinds}
    good_kinds = {kind for kind in every_kind if recognise_good([kind])}
    good = min(good_kinds) if len(good_kinds) == 1 else GOOD
    defects = [tuple(kind for kind in p.kinds if kind not in good_kinds) for p in photos]
    several = sum(len(kinds) > 1 for kinds in defects)
    entries = [
        Entry(
            photo.name,
            photo.path,
            (DEFECT if several else kinds[0]) if kinds else good,
            photo.part,
            photo.side,
            _with_kinds(photo.columns, kinds),
            photo.boxes,
            photo.mask,
        )
        for photo, kinds in zip(photos, defects, strict=True)
    ]
    if not several:
        return entries, f"{good} where no {unit} marks a defect, else the kind of the {unit}"
    return entries, (
        f"{good} where no {unit} marks a defect, else {DEFECT}, since {counted(several, 'photo')} "
        f"{'has' if several == 1 else 'have'} several kinds (kept as the column {DEFECT_COLUMN})"
    )


def _with_kinds(
    columns: tuple[tuple[str, str], ...], kinds: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    if not kinds:
        return columns
    others = tuple((name, value) for name, value in columns if name != DEFECT_COLUMN)
    return (*others, (DEFECT_COLUMN, KINDS_BETWEEN.join(sorted(kinds))))
