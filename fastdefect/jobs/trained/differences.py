"""What is different in the photos of a run since its training, in words."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fastdefect.data.splitting.found import Found, Row
from fastdefect.events import Note, OnEvent
from fastdefect.text import counted, first


def tell_differences(name: str, found: Found, place: Path, on_event: OnEvent) -> None:
    """Report the photos of the run ``name`` that were moved, relabelled, removed or changed.

    Photos in ``place`` that are not in the run are reported, too.
    """
    for text in (_moved_text(name, found), _new_text(found, place)):
        if text is not None:
            on_event(Note(text))
    for text in (
        _relabelled_text(found),
        _lost_text("Missing", name, found.missing),
        _lost_text("Changed", name, found.changed),
    ):
        if text is not None:
            on_event(Note(text, "warning"))


def changes_of_labels(found: Found) -> str:
    """``2 good -> crack, 1 crack -> good``."""
    pairs = Counter((photo.row["label"], photo.label) for photo in found.relabelled)
    return ", ".join(f"{n} {old} -> {new}" for (old, new), n in pairs.most_common())


def _moved_text(name: str, found: Found) -> str | None:
    moved = [
        (photo.row["path"], photo.listed.name)
        for photo in found.photos
        if photo.listed is not None and photo.listed.name != photo.row["path"]
    ]
    if not moved:
        return None
    (old, new), more = moved[0], len(moved) - 1
    others = f" and {more} more" if more else ""
    return (
        f"{counted(len(moved), 'photo')} of {name} moved since the training, found by "
        f"{'its' if len(moved) == 1 else 'their'} bytes: {old} -> {new}{others}."
    )


def _new_text(found: Found, place: Path) -> str | None:
    new = found.new
    if not new:
        return None
    are = "is" if len(new) == 1 else "are"
    return (
        f"{counted(len(new), 'photo')} in {place.name or place} {are} not in the run; left out: "
        f"{first(new)}."
    )


def _relabelled_text(found: Found) -> str | None:
    n = len(found.relabelled)
    if not n:
        return None
    have = "label has" if n == 1 else "labels have"
    changes = changes_of_labels(found)
    return f"{n} {have} changed since the training: {changes}. The current labels are used."


def _lost_text(what: str, name: str, rows: Sequence[Row]) -> str | None:
    if not rows:
        return None
    sides = Counter(row["split"] for row in rows)
    where = ", ".join(f"{side} {n}" for side, n in sides.items())
    names = first([row["path"] for row in rows])
    return f"{what}: {counted(len(rows), 'photo')} of {name} ({where}): {names}."
