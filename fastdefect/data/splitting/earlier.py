"""A split that continues an earlier one: what was trained on is never tested, what was sealed is.

Photos are recognised by their bytes, and by their part where the user gave it. They keep the side
that they had; only new photos are allocated.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fastdefect.data.photos import UNUSED, Manifest, Photo
from fastdefect.data.splitting.allocate import Group, split_off
from fastdefect.data.splitting.split import (
    SPLITS,
    Split,
    check_trained,
    groups_of,
    split_of,
)
from fastdefect.events import Note
from fastdefect.text import counted

# Of several sides, the one that must not be lost: a sealed photo stays sealed.
_STRONGEST = ("test", "valid", "train")


@dataclass(frozen=True)
class EarlierSides:
    """The sides of the photos of the run ``name``, by sha256, and by part if the user gave it."""

    name: str
    by_bytes: Mapping[str, str]
    by_part: Mapping[str, str]

    @classmethod
    def of(cls, name: str, rows: Iterable[Mapping[str, str]]) -> "EarlierSides":
        """The sides in the rows of a saved split; unused photos have none."""
        kept = [row for row in rows if row["split"] != UNUSED]
        named = given_parts(kept)
        given = [row for row in kept if row["part"] in named]
        return cls(
            name,
            {key: _strongest(sides) for key, sides in _sides_by("sha256", kept).items()},
            {key: _strongest(sides) for key, sides in _sides_by("part", given).items()},
        )

    def of_photo(self, photo: Photo) -> str | None:
        """The side that the photo had; None for a new one."""
        return self.by_bytes.get(photo.sha256)


@dataclass(frozen=True)
class FurtherSplit:
    """The split, and what to report about it."""

    split: Split
    notes: tuple[Note, ...]


def given_parts(rows: Iterable[Mapping[str, str]]) -> set[str]:
    """The parts in a saved split that the user named: a found part has the name of a photo."""
    rows = list(rows)
    photos = {row["path"] for row in rows}
    return {part for row in rows if (part := row["part"]).removeprefix("./") not in photos}


def split_further(
    manifest: Manifest,
    parts: tuple[str, ...],
    earlier: EarlierSides,
    *,
    valid: float,
    test: float,
    seed: int,
) -> FurtherSplit:
    """Keep the earlier sides, and allocate new photos by whole parts.

    A new photo of an earlier part gets the side of that part: test before valid before train. A
    photo that was trained on, but whose part is sealed, is on no side. ``valid`` and ``test`` are
    shares of the new photos. Without any validation photo, they are taken from train.

    Raises ``DataError`` for a new class with too few parts for every side.
    """
    sides = _kept_sides(manifest, parts, earlier)
    new = [i for i, side in enumerate(sides) if side is None]
    given = {photo.split for photo in manifest.photos}
    shares = {
        name: share
        for name, share in (("valid", valid), ("test", test))
        if share > 0 and name not in given
    }
    groups = groups_of(parts, [photo.label for photo in manifest.photos], new)
    for group, side in _allocated(groups, manifest, sides, shares, seed):
        for i in group.photos:
            sides[i] = side
    notes = [_kept_note(manifest, earlier, sides)]
    if "valid" not in sides:
        notes.append(_validate_on_trained(manifest, parts, sides, valid, seed))
    check_trained(manifest, sides)
    return FurtherSplit(split_of([side or UNUSED for side in sides], parts), tuple(notes))


def _kept_sides(
    manifest: Manifest, parts: Sequence[str], earlier: EarlierSides
) -> list[str | None]:
    """The side of each photo that is not free: by its bytes, its part, or as the user gave it."""
    own = [earlier.of_photo(photo) for photo in manifest.photos]
    of_part: dict[str, set[str]] = defaultdict(set)
    for photo, part, side in zip(manifest.photos, parts, own, strict=True):
        named = earlier.by_part.get(photo.part) if photo.part is not None else None
        of_part[part] |= {each for each in (side, named) if each is not None}
    kept: list[str | None] = []
    for photo, part, side in zip(manifest.photos, parts, own, strict=True):
        others = of_part[part]
        if side is None:
            kept.append(_strongest(others) if others else photo.split)
        else:
            kept.append(UNUSED if side != "test" and "test" in others else side)
    return kept


def _allocated(
    groups: Sequence[Group],
    manifest: Manifest,
    sides: Sequence[str | None],
    shares: Mapping[str, float],
    seed: int,
) -> list[tuple[Group, str]]:
    """A side for each group of new photos.

    If a class has too few new parts for every side, but is on every side already, they are trained
    on.
    """
    parts = Counter(label for group in groups for label in group.labels)
    present = {(photo.label, side) for photo, side in zip(manifest.photos, sides, strict=True)}
    few = {
        label
        for label, n in parts.items()
        if n <= len(shares) and all((label, side) in present for side in ("train", *shares))
    }
    trained = [group for group in groups if few & set(group.labels)]
    others = [group for group in groups if not few & set(group.labels)]
    drawn = split_off(others, {}, shares, seed) if shares else ["train"] * len(others)
    return [*((group, "train") for group in trained), *zip(others, drawn, strict=True)]


def _kept_note(manifest: Manifest, earlier: EarlierSides, sides: Sequence[str | None]) -> Note:
    known = Counter(
        side
        for photo, side in zip(manifest.photos, sides, strict=True)
        if earlier.of_photo(photo) is not None and side is not None
    )
    listed = ", ".join(f"{side} {known[side]}" for side in (*SPLITS, UNUSED) if known[side])
    new = sum(earlier.of_photo(photo) is None for photo in manifest.photos)
    if not known:
        return Note(f"None of these photos is of {earlier.name}.")
    text = f"{counted(sum(known.values()), 'photo')} of {earlier.name} keep their side ({listed})"
    if known[UNUSED]:
        text += "; unused are those whose part is also sealed"
    return Note(f"{text}. {counted(new, 'photo')} are new.")


def _validate_on_trained(
    manifest: Manifest,
    parts: Sequence[str],
    sides: list[str | None],
    valid: float,
    seed: int,
) -> Note:
    """Move a share of train to valid, in place; return the warning about it."""
    train = [i for i, side in enumerate(sides) if side == "train"]
    groups = groups_of(parts, [photo.label for photo in manifest.photos], train)
    for group, side in zip(groups, split_off(groups, {}, {"valid": valid}, seed), strict=True):
        for i in group.photos:
            sides[i] = side
    return Note(
        "There are no photos to validate on that the earlier run was not trained on: validation is "
        "taken from its training photos, and its figures are too good.",
        "warning",
    )


def _sides_by(column: str, rows: Iterable[Mapping[str, str]]) -> dict[str, set[str]]:
    sides: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        sides[row[column]].add(row["split"])
    return sides


def _strongest(sides: Iterable[str]) -> str:
    return next(side for side in _STRONGEST if side in sides)
