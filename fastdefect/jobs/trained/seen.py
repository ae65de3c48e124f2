"""Which photos from elsewhere (``--data``) a run was trained on, and their name in its files.

A photo is recognised by its bytes, and by its part: the part that the user named, or a part that
the search finds in the photos and that has a known photo.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastdefect.data.photos import Photo
from fastdefect.data.splitting.earlier import given_parts
from fastdefect.errors import DataError
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.training.parent import sides_of
from fastdefect.run import Run
from fastdefect.text import counted


@dataclass(frozen=True)
class Seen:
    """The photos that a run has seen, as indices.

    ``train``: trained on, by their bytes. ``part``: other photos of the parts of these. ``valid``:
    by their bytes, the photos that chose its epoch and its threshold.
    """

    train: tuple[int, ...]
    part: tuple[int, ...]
    valid: tuple[int, ...]

    @property
    def trained(self) -> frozenset[int]:
        """The photos that can't measure the model, as it was trained on their parts."""
        return frozenset((*self.train, *self.part))


def choose_unseen(
    run: Run,
    request: Request,
    photos: Sequence[Photo],
    parts: Sequence[str],
    on_event: OnEvent,
) -> tuple[int, ...]:
    """The photos of ``request.data`` to measure the run on, as indices; report which it has seen.

    Those that the run, or a run of ``request.known_to``, was trained on are left out unless the
    request includes them. Raises ``DataError`` if no other photo is left.
    """
    others = [Run(folder) for folder in request.known_to if folder != run.folder]
    trained = frozenset[int]()
    for each in (run, *others):
        seen = find_seen(photos, parts, _rows_of(each))
        trained |= seen.trained
        if each is run and (seen.trained or seen.valid):
            on_event(Note(_seen_text(run, request, seen, len(photos)), "warning"))
    everything = range(len(photos))
    kept = tuple(i for i in everything if request.include_trained or i not in trained)
    if not kept:
        raise DataError(
            f"{run.name} was trained on all {counted(len(photos), 'photo')} of {request.data}, or "
            "on other photos of their parts: they can't measure it.",
            "Give photos of other parts, or measure on these with --include-trained.",
        )
    return kept


def find_seen(
    photos: Sequence[Photo], parts: Sequence[str], rows: Iterable[Mapping[str, str]]
) -> Seen:
    """Which of ``photos``, showing ``parts``, are in the rows of a run's train or valid side.

    A part was trained on if one of its photos was, or if the user gave it this name in both places.
    """
    known = [row for row in rows if row["split"] in ("train", "valid")]
    side_of = {row["sha256"]: row["split"] for row in reversed(known)}
    sides = [side_of.get(photo.sha256) for photo in photos]
    trained = [row for row in known if row["split"] == "train"]
    named = given_parts(known) & {row["part"] for row in trained}
    found = {part for part, side in zip(parts, sides, strict=True) if side == "train"}
    return Seen(
        tuple(i for i, side in enumerate(sides) if side == "train"),
        tuple(
            i
            for i, (photo, part, side) in enumerate(zip(photos, parts, sides, strict=True))
            if side is None and (part in found or photo.part in named)
        ),
        tuple(i for i, side in enumerate(sides) if side == "valid"),
    )


def _rows_of(run: Run) -> list[dict[str, str]]:
    """The sides of the run's photos; of a run by folds, its networks were trained on all."""
    folds = run.path("folds.csv").exists()
    return [
        {**row, "split": "train"} if folds and row["split"] == "valid" else row
        for row in sides_of(run)
    ]


def other_stem(data: Path, digests: Iterable[str]) -> str:
    """The name of photos from elsewhere in file names: their folder, and a hash of their bytes."""
    together = hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
    folder = data.resolve()
    name = folder.stem if folder.is_file() else folder.name
    return f"data-{re.sub(r'[^A-Za-z0-9_]+', '-', name).strip('-')[:40]}-{together[:8]}"


def _seen_text(run: Run, request: Request, seen: Seen, total: int) -> str:
    name = request.data.name if request.data is not None else ""
    text = (
        f"{run.name} was trained on {len(seen.train)} of the {counted(total, 'photo')} of {name}, "
        f"and {len(seen.part)} more show parts of these."
    )
    if seen.trained and request.include_trained:
        text += " They are included: the figures are too good."
    elif seen.trained:
        left = total - len(seen.trained)
        text += f" They are left out, and {left} remain; --include-trained keeps them."
    if seen.valid:
        are = "is a validation photo" if len(seen.valid) == 1 else "are validation photos"
        text += f" {len(seen.valid)} of the others {are}: they chose the epoch and the threshold."
    return text
