"""Folds for cross-validation: every part in one of them, every class in the same proportion."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastdefect.data.photos import Manifest
from fastdefect.data.splitting.allocate import Group, carve, deal
from fastdefect.data.splitting.split import Split, groups_of, read_split, split_rows
from fastdefect.errors import DataError, RunError
from fastdefect.files import read_csv
from fastdefect.run_files import FILES
from fastdefect.text import counted

FOLD_COLUMNS = FILES["folds.csv"].columns


@dataclass(frozen=True)
class Folds:
    """The fold of each photo of a manifest, from 1 to ``k``; 0 where it is in none.

    In none are the sealed ``test`` photos (indices, ascending) and those that are unused.
    ``parts`` is the part of every photo.
    """

    k: int
    fold: tuple[int, ...]
    test: tuple[int, ...]
    parts: tuple[str, ...]

    def held_out(self, fold: int) -> tuple[int, ...]:
        """The photos of one fold, from 1."""
        if not 1 <= fold <= self.k:
            raise ValueError(f"Expected a fold from 1 to {self.k}, got {fold}")
        return tuple(i for i, of in enumerate(self.fold) if of == fold)

    @property
    def unused(self) -> tuple[int, ...]:
        """The photos that are neither in a fold nor sealed."""
        sealed = set(self.test)
        return tuple(i for i, of in enumerate(self.fold) if not of and i not in sealed)

    @property
    def pool(self) -> tuple[int, ...]:
        """All photos that are in some fold."""
        return tuple(i for i, of in enumerate(self.fold) if of)


def make_folds(manifest: Manifest, split: Split, k: int, *, seed: int) -> Folds:
    """Deal the photos outside the test side of ``split`` out to ``k`` >= 2 folds.

    The test side is the split's own, so that one seed seals the same photos with and without
    folds. Unused photos stay so where their part is in the test; those that only leaked into
    validation are dealt out with the others. Parts stay whole, and each class is shared out
    as evenly as that allows: with parts of one class each, no two folds differ by more photos
    of it than its largest part has. The outcome depends on the seed, the names, parts and
    labels, and on neither the order of the photos nor the machine.

    Raises ``DataError`` for a class with fewer parts than are needed to train, validate and
    hold out in every fold.
    """
    if k < 2:
        raise ValueError(f"Expected 2 or more folds, got {k}")
    sealed = {split.parts[i] for i in split.test}
    unused = set(split.unused)
    taken = set(split.test) | {i for i in unused if split.parts[i] in sealed}
    pool = [i for i in range(len(manifest.photos)) if i not in taken]
    fold = _deal(manifest, split.parts, pool, k, seed, "outside the test")
    return Folds(k, fold, split.test, split.parts)


def folds_of_train(manifest: Manifest, split: Split, k: int, *, seed: int) -> Folds:
    """Deal the train side of ``split`` out to ``k`` >= 2 folds, as ``make_folds`` does.

    All other photos, valid's and unused ones too, are in none and count as sealed. Raises
    ``DataError`` for a class with too few parts in train.
    """
    if k < 2:
        raise ValueError(f"Expected 2 or more folds, got {k}")
    fold = _deal(manifest, split.parts, split.train, k, seed, "in train")
    others = tuple(i for i, of in enumerate(fold) if not of)
    return Folds(k, fold, others, split.parts)


def _deal(
    manifest: Manifest, parts: tuple[str, ...], pool: Sequence[int], k: int, seed: int, where: str
) -> tuple[int, ...]:
    """The fold of each photo, from 1; 0 outside ``pool``, which is what ``where`` says it is."""
    labels = [photo.label for photo in manifest.photos]
    groups = groups_of(parts, labels, pool)
    _check_enough(manifest.classes, groups, k, where)
    names = [f"fold {fold}" for fold in range(1, k + 1)]
    dealt = deal(groups, dict.fromkeys(names, 1 / k), seed, alike=True)
    fold = [0] * len(labels)
    for group, name in zip(groups, dealt, strict=True):
        for i in group.photos:
            fold[i] = names.index(name) + 1
    return tuple(fold)


def split_without(folds: Folds, fold: int) -> Split:
    """Train on the other folds, with one held out as valid, and no test at all."""
    held_out = folds.held_out(fold)
    rest = set(folds.pool) - set(held_out)
    return Split(tuple(sorted(rest)), held_out, (), folds.parts)


def split_for_fold(
    manifest: Manifest, folds: Folds, fold: int, *, valid: float, seed: int
) -> Split:
    """Train and valid for one fold: what is held out is on no side, so that it chooses nothing.

    ``valid`` is a share of the other folds' photos, dealt out by whole parts. The test stays
    sealed. Raises ``DataError`` if a class is left with too few parts.
    """
    held_out = set(folds.held_out(fold))
    rest = [i for i in folds.pool if i not in held_out]
    groups = groups_of(folds.parts, [photo.label for photo in manifest.photos], rest)
    # Another seed for each fold: with one, the folds would share most validation photos.
    sides = carve(groups, {}, {"valid": valid}, seed + fold)
    chosen: dict[str, list[int]] = {"train": [], "valid": []}
    for group, side in zip(groups, sides, strict=True):
        chosen[side] += group.photos
    return Split(
        tuple(sorted(chosen["train"])), tuple(sorted(chosen["valid"])), folds.test, folds.parts
    )


def fold_rows(manifest: Manifest, folds: Folds) -> list[dict[str, str]]:
    """One row a photo under ``FOLD_COLUMNS``; all that is in a fold is called train."""
    split = Split(folds.pool, (), folds.test, folds.parts)
    return [
        {**row, "fold": str(fold) if fold else ""}
        for row, fold in zip(split_rows(manifest, split), folds.fold, strict=True)
    ]


def read_folds(path: Path, manifest: Manifest) -> Folds:
    """The folds that ``fold_rows`` gave, for the same photos.

    Raises ``RunError`` if the file is missing or damaged, and ``DataError`` if photos have
    gone, come, changed or got another label since.
    """
    split = read_split(path, manifest)
    saved = {row["path"]: row.get("fold", "") for row in read_csv(path)}
    numbers = [saved[photo.name] for photo in manifest.photos]
    fold = tuple(int(number) if number and number.isdecimal() else 0 for number in numbers)
    k = max(fold, default=0)
    in_some = tuple(i for i, of in enumerate(fold) if of)
    if in_some != split.train or split.valid or set(fold) - {0} != set(range(1, k + 1)) or k < 2:
        raise RunError(
            f"{path}: expected a fold from 1 on for each photo that is called train.",
            "The file is damaged: start a new run.",
        )
    return Folds(k, fold, split.test, split.parts)


def _check_enough(classes: Sequence[str], groups: Sequence[Group], k: int, where: str) -> None:
    """A part to hold out in each fold and, outside each, one to train and one to validate on."""
    parts = Counter(name for group in groups for name in group.labels)
    photos = Counter[str]()
    for group in groups:
        photos.update(group.labels)
    needed = k if k > 2 else 4  # of two folds, each trains and validates alone
    for name in classes:
        if parts[name] >= needed:
            continue
        have = counted(photos[name], "photo")
        if photos[name] > parts[name]:
            have = f"{counted(parts[name], 'part')} in {have}"
        raise DataError(
            f"Class {name} has {have} {where}, but {k} folds need at least {needed}: "
            "one to hold out in each, and others to train and validate on.",
            "Take fewer folds, add photos of other parts, or do without a test split: --test 0.",
        )
