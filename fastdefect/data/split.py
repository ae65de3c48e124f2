"""Train, valid and test: stratified by class, every part on one side, the same every time."""

import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastdefect.data.carve import Group, carve
from fastdefect.data.manifest import Manifest
from fastdefect.data.parts import join_parts
from fastdefect.data.wording import first
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.files import read_csv

SPLITS = ("train", "valid", "test")
SPLIT_COLUMNS = ("path", "label", "part", "split", "sha256")


@dataclass(frozen=True)
class Split:
    """Indices into ``manifest.photos``, ascending, and the part of every photo."""

    train: tuple[int, ...]
    valid: tuple[int, ...]
    test: tuple[int, ...]
    parts: tuple[str, ...]

    def of(self, name: str) -> tuple[int, ...]:
        """The indices of the split called ``name``, one of ``SPLITS``."""
        if name not in SPLITS:
            raise ValueError(f"Expected a split of {SPLITS}, got {name!r}")
        indices: tuple[int, ...] = getattr(self, name)
        return indices


def group_parts(manifest: Manifest) -> tuple[str, ...]:
    """The part of every photo: given, or joined by identical bytes, or its own (``join_parts``)."""
    photos = manifest.photos
    return join_parts(
        [photo.name for photo in photos],
        [photo.part for photo in photos],
        [photo.sha256 for photo in photos],
    )


def make_split(manifest: Manifest, *, valid: float, test: float, seed: int) -> Split:
    """Give every photo a side.

    Given splits stay as they are. What is missing is carved out of the photos that are given
    to train or to nothing: ``valid`` and ``test`` are shares of those, of each class, as
    closely as whole parts allow. (Where nothing is given that is a share of all photos.) A
    photo without a split follows its part, if that lies in one given split. The outcome
    depends on the seed, the names, parts and labels, and on neither the order of the photos
    nor the machine.

    Raises ``UsageError`` for shares that leave nothing to one side, and ``DataError`` for a
    class with too few parts to be on every side.
    """
    if not (0 < valid < 1 and 0 <= test < 1 and valid + test < 1):
        raise UsageError(
            f"--valid {valid:g} and --test {test:g} leave nothing to one side.",
            "Expected valid > 0, test >= 0 and valid + test < 1.",
        )
    parts = group_parts(manifest)
    given = {photo.split for photo in manifest.photos}
    shares = {
        name: share
        for name, share in (("valid", valid), ("test", test))
        if share > 0 and name not in given
    }
    sides = _settled(manifest, parts, carving=bool(shares))
    labels = [photo.label for photo in manifest.photos]
    if shares:
        kept = Counter(label for label, side in zip(labels, sides, strict=True) if side == "train")
        groups = _groups(parts, labels, [i for i, side in enumerate(sides) if side is None])
        for group, side in zip(groups, carve(groups, kept, shares, seed), strict=True):
            for i in group.photos:
                sides[i] = side
    _check_trained(manifest, sides)
    return _split_of(sides, parts)


def split_rows(manifest: Manifest, split: Split) -> list[dict[str, str]]:
    """One row a photo, in the manifest's order, under ``SPLIT_COLUMNS``: what is saved."""
    side = {i: name for name in SPLITS for i in split.of(name)}
    return [
        {
            "path": photo.name,
            "label": photo.label,
            "part": split.parts[i],
            "split": side[i],
            "sha256": photo.sha256,
        }
        for i, photo in enumerate(manifest.photos)
    ]


def read_split(path: Path, manifest: Manifest) -> Split:
    """The split that ``split_rows`` wrote, for the same photos.

    Raises ``RunError`` if the file is missing or damaged, and ``DataError`` if photos have
    gone, come, changed or got another label since.
    """
    rows = {row["path"]: row for row in _saved_rows(path)}
    photos = {photo.name: photo for photo in manifest.photos}
    both = [name for name in photos if name in rows]
    differences = {
        "missing (or unreadable now)": [name for name in rows if name not in photos],
        "new": [name for name in photos if name not in rows],
        "changed": [n for n in both if photos[n].sha256 != rows[n]["sha256"]],
        "labelled otherwise": [n for n in both if photos[n].label != rows[n]["label"]],
    }
    if any(differences.values()):
        said = "; ".join(
            f"{len(names)} {what}: {first(names, 5)}"
            for what, names in differences.items()
            if names
        )
        raise DataError(
            f"The photos in {manifest.root} are not those of the split in {path}: {said}.",
            "Put the photos back as they were to go on, or start a new run.",
        )
    saved = [rows[photo.name] for photo in manifest.photos]
    return _split_of([row["split"] for row in saved], tuple(row["part"] for row in saved))


def _saved_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a saved split, each with all columns, a known split and a path of its own."""
    try:
        rows = read_csv(path)
    except FileNotFoundError:
        raise RunError(f"There is no split at {path}.", "The run can't be resumed.") from None
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(f"Can't read the split {path}: {error}.", "Start a new run.") from error
    for line, row in enumerate(rows, start=2):
        if any(row.get(column) is None for column in SPLIT_COLUMNS) or row["split"] not in SPLITS:
            raise RunError(
                f"{path}, line {line}: expected {','.join(SPLIT_COLUMNS)} with a split of "
                f"{', '.join(SPLITS)}.",
                "The file is damaged: start a new run.",
            )
    if not rows or len({row["path"] for row in rows}) < len(rows):
        raise RunError(
            f"{path} {'lists a photo twice' if rows else 'is empty'}.",
            "The file is damaged: start a new run.",
        )
    return rows


def _settled(manifest: Manifest, parts: Sequence[str], carving: bool) -> list[str | None]:
    """The side of each photo that is known before any carving, None for those to be dealt out.

    To be dealt out is what is in train or nowhere, unless its part is seen in a given valid
    or test: that would put the part on yet another side.
    """
    given: dict[str, set[str]] = defaultdict(set)
    for photo, part in zip(manifest.photos, parts, strict=True):
        if photo.split is not None:
            given[part].add(photo.split)
    sides: list[str | None] = []
    for photo, part in zip(manifest.photos, parts, strict=True):
        if photo.split in ("valid", "test"):
            sides.append(photo.split)
        elif carving and given[part] <= {"train"}:
            sides.append(None)
        elif photo.split is None and len(given[part]) == 1:
            sides.append(next(iter(given[part])))
        else:
            sides.append("train")
    return sides


def _groups(parts: Sequence[str], labels: Sequence[str], free: Sequence[int]) -> list[Group]:
    by_part: dict[str, list[int]] = defaultdict(list)
    for i in free:
        by_part[parts[i]].append(i)
    return [
        Group(part, tuple(photos), Counter(sorted(labels[i] for i in photos)))
        for part, photos in sorted(by_part.items())
    ]


def _check_trained(manifest: Manifest, sides: Sequence[str | None]) -> None:
    trained = {
        photo.label for photo, side in zip(manifest.photos, sides, strict=True) if side == "train"
    }
    absent = [name for name in manifest.classes if name not in trained]
    if absent:
        raise DataError(
            f"No photo in train shows {first(absent)}.",
            "Put some there: a class that is never trained on can't be recognised.",
        )


def _split_of(sides: Sequence[str | None], parts: tuple[str, ...]) -> Split:
    train, valid, test = (
        tuple(i for i, side in enumerate(sides) if side == name) for name in SPLITS
    )
    return Split(train, valid, test, parts)
