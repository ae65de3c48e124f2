"""What a layout yields: candidate photos, what is left out of them, and a line that names it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fastdefect.data.findings import Check, Finding
from fastdefect.data.photos import Entry, Layout
from fastdefect.data.reading.formats import holds_pictures
from fastdefect.text import counted, first

EMPTY_CLASS = Check(
    "empty_class",
    "warning",
    rank=190,
    meaning="a class folder without photos, which is not a class",
    of_photos=False,
)
NO_LABEL = Check("no_label", "warning", rank=200, meaning="photos without a label, and the reason")
LEFT_OUT = Check(
    "left_out",
    "warning",
    rank=210,
    meaning="folders and files with photos that are not used, and the reason",
)
MARKS_WITHOUT_PHOTO = Check(
    "marks_without_photo",
    "warning",
    rank=215,
    meaning="marks in annotation files whose photo the file does not list",
    of_photos=False,
)
NOT_A_PHOTO = Check(
    "not_a_photo",
    "info",
    rank=220,
    meaning="files without a photo suffix, which are excluded",
    of_photos=False,
)


@dataclass(frozen=True)
class Gathered:
    """The candidates of a data folder.

    ``seen`` names the layout and what is in it, without a full stop. ``lack`` and ``hint`` are
    for the error where these are too few classes: what else was found, and what to do.
    """

    layout: Layout
    seen: str
    entries: list[Entry]
    findings: list[Finding]
    lack: str = ""
    hint: str = ""


def left_out(names: Sequence[str], reason: str) -> list[Finding]:
    """The finding on photos that are not used, if there are any, with their count and reason."""
    if not names:
        return []
    text = f"{counted(len(names), 'photo')} not used, in {folders_of(names)}: {reason}."
    return [LEFT_OUT.finding(text, len(names), sorted(names))]


def empty_classes(labels: Iterable[str]) -> list[Finding]:
    """The finding on class folders without photos, if there are any."""
    names = sorted(labels)
    if not names:
        return []
    text = f"Class folders without photos, which are not classes ({len(names)}): {first(names)}."
    return [EMPTY_CLASS.finding(text, len(names), names)]


def no_photos(names: Sequence[str]) -> list[Finding]:
    """The finding on files that are not photos. Unread pictures have another (``formats``)."""
    others = [name for name in names if not holds_pictures(name)]
    if not others:
        return []
    text = f"Files without a photo suffix, excluded ({len(others)}): {first(others)}."
    return [NOT_A_PHOTO.finding(text, len(others), others)]


def folders_of(names: Sequence[str]) -> str:
    """The outermost folders of the photos in words; for photos in none, their names."""
    folders = dict.fromkeys(f"{name.partition('/')[0]}/" for name in names if "/" in name)
    loose = [name for name in names if "/" not in name]
    return first([*folders, *loose])


def classes_in_words(entries: Iterable[Entry]) -> str:
    """The number of photos by class: ``crack 12, good 30``."""
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.label] = counts.get(entry.label, 0) + 1
    return ", ".join(f"{label} {n}" for label, n in sorted(counts.items()))
