"""From a folder or a CSV to a list of photos that can be read, each opened exactly once."""

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
    "no_part", "info", rank=240, meaning="file names that --part-from doesn't fit: parts unknown"
)

OnPhoto = Callable[[int, NDArray[np.uint8]], None]

_LAYOUTS = """Understood are:
  class folders      splits               a CSV
  DATA/              DATA/                DATA/photos.csv
    good/1.jpg         train/good/1.jpg     path,label,part,split
    crack/2.jpg        train/crack/2.jpg    img/1.jpg,good,7,train
                       test/good/3.jpg      img/2.jpg,crack,8,
(valid/ and test/ folders, and the columns part and split, may be left out)"""


def list_photos(data: Path, *, part_from: str | None = None, min_classes: int = 2) -> Listing:
    """All candidate photos of ``data``, without opening one; the layout is recognised.

    ``data`` is a CSV, a folder with one CSV of photos at its top, a folder of train, valid
    and test folders, or a folder of class folders. ``part_from`` is a regular expression on
    names (see ``parts_from_names``); it overrides a CSV's parts.

    Raises ``DataError`` if there are fewer than ``min_classes`` (training needs two, an
    evaluation is content with one) or the layout can't be
    understood, and ``UsageError`` if ``part_from`` is no regular expression.
    """
    # Made absolute for worker processes, but no link is resolved: users know their own paths.
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
    # In the same order wherever the folder lies; NFC, because macOS may decompose names.
    entries.sort(key=lambda entry: (unicodedata.normalize("NFC", entry.name), entry.name))
    if part_from is not None:
        entries, said = _with_parts(entries, part_from)
        findings += said
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
    """Read every candidate once and keep those that can be read.

    ``good`` is the good class's name or None (see ``choose_good``). ``on_photo(row, image)``
    is called in a worker thread with each readable photo, (height, width, 3) uint8 RGB, and
    the index of its entry; the photo isn't kept, so that memory doesn't grow with their
    number. ``on_progress(done, total)`` is called in this thread, in order. The result
    doesn't depend on the threads.

    Raises ``DataError`` if a class has no readable photo or, with ``strict``, if any photo
    can't be read.
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
            # On Ctrl-C, leaving the block would first read all the rest.
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
    """The photo, or why it can't be read (the error itself would keep all its bytes alive)."""
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
    """The CSV that lists the photos, if that is the layout; ``DataError`` for what is no data."""
    if data.is_dir():
        return find_table(data)
    if data.suffix.lower() in (".csv", ".tsv") and data.is_file():
        return data
    if not data.exists():
        raise DataError(
            f"Expected a folder of photos or a CSV, but there is no {data}.",
            "Give the path of your photos, or render some to try with: fastdefect sample DIR",
        )
    kind = "a single photo" if data.suffix.lower() in IMAGE_SUFFIXES else "neither"
    raise DataError(f"Expected a folder of photos or a CSV, but {data} is {kind}.", _LAYOUTS)


def _too_few_classes(
    data: Path, classes: Sequence[str], photos: int, gathered: Gathered | None
) -> DataError:
    """What was found instead of two classes, and what might have been meant."""
    where = "label" if gathered is None else "class folder"
    found = (
        f"one {where}, {classes[0]}, with {counted(photos, 'photo')}" if classes else f"no {where}"
    )
    hint = _LAYOUTS
    if gathered is not None:
        if empty := [label for label, n in gathered.photos_in.items() if n == 0]:
            found += f", {counted(len(empty), 'folder')} without photos ({first(empty)})"
        if gathered.loose:
            found += f", {counted(len(gathered.loose), 'photo')} in no class folder"
            hint = f"Move each photo into a folder that is called like its class. {hint}"
        if gathered.layout == "classes" and len(inner := _inner_folders(gathered)) > 1:
            hint = f"Did you mean {data / classes[0]}? It holds {first(inner)}. {hint}"
    return DataError(f"Expected photos of two or more classes in {data}, found {found}.", hint)


def _inner_folders(gathered: Gathered) -> list[str]:
    """The folders inside the class folders, such as those of an unpacked archive."""
    steps = [entry.name.split("/") for entry in gathered.entries]
    return sorted({names[1] for names in steps if len(names) > 2})


def _with_parts(entries: list[Entry], pattern: str) -> tuple[list[Entry], list[Finding]]:
    """The entries with parts by their names, and a finding on those that have none."""
    parts = parts_from_names([entry.name for entry in entries], pattern)
    named = [replace(entry, part=part) for entry, part in zip(entries, parts, strict=True)]
    alone = tuple(entry.name for entry in named if entry.part is None)
    if not alone:
        return named, []
    text = (
        f"{len(alone)} of {len(named)} names don't fit --part-from: each photo is taken as a "
        f"part of its own: {first(alone)}."
    )
    return named, [NO_PART.finding(text, len(alone), alone)]


def _strict_error(unreadable: dict[str, str], total: int) -> DataError:
    lines = "\n".join(f"  {name}: {reason}" for name, reason in list(unreadable.items())[:5])
    more = f"\n  and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
    return DataError(
        f"{len(unreadable)} of {total} photos can't be read:\n{lines}{more}",
        "Mend them or take them out, or leave --strict off to go on without them.",
    )


def _check_classes(listing: Listing, photos: list[Photo], unreadable: dict[str, str]) -> None:
    readable = {photo.label for photo in photos}
    candidates = Counter(entry.label for entry in listing.entries)
    for label in listing.classes:
        if label not in readable:
            why = {e.name: unreadable[e.name] for e in listing.entries if e.label == label}
            raise DataError(
                f"None of the {candidates[label]} photos of class {label} can be read "
                f"({reasons(why)}), such as {next(iter(why))}.",
                "Replace them, or take the class out.",
            )
