"""Folds for cross-validation: each part in one fold, each class in equal proportion."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastdefect.data.photos import Manifest
from fastdefect.data.splitting.allocate import Group, allocate, split_off
from fastdefect.data.splitting.split import Split, groups_of, read_split, saved_rows, split_rows
from fastdefect.errors import DataError, RunError
from fastdefect.run_files import FILES
from fastdefect.text import counted

FOLD_COLUMNS = FILES["folds.csv"].columns


@dataclass(frozen=True)
class Folds:
    """The fold of each photo of a manifest, from 1 to ``k``; 0 for a photo in no fold.

    The sealed ``test`` photos (indices, ascending) and the unused photos are in no fold.
    ``parts`` is the part of every photo.
    """

    k: int
    fold: tuple[int, ...]
    test: tuple[int, ...]
    parts: tuple[str, ...]

    def held_out(self, fold: int) -> tuple[int, ...]:
        """The photos of one fold, numbered from 1."""
        if not 1 <= fold <= self.k:
            raise ValueError(f"Expected a fold from 1 to {self.k}, got {fold}")
        return tuple(i for i, of in enumerate(self.fold) if of == fold)

    @property
    def unused(self) -> tuple[int, ...]:
        """The photos that are neither in a fold nor in the sealed test."""
        sealed = set(self.test)
        return tuple(i for i, of in enumerate(self.fold) if not of and i not in sealed)

    @property
    def pool(self) -> tuple[int, ...]:
        """The photos that are in a fold."""
        return tuple(i for i, of in enumerate(self.fold) if of)


def make_folds(manifest: Manifest, split: Split, k: int, *, seed: int) -> Folds:
    """Allocate the photos outside the test side of ``split`` to ``k`` >= 2 folds.

    The test side is that of the split, so that one seed seals the same photos with and without
    folds. Unused photos stay unused if their part is in the test; those that only leaked into
    validation are allocated with the others. Parts stay whole, and each class is distributed as
    evenly as they allow: if every part has one class, the numbers of its photos in any two folds
    differ by at most the size of its largest part. The result depends on the seed, the names,
    parts and labels. It does not depend on the order of the photos or on the machine.

    Raises ``DataError`` for a class with too few parts to train, validate and hold out in every
    fold.
    """
    if k < 2:
        raise ValueError(f"Expected 2 or more folds, got {k}")
    sealed = {split.parts[i] for i in split.test}
    unused = set(split.unused)
    taken = set(split.test) | {i for i in unused if split.parts[i] in sealed}
    pool = [i for i in range(len(manifest.photos)) if i not in taken]
    fold = _allocate_folds(manifest, split.parts, pool, k, seed, "outside the test")
    return Folds(k, fold, split.test, split.parts)


def folds_of_train(manifest: Manifest, split: Split, k: int, *, seed: int) -> Folds:
    """Allocate the train side of ``split`` to ``k`` >= 2 folds, as ``make_folds`` does.

    All other photos, including valid and unused ones, are in no fold and count as sealed. Raises
    ``DataError`` for a class with too few parts in train.
    """
    if k < 2:
        raise ValueError(f"Expected 2 or more folds, got {k}")
    fold = _allocate_folds(manifest, split.parts, split.train, k, seed, "in train")
    others = tuple(i for i, of in enumerate(fold) if not of)
    return Folds(k, fold, others, split.parts)


def _allocate_folds(
    manifest: Manifest, parts: tuple[str, ...], pool: Sequence[int], k: int, seed: int, where: str
) -> tuple[int, ...]:
    """The fold of each photo, from 1; 0 outside ``pool``, which ``where`` describes in errors."""
    labels = [photo.label for photo in manifest.photos]
    groups = groups_of(parts, labels, pool)
    _check_enough(manifest.classes, groups, k, where)
    names = [f"fold {fold}" for fold in range(1, k + 1)]
    sides = allocate(groups, dict.fromkeys(names, 1 / k), seed, alike=True)
    fold = [0] * len(labels)
    for group, name in zip(groups, sides, strict=True):
        for i in group.photos:
            fold[i] = names.index(name) + 1
    return tuple(fold)


def split_without(folds: Folds, fold: int) -> Split:
    """A split that trains on the other folds, validates on ``fold`` and has no test."""
    held_out = folds.held_out(fold)
    rest = set(folds.pool) - set(held_out)
    return Split(tuple(sorted(rest)), held_out, (), folds.parts)


def split_for_fold(
    manifest: Manifest, folds: Folds, fold: int, *, valid: float, seed: int
) -> Split:
    """Train and valid for one fold; the held-out photos are on no side and affect no choice.

    ``valid`` is a share of the photos of the other folds, allocated by whole parts. The test
    stays sealed. Raises ``DataError`` if a class has too few parts.
    """
    held_out = set(folds.held_out(fold))
    rest = [i for i in folds.pool if i not in held_out]
    groups = groups_of(folds.parts, [photo.label for photo in manifest.photos], rest)
    # A different seed for each fold, because the folds would otherwise share most validation
    # photos.
    sides = split_off(groups, {}, {"valid": valid}, seed + fold)
    chosen: dict[str, list[int]] = {"train": [], "valid": []}
    for group, side in zip(groups, sides, strict=True):
        chosen[side] += group.photos
    return Split(
        tuple(sorted(chosen["train"])), tuple(sorted(chosen["valid"])), folds.test, folds.parts
    )


def fold_rows(manifest: Manifest, folds: Folds) -> list[dict[str, str]]:
    """One row per photo under ``FOLD_COLUMNS``; the split of a photo in a fold is train."""
    split = Split(folds.pool, (), folds.test, folds.parts)
    return [
        {**row, "fold": str(fold) if fold else ""}
        for row, fold in zip(split_rows(manifest, split), folds.fold, strict=True)
    ]


def read_folds(path: Path, manifest: Manifest) -> Folds:
    """Read the folds that ``fold_rows`` wrote, for the same photos.

    Raises ``RunError`` if the file is missing or damaged, and ``DataError`` if photos were added,
    removed, changed or relabelled since.
    """
    split = read_split(path, manifest)
    numbers = fold_numbers(path)
    fold = tuple(numbers[photo.name] for photo in manifest.photos)
    return Folds(max(fold), fold, split.test, split.parts)


def fold_numbers(path: Path) -> dict[str, int]:
    """The fold of each photo in the file that ``fold_rows`` wrote, by name; 0 for no fold.

    Raises ``RunError`` if the file is missing or damaged.
    """
    rows = saved_rows(path)
    text = {row["path"]: row.get("fold") or "" for row in rows}
    fold = {name: int(number) if number.isdecimal() else 0 for name, number in text.items()}
    k = max(fold.values(), default=0)
    trained = all(bool(fold[row["path"]]) == (row["split"] == "train") for row in rows)
    valid = any(row["split"] == "valid" for row in rows)
    if not trained or valid or set(fold.values()) - {0} != set(range(1, k + 1)) or k < 2:
        raise RunError(
            f"{path}: expected a fold from 1 on for each photo of split train and for no other "
            "photo, but found other values.",
            "The file is damaged. Start a new run.",
        )
    return fold


def _check_enough(classes: Sequence[str], groups: Sequence[Group], k: int, where: str) -> None:
    """Check each class: a part to hold out per fold, and one to train and one to validate on."""
    parts = Counter(name for group in groups for name in group.labels)
    photos = Counter[str]()
    for group in groups:
        photos.update(group.labels)
    needed = k if k > 2 else 4  # with two folds, each one trains and validates alone
    for name in classes:
        if parts[name] >= needed:
            continue
        have = counted(photos[name], "photo")
        if photos[name] > parts[name]:
            have = f"{counted(parts[name], 'part')} in {have}"
        raise DataError(
            f"Class {name} has {have} {where}, but {k} folds need at least {needed}: "
            "one to hold out in each, and others to train and validate on.",
            "Use fewer folds, add photos of other parts, or use no test split: --test 0.",
        )
