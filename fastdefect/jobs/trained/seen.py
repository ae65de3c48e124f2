"""Which photos from elsewhere (``--data``) a run was trained on, and their name in its files.

A photo is recognised by its bytes, and by its part: the part that the user named, or a part that
the search finds in the photos and that has a known photo.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastdefect.data.photos import Photo
from fastdefect.data.splitting.earlier import KnownPhoto
from fastdefect.errors import DataError
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.training.sides import known_photos
from fastdefect.run import Run
from fastdefect.text import counted

_SIDES = ("train", "valid")  # what a photo was used for; the first one counts


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
    seen = find_seen(photos, parts, known_photos(run, whole=True))
    others = [Run(folder) for folder in request.known_to if folder != run.folder]
    of_others = frozenset[int]().union(
        *(find_seen(photos, parts, known_photos(each, whole=True)).trained for each in others)
    )
    trained = seen.trained | of_others
    kept = tuple(i for i in range(len(photos)) if request.include_trained or i not in trained)
    measured = _Measured(request, len(photos), kept, len(of_others - seen.trained))
    if text := _seen_text(run, seen, measured):
        on_event(Note(text, "warning"))
    if not kept:
        runs = run.name if trained == seen.trained else f"{run.name} or a run compared with it"
        raise DataError(
            f"{runs} was trained on all {counted(len(photos), 'photo')} of {request.data}, or "
            "on other photos of their parts: they can't measure it.",
            "Give photos of other parts, or measure on these with --include-trained.",
        )
    return kept


def find_seen(photos: Sequence[Photo], parts: Sequence[str], known: Iterable[KnownPhoto]) -> Seen:
    """Which of ``photos``, showing ``parts``, are ``known`` from the train or valid side.

    A photo that was on both, of two runs, was trained on. A part was trained on if one of its
    photos was, or if the user gave it this name in both places.
    """
    known = tuple(known)
    bytes_of = {side: {each.sha256 for each in known if each.side == side} for side in _SIDES}
    sides = [next((s for s in _SIDES if photo.sha256 in bytes_of[s]), None) for photo in photos]
    named = {each.part for each in known if each.side == "train"} - {None}
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


def other_stem(data: Path, digests: Iterable[str]) -> str:
    """The name of photos from elsewhere in file names: their folder, and a hash of their bytes."""
    together = hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
    folder = data.resolve()
    name = folder.stem if folder.is_file() else folder.name
    return f"data-{re.sub(r'[^A-Za-z0-9_]+', '-', name).strip('-')[:40]}-{together[:8]}"


@dataclass(frozen=True)
class _Measured:
    """What is measured: ``kept`` of ``total`` photos of ``request.data``.

    ``others`` is the number of photos that only runs compared with this one were trained on.
    """

    request: Request
    total: int
    kept: tuple[int, ...]
    others: int


def _seen_text(run: Run, seen: Seen, measured: _Measured) -> str:
    """What was seen of the photos, and what follows from it; empty if none of them was."""
    sentences = []
    if seen.trained:
        sentences.append(_trained_text(run, seen, measured))
    if measured.others:
        of = "other photo" if seen.trained else "photo"
        sentences.append(
            f"The runs compared with {run.name} were trained on the parts of "
            f"{counted(measured.others, of)}."
        )
    included = measured.request.include_trained
    if sentences and included:
        sentences.append("They are included: the figures are too good.")
    elif sentences:
        left = len(measured.kept)
        remain = f"{left} remain{'s' if left == 1 else ''}"
        sentences.append(f"They are left out, and {remain}; --include-trained keeps them.")
    if n := len(set(seen.valid) & set(measured.kept)):
        are = "is a validation photo" if n == 1 else "are validation photos"
        # Photos that are included for another run can be among these.
        apart = seen.trained if included else sentences
        of = f"the others {are}" if apart else f"{_photos_text(measured)} {are} of {run.name}"
        it = "it" if n == 1 else "them"
        sentences.append(f"{n} of {of}: the epoch and the threshold were chosen on {it}.")
    return " ".join(sentences)


def _trained_text(run: Run, seen: Seen, measured: _Measured) -> str:
    n, more, photos = len(seen.train), len(seen.part), _photos_text(measured)
    if not n:
        show = "shows a part" if more == 1 else "show parts"
        return f"{more} of {photos} {show} that {run.name} was trained on."
    show = "1 more shows a part" if more == 1 else f"{more} more show parts"
    return f"{run.name} was trained on {n} of {photos}" + (
        f", and {show} of these." if more else "."
    )


def _photos_text(measured: _Measured) -> str:
    data = measured.request.data
    name = data.resolve().name if data is not None else ""
    return f"the {counted(measured.total, 'photo')} of {name}"
