"""Train, valid and test: stratified by class, every part on one side, the same every time."""

import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fastdefect.data.parts.given import join_parts
from fastdefect.data.reading.manifest import Manifest
from fastdefect.data.splitting.allocate import Group, carve
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.files import read_csv
from fastdefect.run_files import FILES
from fastdefect.text import first

SPLITS = ("train", "valid", "test")
UNUSED = "unused"  # what split.csv calls a photo that is on no side
SPLIT_COLUMNS = FILES["split.csv"].columns


@dataclass(frozen=True)
class Split:
    """Indices into ``manifest.photos``, ascending, and the part of every photo.

    A photo may be on no side.
    """

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

    @property
    def unused(self) -> tuple[int, ...]:
        """The photos that are on no side."""
        used = {*self.train, *self.valid, *self.test}
        return tuple(i for i in range(len(self.parts)) if i not in used)


@dataclass(frozen=True)
class PlainLeaks:
    """Of so many ``held_out`` photos, how many show a part that is trained on too."""

    leaked: int
    held_out: int


def group_parts(manifest: Manifest, found: Sequence[int] | None = None) -> tuple[str, ...]:
    """The part of every photo: given, or joined by identical bytes, or its own.

    ``found`` numbers the parts that a search found; see ``join_parts``.
    """
    photos = manifest.photos
    return join_parts(
        [photo.name for photo in photos],
        [photo.part for photo in photos],
        [photo.sha256 for photo in photos],
        found,
    )


def make_split(
    manifest: Manifest,
    parts: tuple[str, ...],
    *,
    valid: float,
    test: float,
    seed: int,
    unleak: bool = False,
) -> Split:
    """Give every photo a side; ``parts`` names the part of each.

    Given splits stay as they are. What is missing is carved out of the photos that are given
    to train or to nothing: ``valid`` and ``test`` are shares of those, of each class, as
    closely as whole parts allow. (Where nothing is given that is a share of all photos.) A
    photo without a split follows its part, if that lies in one given split. The outcome
    depends on the seed, the names, parts and labels, and on neither the order of the photos
    nor the machine.

    With ``unleak``, photos whose part lies in a given test as well are taken out of train and
    valid, and those whose part lies in a given valid out of train: they are on no side.

    Raises ``UsageError`` for shares that leave nothing to one side, and ``DataError`` for a
    class with too few parts to be on every side.
    """
    if not (0 < valid < 1 and 0 <= test < 1 and valid + test < 1):
        raise UsageError(
            f"--valid {valid:g} and --test {test:g} leave nothing to one side.",
            "Expected valid > 0, test >= 0 and valid + test < 1.",
        )
    if len(parts) != len(manifest.photos):
        raise ValueError(f"Expected {len(manifest.photos)} parts, got {len(parts)}")
    given = {photo.split for photo in manifest.photos}
    shares = {
        name: share
        for name, share in (("valid", valid), ("test", test))
        if share > 0 and name not in given
    }
    sides = _settled(manifest, parts, carving=bool(shares), unleak=unleak)
    labels = [photo.label for photo in manifest.photos]
    if shares:
        kept = Counter(label for label, side in zip(labels, sides, strict=True) if side == "train")
        groups = groups_of(parts, labels, [i for i, side in enumerate(sides) if side is None])
        for group, side in zip(groups, carve(groups, kept, shares, seed), strict=True):
            for i in group.photos:
                sides[i] = side
    _check_trained(manifest, sides)
    return _split_of(sides, parts)


def deal_again(
    manifest: Manifest, base: Split, *, valid: float, test: float, seed: int, unleak: bool = False
) -> Split:
    """Another train and valid beside the very test of ``base``, of the same parts.

    For several trainings that learn from one another: a photo that is sealed for one must not
    be validated on by the next. ``valid`` and ``test`` are the shares that ``base`` was made
    with; what is raised is what ``make_split`` raises.
    """
    sealed = set(base.test)
    carved = sealed and all(photo.split != "test" for photo in manifest.photos)
    photos = tuple(
        replace(photo, split="test") if i in sealed else photo
        for i, photo in enumerate(manifest.photos)
    )
    return make_split(
        replace(manifest, photos=photos),
        base.parts,
        valid=valid / (1 - test) if carved else valid,  # the same number of photos as before
        test=0.0 if carved else test,
        seed=seed,
        unleak=unleak,
    )


def plain_leaks(
    manifest: Manifest, parts: tuple[str, ...], *, valid: float, test: float, seed: int
) -> PlainLeaks:
    """What a split of single photos would have leaked: same shares and seed, ``parts`` ignored.

    Counted on the sides that are carved out; given ones are no split of ours.
    """
    alone = tuple(photo.name for photo in manifest.photos)
    plain = make_split(manifest, alone, valid=valid, test=test, seed=seed)
    given = {photo.split for photo in manifest.photos}
    trained = {parts[i] for i in plain.train}
    held_out = [i for side in ("valid", "test") if side not in given for i in plain.of(side)]
    return PlainLeaks(sum(parts[i] in trained for i in held_out), len(held_out))


def split_rows(manifest: Manifest, split: Split) -> list[dict[str, str]]:
    """One row a photo, in the manifest's order, under ``SPLIT_COLUMNS``: what is saved."""
    side = {i: name for name in SPLITS for i in split.of(name)}
    return [
        {
            "path": photo.name,
            "label": photo.label,
            "part": split.parts[i],
            "split": side.get(i, UNUSED),
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
        if any(row.get(c) is None for c in SPLIT_COLUMNS) or row["split"] not in (*SPLITS, UNUSED):
            raise RunError(
                f"{path}, line {line}: expected {','.join(SPLIT_COLUMNS)} with a split of "
                f"{', '.join(SPLITS)}, {UNUSED}.",
                "The file is damaged: start a new run.",
            )
    if not rows or len({row["path"] for row in rows}) < len(rows):
        raise RunError(
            f"{path} {'lists a photo twice' if rows else 'is empty'}.",
            "The file is damaged: start a new run.",
        )
    return rows


# A photo on one of these sides leaks where its part is on one of those, too.
_LEAKS_INTO = {"train": {"valid", "test"}, "valid": {"test"}, "test": set[str]()}


def _settled(
    manifest: Manifest, parts: Sequence[str], *, carving: bool, unleak: bool
) -> list[str | None]:
    """The side of each photo that is known before any carving, None for those to be dealt out.

    To be dealt out is what is in train or nowhere, unless its part is seen in a given valid
    or test: that would put the part on yet another side.
    """
    given: dict[str, set[str]] = defaultdict(set)
    for photo, part in zip(manifest.photos, parts, strict=True):
        if photo.split is not None:
            given[part].add(photo.split)
    return [
        UNUSED
        if unleak and _leaks(photo.split, given[part])
        else _settled_side(photo.split, given[part], carving)
        for photo, part in zip(manifest.photos, parts, strict=True)
    ]


def _leaks(split: str | None, given: set[str]) -> bool:
    """Whether a photo leaks if its part is in the splits ``given``; one in none must take one."""
    return len(given) > 1 if split is None else bool(given & _LEAKS_INTO[split])


def _settled_side(split: str | None, given: set[str], carving: bool) -> str | None:
    if split in ("valid", "test"):
        return split
    if carving and given <= {"train"}:
        return None
    if split is None and len(given) == 1:
        return next(iter(given))
    return "train"


def groups_of(parts: Sequence[str], labels: Sequence[str], free: Sequence[int]) -> list[Group]:
    """The photos ``free`` (indices) by part, in the order of the parts' names."""
    by_part: dict[str, list[int]] = defaultdict(list)
    for i in free:
        by_part[parts[i]].append(i)
    return [
        Group(part, tuple(photos), Counter(sorted(labels[i] for i in photos)))
        for part, photos in sorted(by_part.items())
    ]


def _check_trained(manifest: Manifest, sides: Sequence[str | None]) -> None:
    """Each class must be trained on, and something validated on; --unleak may have taken both."""
    photos = list(zip(manifest.photos, sides, strict=True))
    trained = {photo.label for photo, side in photos if side == "train"}
    absent = [name for name in manifest.classes if name not in trained]
    if any(photo.label in absent and side == UNUSED for photo, side in photos):
        raise DataError(
            f"--unleak leaves no photo in train that shows {first(absent)}: all their parts are "
            "in the given valid or test, too.",
            "Add photos of other parts, or do without --unleak.",
        )
    if absent:
        raise DataError(
            f"No photo in train shows {first(absent)}.",
            "Put some there: a class that is never trained on can't be recognised.",
        )
    if UNUSED in sides and "valid" not in sides:
        raise DataError(
            "--unleak leaves no photo in valid: all its parts are in the given test, too.",
            "Take the given valid away, and it is carved out of train by parts.",
        )


def _split_of(sides: Sequence[str | None], parts: tuple[str, ...]) -> Split:
    train, valid, test = (
        tuple(i for i, side in enumerate(sides) if side == name) for name in SPLITS
    )
    return Split(train, valid, test, parts)
