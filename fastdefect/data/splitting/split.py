"""Train, valid and test: stratified by class, with whole parts, and reproducible."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fastdefect.data.parts.given import join_parts
from fastdefect.data.photos import PRODUCT_COLUMN, UNUSED, VIEW_COLUMN
from fastdefect.data.reading.manifest import Manifest
from fastdefect.data.splitting.allocate import Group, allocate, split_off
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.files import read_csv
from fastdefect.run_files import SPLIT_COLUMNS
from fastdefect.text import first

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """Indices into ``manifest.photos``, ascending, and the part of every photo.

    A photo can be on no side.
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
        """The photos on no side."""
        used = {*self.train, *self.valid, *self.test}
        return tuple(i for i in range(len(self.parts)) if i not in used)


@dataclass(frozen=True)
class PlainLeaks:
    """The number of held-out photos, and how many of them show a part in train."""

    leaked: int
    held_out: int


def group_parts(manifest: Manifest, found: Sequence[int] | None = None) -> tuple[str, ...]:
    """The part of every photo: given, joined by identical bytes, or its own.

    ``found`` are the part numbers from a search; see ``join_parts``.
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
    """Assign a side to every photo; ``parts`` names the part of each.

    Given splits stay. A missing side is split off from the photos that are in train or in no
    split: ``valid`` and ``test`` are shares of those photos, of each class, as closely as whole
    parts allow. (If no split is given, these are shares of all photos.) A photo without a split
    follows its part if that part is in exactly one given split. The result depends on the seed,
    the names, parts and labels. It does not depend on the order of the photos or on the machine.

    ``unleak`` removes photos from train and valid if their part is also in a given test, and from
    train if their part is in a given valid. The removed photos are on no side.

    Raises ``UsageError`` for shares that make a side empty, and ``DataError`` for a class with
    too few parts for every side.
    """
    check_shares(valid, test)
    if len(parts) != len(manifest.photos):
        raise ValueError(f"Expected {len(manifest.photos)} parts, got {len(parts)}")
    given = {photo.split for photo in manifest.photos}
    shares = {
        name: share
        for name, share in (("valid", valid), ("test", test))
        if share > 0 and name not in given
    }
    sides = _settled(manifest, parts, drawing=bool(shares), unleak=unleak)
    labels = [photo.label for photo in manifest.photos]
    if shares:
        kept = Counter(label for label, side in zip(labels, sides, strict=True) if side == "train")
        groups = groups_of(parts, labels, [i for i, side in enumerate(sides) if side is None])
        for group, side in _drawn(manifest, groups, kept, shares, seed):
            for i in group.photos:
                sides[i] = side
    check_trained(manifest, sides, unleak=unleak)
    return split_of(sides, parts)


def _drawn(
    manifest: Manifest,
    groups: Sequence[Group],
    kept: Mapping[str, int],
    shares: Mapping[str, float],
    seed: int,
) -> Iterator[tuple[Group, str]]:
    """Draw the side of each group.

    Where only good photos are learned, parts with defects are not put into train: they are of no
    use there. Valid and test get them in proportion to their shares.
    """
    without = [g for g in groups if manifest.only_good and not set(g.labels) & set(manifest.good)]
    others = [group for group in groups if group not in without]
    yield from zip(others, split_off(others, kept, shares, seed), strict=True)
    held_out = {name: share / sum(shares.values()) for name, share in shares.items()}
    if len(without) < len(held_out):
        yield from ((group, next(iter(held_out))) for group in without)
    else:
        yield from zip(without, allocate(without, held_out, seed), strict=True)


def check_shares(valid: float, test: float) -> None:
    """Raise ``UsageError`` for shares that leave a side empty."""
    if not (0 < valid < 1 and 0 <= test < 1 and valid + test < 1):
        raise UsageError(
            "Expected --valid > 0, --test >= 0 and a sum below 1, but got "
            f"--valid {valid:g} and --test {test:g}.",
            "Correct the shares so that every side gets photos.",
        )


def deal_again(
    manifest: Manifest, base: Split, *, valid: float, test: float, seed: int, unleak: bool = False
) -> Split:
    """Another train and valid side, with the test side and the parts of ``base``.

    This is for series of trainings that learn from one another: a photo in the sealed test of one
    must not be in the validation of the next. ``valid`` and ``test`` are the shares of ``base``.
    The errors are those of ``make_split``.
    """
    sealed = set(base.test)
    drawn = sealed and all(photo.split != "test" for photo in manifest.photos)
    photos = tuple(
        replace(photo, split="test") if i in sealed else photo
        for i, photo in enumerate(manifest.photos)
    )
    return make_split(
        replace(manifest, photos=photos),
        base.parts,
        valid=valid / (1 - test) if drawn else valid,  # the same number of photos as in base
        test=0.0 if drawn else test,
        seed=seed,
        unleak=unleak,
    )


def plain_leaks(
    manifest: Manifest, parts: tuple[str, ...], *, valid: float, test: float, seed: int
) -> PlainLeaks:
    """The leaks of a split of single photos with the same shares and seed, without ``parts``.

    Only the sides that this split draws count; given sides are excluded.
    """
    alone = tuple(photo.name for photo in manifest.photos)
    plain = make_split(manifest, alone, valid=valid, test=test, seed=seed)
    given = {photo.split for photo in manifest.photos}
    trained = {parts[i] for i in plain.train}
    held_out = [i for side in ("valid", "test") if side not in given for i in plain.of(side)]
    return PlainLeaks(sum(parts[i] in trained for i in held_out), len(held_out))


def split_rows(manifest: Manifest, split: Split) -> list[dict[str, str]]:
    """The saved form: one row per photo under ``SPLIT_COLUMNS``, in the manifest's order."""
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


def run_rows(manifest: Manifest, split: Split) -> list[dict[str, str]]:
    """The rows of ``split_rows`` for a run, with the given part, view and product of each photo.

    A part with several given names is stored under one of them; later photos may have another.
    """
    return [
        {
            **row,
            "given_part": photo.part or "",
            VIEW_COLUMN: photo.view or "",
            PRODUCT_COLUMN: photo.product or "",
        }
        for row, photo in zip(split_rows(manifest, split), manifest.photos, strict=True)
    ]


def read_split(path: Path, manifest: Manifest) -> Split:
    """Read the split that ``split_rows`` wrote, for the same photos.

    Raises ``RunError`` if the file is missing or damaged, and ``DataError`` if photos were added,
    removed, changed or relabelled since.
    """
    rows = {row["path"]: row for row in saved_rows(path)}
    photos = {photo.name: photo for photo in manifest.photos}
    both = [name for name in photos if name in rows]
    differences = {
        "missing or unreadable": [name for name in rows if name not in photos],
        "new": [name for name in photos if name not in rows],
        "changed": [n for n in both if photos[n].sha256 != rows[n]["sha256"]],
        "relabelled": [n for n in both if photos[n].label != rows[n]["label"]],
    }
    if any(differences.values()):
        text = "; ".join(
            f"{len(names)} {what}: {first(names, 5)}"
            for what, names in differences.items()
            if names
        )
        raise DataError(
            f"Expected in {manifest.root} the photos of the split in {path}, but found "
            f"differences: {text}.",
            "Restore the photos to continue, or start a new run.",
        )
    saved = [rows[photo.name] for photo in manifest.photos]
    return split_of([row["split"] for row in saved], tuple(row["part"] for row in saved))


def saved_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a saved split, each with all columns, a valid split and a unique path."""
    try:
        rows = read_csv(path)
    except FileNotFoundError:
        raise RunError(
            f"Expected the split at {path}, but the file does not exist.",
            "The run cannot be resumed. Start a new run.",
        ) from None
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(f"Cannot read the split {path}: {error}.", "Start a new run.") from error
    for line, row in enumerate(rows, start=2):
        missing = [column for column in SPLIT_COLUMNS if row.get(column) is None]
        if missing or row["split"] not in (*SPLITS, UNUSED):
            found = f"no {missing[0]}" if missing else f"the split {row['split']!r}"
            raise RunError(
                f"{path}, line {line}: expected {','.join(SPLIT_COLUMNS)} with a split of "
                f"{', '.join(SPLITS)} or {UNUSED}, but found {found}.",
                "The file is damaged. Start a new run.",
            )
    if not rows or len({row["path"] for row in rows}) < len(rows):
        raise RunError(
            f"{path} {'lists a photo twice' if rows else 'is empty'}.",
            "The file is damaged. Start a new run.",
        )
    return rows


# A photo on the side of a key leaks if its part is also on one of the sides of the value.
_LEAKS_INTO = {"train": {"valid", "test"}, "valid": {"test"}, "test": set[str]()}


def _settled(
    manifest: Manifest, parts: Sequence[str], *, drawing: bool, unleak: bool
) -> list[str | None]:
    """The side of each photo that is fixed before the draw; None for photos to allocate.

    Photos in train or in no split are allocated, unless their part is in a given valid or test:
    an allocation could put the part on yet another side.
    """
    given: dict[str, set[str]] = defaultdict(set)
    for photo, part in zip(manifest.photos, parts, strict=True):
        if photo.split is not None:
            given[part].add(photo.split)
    return [
        UNUSED
        if unleak and leaks(photo.split, given[part])
        else settled_side(photo.split, given[part], drawing=drawing)
        for photo, part in zip(manifest.photos, parts, strict=True)
    ]


def leaks(split: str | None, given: set[str]) -> bool:
    """Whether a photo leaks if its part is in the splits ``given``. None stands for any split."""
    return len(given) > 1 if split is None else bool(given & _LEAKS_INTO[split])


def settled_side(split: str | None, given: set[str], *, drawing: bool) -> str | None:
    """The side of a photo whose part is in the splits ``given``; None if it is to be allocated.

    ``drawing``: a side that the user did not give is split off from train.
    """
    if split in ("valid", "test"):
        return split
    if drawing and given <= {"train"}:
        return None
    if split is None and len(given) == 1:
        return next(iter(given))
    return "train"


def groups_of(parts: Sequence[str], labels: Sequence[str], free: Sequence[int]) -> list[Group]:
    """Group the photos ``free`` (indices) by part, in the order of the names of the parts."""
    by_part: dict[str, list[int]] = defaultdict(list)
    for i in free:
        by_part[parts[i]].append(i)
    return [
        Group(part, tuple(photos), Counter(sorted(labels[i] for i in photos)))
        for part, photos in sorted(by_part.items())
    ]


def check_trained(manifest: Manifest, sides: Sequence[str | None], *, unleak: bool) -> None:
    """Check that each class is in train and that valid is not empty, also after --unleak."""
    photos = list(zip(manifest.photos, sides, strict=True))
    trained = {photo.label for photo, side in photos if side == "train"}
    absent = [name for name in manifest.learned if name not in trained]
    if any(photo.label in absent and side == UNUSED for photo, side in photos):
        removed = "--unleak removes" if unleak else "the split excludes"
        raise DataError(
            f"Expected every class in train, but {removed} all train photos of {first(absent)}: "
            "all their parts are also in valid or test.",
            "Add photos of other parts" + (", or omit --unleak." if unleak else "."),
        )
    if absent:
        raise DataError(
            f"Expected every class in train, but train has no photo of {first(absent)}.",
            "Add such photos to train: a model cannot recognise a class without training photos.",
        )
    if UNUSED in sides and "valid" not in sides:
        raise DataError(
            "Expected photos in valid, but --unleak removes all of them: all their parts are also "
            "in the given test.",
            "Remove the given valid split; a new one is then split off from train by parts.",
        )


def split_of(sides: Sequence[str | None], parts: tuple[str, ...]) -> Split:
    """The split with these sides, by photo; a photo with another or no side is unused."""
    train, valid, test = (
        tuple(i for i, side in enumerate(sides) if side == name) for name in SPLITS
    )
    return Split(train, valid, test, parts)
