"""Read a folder or a CSV into a list of readable photos; each file is opened once."""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.findings import Check, Finding
from fastdefect.data.parts.given import parts_from_names
from fastdefect.data.photos import Entry, Layout, Listing, Manifest, Photo
from fastdefect.data.reading.checks import check_photos, reasons
from fastdefect.data.reading.csv_table import find_table, read_table
from fastdefect.data.reading.file_facts import read_facts
from fastdefect.data.reading.folders import Gathered, gather_folders, gathered_findings
from fastdefect.data.reading.images import IMAGE_SUFFIXES, UnreadablePhoto, decode_photo, read_bytes
from fastdefect.errors import DataError
from fastdefect.text import counted, first

__all__ = ["Entry", "Listing", "Manifest", "Photo", "list_photos", "read_photos"]

NO_PART = Check(
    "no_part", "info", rank=240, meaning="file names that --part-from does not match: part unknown"
)

OnPhoto = Callable[[int, NDArray[np.uint8]], None]

_LAYOUTS = """Supported layouts:
  class folders      splits               a CSV
  DATA/              DATA/                DATA/photos.csv
    good/1.jpg         train/good/1.jpg     path,label,part,split
    crack/2.jpg        train/crack/2.jpg    img/1.jpg,good,7,train
                       test/good/3.jpg      img/2.jpg,crack,8,
(valid/ and test/ folders and the columns part and split are optional)"""


def list_photos(data: Path, *, part_from: str | None = None, min_classes: int = 2) -> Listing:
    """List all candidate photos of ``data`` without opening them; detect the layout.

    ``data`` is a CSV, a folder with one CSV of photos at its top, a folder of train, valid and
    test folders, or a folder of class folders. ``part_from`` is a regular expression for names
    (see ``parts_from_names``); it overrides the parts of a CSV.

    Raises ``DataError`` if there are fewer than ``min_classes`` classes (a training needs two, an
    evaluation one) or the layout is not supported, and ``UsageError`` if ``part_from`` is not a
    valid regular expression.
    """
    # Absolute for worker processes. Links are not resolved, so that users recognise their own
    # paths.
    data = Path(os.path.abspath(data))  # noqa: PTH100
    table = _table(data)
    gathered: Gathered | None = None
    layout: Layout = "csv"
    if table is not None:
        root = table.parent
        entries, findings = read_table(table)
    else:
        gathered = gather_folders(data)
        root, layout, entries = data, gathered.layout, gathered.entries
        findings = gathered_findings(gathered)
    classes = sorted({entry.label for entry in entries})
    if len(classes) < min_classes:
        raise _too_few_classes(data, classes, len(entries), gathered)
    # The same order for every location of the folder. NFC, because macOS may decompose names.
    entries.sort(key=lambda entry: (unicodedata.normalize("NFC", entry.name), entry.name))
    if part_from is not None:
        entries, found = _with_parts(entries, part_from)
        findings += found
    return Listing(root, layout, tuple(entries), tuple(classes), tuple(findings))


def read_photos(
    listing: Listing,
    *,
    good: str | None,
    strict: bool = False,
    on_photo: OnPhoto | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> Manifest:
    """Read every candidate once and keep the readable ones.

    ``good`` is the name of the good class or None (see ``choose_good``). ``on_photo(row, image)``
    is called in a worker thread with each readable photo, (height, width, 3) uint8 RGB, and the
    index of its entry. The photo is not kept, so that memory does not grow with their number.
    ``on_progress(done, total)`` is called in this thread, in order. The result does not depend on
    the number of threads.

    Raises ``DataError`` if a class has no readable photo, or if ``strict`` is set and a photo
    cannot be read.
    """
    entries = listing.entries
    photos: list[Photo] = []
    unreadable: dict[str, str] = {}
    total = len(entries)
    with ThreadPoolExecutor(threads or min(8, os.cpu_count() or 1)) as pool:
        tasks = [pool.submit(_read, row, entry, on_photo) for row, entry in enumerate(entries)]
        try:
            for row, task in enumerate(tasks):
                outcome = task.result()
                if isinstance(outcome, Photo):
                    photos.append(outcome)
                else:
                    unreadable[entries[row].name] = outcome
                if on_progress is not None:
                    on_progress(row + 1, total)
        except BaseException:
            # On Ctrl-C, leaving the block would first read all remaining photos.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if strict and unreadable:
        raise _strict_error(unreadable, total)
    _check_classes(listing, photos, unreadable)
    found = check_photos(photos, listing.classes, unreadable)
    return Manifest(
        listing.root,
        listing.layout,
        tuple(photos),
        listing.classes,
        good,
        (*listing.findings, *found),
    )


def _read(row: int, entry: Entry, on_photo: OnPhoto | None) -> Photo | str:
    """The photo, or the reason why it is unreadable (the exception would keep its bytes alive)."""
    try:
        data = read_bytes(entry.path)
        image = decode_photo(data, entry.name)
    except UnreadablePhoto as error:
        return error.reason
    if on_photo is not None:
        on_photo(row, image)
    height, width = image.shape[:2]
    digest = hashlib.sha256(data).hexdigest()
    return Photo(
        entry.name,
        entry.path,
        entry.label,
        entry.part,
        entry.split,
        digest,
        width,
        height,
        row,
        read_facts(data, entry.path),
        entry.columns,
    )


def _table(data: Path) -> Path | None:
    """The CSV of photos, if that is the layout; raise ``DataError`` if ``data`` is not data."""
    if data.is_dir():
        return find_table(data)
    if data.suffix.lower() in (".csv", ".tsv") and data.is_file():
        return data
    if not data.exists():
        raise DataError(
            f"Expected a folder of photos or a CSV, but {data} does not exist.",
            "Pass the path of your photos, or render a sample: fastdefect sample DIR",
        )
    kind = "a single photo" if data.suffix.lower() in IMAGE_SUFFIXES else "neither"
    raise DataError(f"Expected a folder of photos or a CSV, but {data} is {kind}.", _LAYOUTS)


def _too_few_classes(
    data: Path, classes: Sequence[str], photos: int, gathered: Gathered | None
) -> DataError:
    """The error for fewer classes than required, with what was found and a suggestion."""
    where = "label" if gathered is None else "class folder"
    found = (
        f"one {where}, {classes[0]}, with {counted(photos, 'photo')}" if classes else f"no {where}"
    )
    hint = _LAYOUTS
    if gathered is not None:
        if empty := [label for label, n in gathered.photos_in.items() if n == 0]:
            found += f", {counted(len(empty), 'folder')} without photos ({first(empty)})"
        if gathered.loose:
            found += f", {counted(len(gathered.loose), 'photo')} outside the class folders"
            hint = f"Move each photo into a folder with the name of its class. {hint}"
        if gathered.layout == "classes" and len(inner := _inner_folders(gathered)) > 1:
            hint = f"Did you mean {data / classes[0]}? It contains {first(inner)}. {hint}"
    return DataError(f"Expected photos of two or more classes in {data}, but found {found}.", hint)


def _inner_folders(gathered: Gathered) -> list[str]:
    """The folders inside the class folders, for example those of an unpacked archive."""
    steps = [entry.name.split("/") for entry in gathered.entries]
    return sorted({names[1] for names in steps if len(names) > 2})


def _with_parts(entries: list[Entry], pattern: str) -> tuple[list[Entry], list[Finding]]:
    """The entries with parts from their names, and a finding on those without a part."""
    parts = parts_from_names([entry.name for entry in entries], pattern)
    named = [replace(entry, part=part) for entry, part in zip(entries, parts, strict=True)]
    alone = tuple(entry.name for entry in named if entry.part is None)
    if not alone:
        return named, []
    text = (
        f"{len(alone)} of {len(named)} names do not match --part-from; each of these photos is "
        f"its own part: {first(alone)}."
    )
    return named, [NO_PART.finding(text, len(alone), alone)]


def _strict_error(unreadable: dict[str, str], total: int) -> DataError:
    lines = "\n".join(f"  {name}: {reason}" for name, reason in list(unreadable.items())[:5])
    more = f"\n  and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
    return DataError(
        f"{len(unreadable)} of {total} photos cannot be read:\n{lines}{more}",
        "Replace or remove them, or omit --strict to continue without them.",
    )


def _check_classes(listing: Listing, photos: list[Photo], unreadable: dict[str, str]) -> None:
    readable = {photo.label for photo in photos}
    candidates = Counter(entry.label for entry in listing.entries)
    for label in listing.classes:
        if label not in readable and candidates[label]:
            why = {e.name: unreadable[e.name] for e in listing.entries if e.label == label}
            raise DataError(
                f"None of the {candidates[label]} photos of class {label} can be read "
                f"({reasons(why)}), such as {next(iter(why))}.",
                "Replace the photos, or remove the class.",
            )
