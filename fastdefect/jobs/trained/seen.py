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
    """The photos that a run was trained or tuned on: their indices, by the evidence for each.

    ``train`` and ``valid``: by their bytes. ``part``: other photos of the parts of these.
    """

    train: tuple[int, ...]
    valid: tuple[int, ...]
    part: tuple[int, ...]

    @property
    def all(self) -> frozenset[int]:
        """All of them."""
        return frozenset((*self.train, *self.valid, *self.part))


def choose_unseen(
    run: Run,
    request: Request,
    photos: Sequence[Photo],
    parts: Sequence[str],
    on_event: OnEvent,
) -> tuple[int, ...]:
    """The photos of ``request.data`` to measure the run on, as indices; report which it has seen.

    Those that the run, or a run of ``request.known_to``, was trained or tuned on are left out
    unless the request includes them. Raises ``DataError`` if no other photo is left.
    """
    others = [Run(folder) for folder in request.known_to if folder != run.folder]
    known = frozenset[int]()
    for each in (run, *others):
        seen = find_seen(photos, parts, sides_of(each))
        known |= seen.all
        if seen.all and each is run:
            on_event(Note(_seen_text(run, request, seen, len(photos)), "warning"))
    everything = range(len(photos))
    kept = tuple(i for i in everything if request.include_trained or i not in known)
    if not kept:
        raise DataError(
            f"{run.name} was trained or tuned on all {counted(len(photos), 'photo')} of "
            f"{request.data}, or on other photos of their parts: they can't measure it.",
            "Give photos of other parts, or measure on these with --include-trained.",
        )
    return kept


def find_seen(
    photos: Sequence[Photo], parts: Sequence[str], rows: Iterable[Mapping[str, str]]
) -> Seen:
    """Which of ``photos``, showing ``parts``, are in the rows of a run's train or valid side.

    A part is known if one of its photos is, or if the user gave it this name in both places.
    """
    known = [row for row in rows if row["split"] in ("train", "valid")]
    side_of = {row["sha256"]: row["split"] for row in reversed(known)}
    sides = [side_of.get(photo.sha256) for photo in photos]
    named = given_parts(known) if known else set()
    known_parts = {part for part, side in zip(parts, sides, strict=True) if side is not None}
    return Seen(
        tuple(i for i, side in enumerate(sides) if side == "train"),
        tuple(i for i, side in enumerate(sides) if side == "valid"),
        tuple(
            i
            for i, (photo, part, side) in enumerate(zip(photos, parts, sides, strict=True))
            if side is None and (part in known_parts or photo.part in named)
        ),
    )


def other_stem(data: Path, digests: Iterable[str]) -> str:
    """The name of photos from elsewhere in file names: their folder, and a hash of their bytes."""
    together = hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
    folder = data.resolve()
    name = folder.stem if folder.is_file() else folder.name
    return f"data-{re.sub(r'[^A-Za-z0-9_]+', '-', name).strip('-')[:40]}-{together[:8]}"


def _seen_text(run: Run, request: Request, seen: Seen, total: int) -> str:
    name = request.data.name if request.data is not None else ""
    text = (
        f"{run.name} was trained on {len(seen.train)} of the {counted(total, 'photo')} of {name}; "
        f"{len(seen.valid)} are its validation photos, which chose the epoch and the threshold; "
        f"{len(seen.part)} more are other photos of their parts."
    )
    if request.include_trained:
        return f"{text} They are included: the figures are too good."
    left = total - len(seen.all)
    return f"{text} They are left out, and {left} remain; --include-trained keeps them."
