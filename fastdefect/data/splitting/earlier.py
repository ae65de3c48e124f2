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
    check_shares,
    check_trained,
    groups_of,
    leaks,
    settled_side,
    split_of,
)
from fastdefect.events import Note
from fastdefect.text import counted

# Of several sides, the one that must not be lost: a sealed photo stays sealed.
_STRONGEST = ("test", "valid", "train")


@dataclass(frozen=True)
class KnownPhoto:
    """A photo of an earlier split: its bytes, its part if the user gave it, and its side."""

    sha256: str
    part: str | None
    side: str


@dataclass(frozen=True)
class EarlierSides:
    """All sides of the photos of the run ``name``, by sha256, and by part if the user gave it."""

    name: str
    by_bytes: Mapping[str, frozenset[str]]
    by_part: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, name: str, photos: Iterable[KnownPhoto]) -> "EarlierSides":
        """The sides of ``photos``; unused ones have none."""
        by_bytes: dict[str, set[str]] = defaultdict(set)
        by_part: dict[str, set[str]] = defaultdict(set)
        for photo in photos:
            if photo.side == UNUSED:
                continue
            by_bytes[photo.sha256].add(photo.side)
            if photo.part is not None:
                by_part[photo.part].add(photo.side)
        return cls(
            name,
            {key: frozenset(sides) for key, sides in by_bytes.items()},
            {key: frozenset(sides) for key, sides in by_part.items()},
        )

    def of_photo(self, photo: Photo) -> str | None:
        """The side that the photo had; None for a new one."""
        return _strongest(self.by_bytes.get(photo.sha256, ()))

    def of_parts(self, photos: Sequence[Photo], parts: Sequence[str]) -> dict[str, set[str]]:
        """All sides that photos of each of ``parts`` had."""
        found: dict[str, set[str]] = {part: set() for part in parts}
        for photo, part in zip(photos, parts, strict=True):
            found[part] |= self.by_bytes.get(photo.sha256, frozenset())
            found[part] |= self.by_part.get(photo.part or "", frozenset())
        return found


@dataclass(frozen=True)
class FurtherSplit:
    """The split, and what to report about it."""

    split: Split
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class _Continued:
    """The photos to split, their parts, and what the earlier run knows of them.

    ``before`` has all sides that photos of each part had.
    """

    manifest: Manifest
    parts: tuple[str, ...]
    earlier: EarlierSides
    before: Mapping[str, set[str]]

    @property
    def pairs(self) -> list[tuple[Photo, str]]:
        """Each photo with its part."""
        return list(zip(self.manifest.photos, self.parts, strict=True))

    def groups(self, chosen: Sequence[int]) -> list[Group]:
        """The photos ``chosen`` (indices) by part."""
        return groups_of(self.parts, [photo.label for photo in self.manifest.photos], chosen)

    def was_trained_on(self, index: int) -> bool:
        """Whether the earlier run was trained on the part of a photo."""
        return "train" in self.before[self.parts[index]]


def split_further(
    manifest: Manifest,
    parts: tuple[str, ...],
    earlier: EarlierSides,
    *,
    shares: Mapping[str, float],
    seed: int,
    unleak: bool = False,
) -> FurtherSplit:
    """Keep the earlier sides, and allocate new photos by whole parts.

    A new photo of an earlier part gets the side of that part: test before valid before train. Other
    new photos keep the valid or test that the user gave; those in train are drawn from if a side is
    missing. A photo that was trained on, but whose part is
    sealed, is on no side. ``shares`` are those of ``valid`` and ``test`` of the remaining new
    photos. ``unleak`` is as in ``make_split``, but for all sides. Without any validation photo,
    they are taken from train.

    Raises ``UsageError`` and ``DataError`` as ``make_split`` does.
    """
    check_shares(shares["valid"], shares["test"])
    given = _Continued(manifest, parts, earlier, earlier.of_parts(manifest.photos, parts))
    sides = _divided(given, shares, seed)
    notes = [*_kept_notes(given, sides), *_leak_notes(given, sides, unleak=unleak)]
    if "valid" not in sides:
        notes.append(_validate_on_train(given, sides, shares["valid"], seed))
    check_trained(manifest, sides, unleak=unleak)
    return FurtherSplit(split_of(sides, parts), tuple(notes))


# ---- sides -------------------------------------------------------------------------------


def _divided(given: _Continued, shares: Mapping[str, float], seed: int) -> list[str]:
    """The side of each photo: kept, given by the user, or drawn."""
    sides = [_kept(given.earlier.of_photo(p), given.before[part]) for p, part in given.pairs]
    # Of a side that the user gave to photos which are on it, nothing is drawn.
    provided = {
        photo.split
        for (photo, _), side in zip(given.pairs, sides, strict=True)
        if side in (None, photo.split)
    }
    drawn = {name: share for name, share in shares.items() if share > 0 and name not in provided}
    sides = _with_given(given, sides, drawing=bool(drawn))
    groups = given.groups([i for i, side in enumerate(sides) if side is None])
    for group, side in _allocated(groups, given.manifest, sides, drawn, seed):
        for i in group.photos:
            sides[i] = side
    return [side or UNUSED for side in sides]


def _kept(side: str | None, of_part: set[str]) -> str | None:
    """The side of a photo that was on ``side``, and its part on ``of_part``; None if it is free."""
    if side is None:
        return _strongest(of_part)
    return UNUSED if side != "test" and "test" in of_part else side


def _with_given(
    given: _Continued, sides: Sequence[str | None], *, drawing: bool
) -> list[str | None]:
    """Settle the photos of new parts whose side the user gave, as ``make_split`` does."""
    named: dict[str, set[str]] = defaultdict(set)
    for (photo, part), side in zip(given.pairs, sides, strict=True):
        if side is None and photo.split is not None:
            named[part].add(photo.split)
    return [
        settled_side(photo.split, named[part], drawing=drawing) if side is None else side
        for (photo, part), side in zip(given.pairs, sides, strict=True)
    ]


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


# ---- notes, and what they are about ------------------------------------------------------


def _kept_notes(given: _Continued, sides: Sequence[str]) -> list[Note]:
    """The photos that keep their side, and those that are not on the side that the user gave."""
    name, new, moved = given.earlier.name, 0, 0
    known = Counter[str]()
    for (photo, part), side in zip(given.pairs, sides, strict=True):
        if given.earlier.of_photo(photo) is not None:
            known[side] += 1
            continue
        new += 1
        moved += bool(given.before[part]) and photo.split not in (None, side)
    notes = [Note(_kept_text(name, known, new))]
    if moved:
        are = "photo is" if moved == 1 else "photos are"
        text = f"{moved} new {are} not on the given side: {name} has the part on another side."
        notes.append(Note(text))
    return notes


def _kept_text(name: str, known: Counter[str], new: int) -> str:
    n = known.total()
    if not n:
        return f"None of these photos is of {name}."
    keep = "keeps its side" if n == 1 else "keep their side"
    listed = ", ".join(f"{side} {known[side]}" for side in (*SPLITS, UNUSED) if known[side])
    unused = ". Unused: photos whose part is also in the sealed test" if known[UNUSED] else ""
    added = f"{counted(new, 'photo')} {'is' if new == 1 else 'are'} new"
    return f"{counted(n, 'photo')} of {name} {keep} ({listed}){unused}. {added}."


def _leak_notes(given: _Continued, sides: list[str], *, unleak: bool) -> list[Note]:
    """Report parts on several sides; with ``unleak``, remove photos from ``sides``, in place."""
    shown: dict[str, set[str]] = defaultdict(set)
    for part, side in zip(given.parts, sides, strict=True):
        shown[part].add(side)
    leaking = [
        i
        for i, (part, side) in enumerate(zip(given.parts, sides, strict=True))
        if side != UNUSED and leaks(side, shown[part])
    ]
    notes = []
    if leaking:
        found = Counter(sides[i] for i in leaking)
        where = " and ".join(f"{counted(found[s], 'photo')} of {s}" for s in SPLITS if found[s])
        notes.append(_leak_note(where, unleak=unleak))
        for i in leaking if unleak else ():
            sides[i] = UNUSED
    held_out = [i for i, side in enumerate(sides) if side in ("valid", "test")]
    known = sum(given.was_trained_on(i) for i in held_out)
    if known:
        text = (
            f"{given.earlier.name} was trained on the parts of {counted(known, 'photo')} of valid "
            "and test: the figures there are too good."
        )
        notes.append(Note(text, "warning"))
    return notes


def _leak_note(where: str, *, unleak: bool) -> Note:
    if unleak:
        return Note(f"--unleak removes {where}: their parts are also in valid or test.")
    return Note(
        f"The parts of {where} are also in valid or test: the figures there are too good. --unleak "
        "removes these photos.",
        "warning",
    )


def _validate_on_train(given: _Continued, sides: list[str], share: float, seed: int) -> Note:
    """Move a share of train to valid, in place; return the note about it."""
    groups = given.groups([i for i, side in enumerate(sides) if side == "train"])
    for group, side in zip(groups, split_off(groups, {}, {"valid": share}, seed), strict=True):
        for i in group.photos:
            sides[i] = side
    valid = [i for i, side in enumerate(sides) if side == "valid"]
    known = sum(given.was_trained_on(i) for i in valid)
    text = "There are no other photos to validate on: validation is taken from train."
    if not known:
        return Note(text)
    text += (
        f" {given.earlier.name} was trained on the parts of {known} of the "
        f"{counted(len(valid), 'validation photo')}. The validation figures are too good."
    )
    return Note(text, "warning")


def _strongest(sides: Iterable[str]) -> str | None:
    return next((side for side in _STRONGEST if side in sides), None)
