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
from fastdefect.data.parts.names import parts_from_names, products_from_names, views_from_names
from fastdefect.data.photos import (
    PRODUCT_COLUMN,
    UNUSED,
    VIEW_COLUMN,
    Entry,
    Listing,
    Manifest,
    Photo,
)
from fastdefect.data.reading.checks import check_photos, reasons
from fastdefect.data.reading.depth import check_depth
from fastdefect.data.reading.file_facts import read_facts
from fastdefect.data.reading.formats import UNREAD_FORMAT, describe_unread
from fastdefect.data.reading.gate import PixelGate
from fastdefect.data.reading.good_class import only_one_class
from fastdefect.data.reading.grey_scale import ValueRange
from fastdefect.data.reading.images import (
    USUAL,
    Decoded,
    Reading,
    UnreadablePhoto,
    decode,
    pixel_count,
    read_bytes,
)
from fastdefect.data.reading.labels import AS_WRITTEN, JOINED, LabelRules, to_classes
from fastdefect.data.reading.layouts.gathered import Gathered, left_out
from fastdefect.data.reading.layouts.recognise import LAYOUTS, gather
from fastdefect.errors import DataError
from fastdefect.text import counted, first

__all__ = ["Entry", "Listing", "Manifest", "Photo", "list_photos", "read_photos"]

NO_PART = Check(
    "no_part", "info", rank=240, meaning="file names that --part-from does not match: part unknown"
)

NO_PRODUCT = Check(
    "no_product",
    "info",
    rank=241,
    meaning="file names that --product-from does not match: product unknown",
)

OnPhoto = Callable[[int, NDArray[np.uint8]], None]


def list_photos(
    data: Path,
    *,
    part_from: str | None = None,
    view_from: str | None = None,
    product_from: str | None = None,
    label_from: str | None = None,
    resplit: bool = False,
    min_classes: int = 2,
    label_rules: LabelRules = AS_WRITTEN,
) -> Listing:
    """List all candidate photos of ``data`` without decoding them; detect the layout.

    ``data`` is a folder, a table or a zip (see ``layouts/recognise.py``). ``part_from``,
    ``view_from``, ``product_from`` and ``label_from`` are regular expressions for names (see
    ``match_names``); they override what is given otherwise. ``resplit`` ignores the given sides.
    ``label_rules`` make classes of the labels.

    Raises ``DataError`` if there are fewer than ``min_classes`` classes (a training needs two, an
    evaluation one) or the layout is not supported, and ``UsageError`` if a pattern is not a valid
    regular expression.
    """
    # Absolute for worker processes. Links are not resolved, so that users recognise their own
    # paths.
    data = Path(os.path.abspath(data))  # noqa: PTH100
    root, gathered = gather(data, label_from, several=label_rules.join_defects)
    entries, findings = _on_sides(gathered.entries, resplit)
    entries, of_labels = to_classes(entries, label_rules)
    findings = [*gathered.findings, *findings, *of_labels]
    classes = sorted({entry.label for entry in entries})
    if label_rules.only_good and classes:
        classes = sorted({*classes, JOINED})  # the class of whatever is not good
    if len(classes) < min_classes:
        raise _too_few_classes(data, classes, len(entries), gathered)
    # The same order for every location of the folder. NFC, because macOS may decompose names.
    entries.sort(key=lambda entry: (unicodedata.normalize("NFC", entry.name), entry.name))
    if part_from is not None:
        entries, found = _with_parts(entries, part_from)
        findings += found
    if view_from is not None:
        entries = _with_views(entries, view_from)
    if product_from is not None:
        entries, found = _with_products(entries, product_from)
        findings += found
    ignored = resplit and any(entry.split for entry in gathered.entries)
    seen = f"Layout: {gathered.seen}{'; --resplit ignores its split' if ignored else ''}."
    return Listing(root, gathered.layout, tuple(entries), tuple(classes), tuple(findings), seen)


def read_photos(
    listing: Listing,
    *,
    good: tuple[str, ...],
    only_good: bool = False,
    strict: bool = False,
    how: Reading = USUAL,
    on_photo: OnPhoto | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Read every candidate once and keep the readable ones.

    ``good`` names the good classes (see ``choose_good``); ``only_good`` is that of the manifest.
    ``on_photo(row, image)``
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
    ranges: dict[str, ValueRange] = {}
    total = len(entries)
    read = _Reader(how, on_photo)
    with ThreadPoolExecutor(how.threads or min(8, os.cpu_count() or 1)) as pool:
        tasks = [pool.submit(read, row, entry) for row, entry in enumerate(entries)]
        try:
            for row, task in enumerate(tasks):
                outcome = task.result()
                if isinstance(outcome, str):
                    unreadable[entries[row].name] = outcome
                else:
                    photo, values = outcome
                    photos.append(photo)
                    if values is not None:
                        ranges[photo.name] = values
                if on_progress is not None:
                    on_progress(row + 1, total)
        except BaseException:
            # On Ctrl-C, leaving the block would first read all remaining photos.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if strict and unreadable:
        raise _strict_error(unreadable, total)
    _check_classes(listing, photos, unreadable)
    found = [
        *check_photos(photos, good if only_good else listing.classes, unreadable),
        *check_depth(photos, ranges, how.white),
    ]
    return Manifest(
        listing.root,
        listing.layout,
        tuple(photos),
        listing.classes,
        good,
        (*listing.findings, *found),
        listing.seen,
        how.white,
        only_good,
    )


class _Reader:
    """Reads one entry after the other, in several threads."""

    def __init__(self, how: Reading, on_photo: OnPhoto | None) -> None:
        self._how, self._on_photo = how, on_photo
        self._gate = PixelGate()

    def __call__(self, row: int, entry: Entry) -> tuple[Photo, ValueRange | None] | str:
        """The photo and its range of values, or why it is unreadable.

        Not the exception, which would keep its bytes alive.
        """
        try:
            data = read_bytes(entry.path)
            with self._gate.hold(pixel_count(data)):
                found = decode(data, entry.name, self._how)
                if self._on_photo is not None:
                    self._on_photo(row, found.pixels)
        except UnreadablePhoto as error:
            return error.reason
        return _photo(row, entry, data, found), found.range


def _photo(row: int, entry: Entry, data: bytes, found: Decoded) -> Photo:
    return Photo(
        entry.name,
        entry.path,
        entry.label,
        entry.part,
        entry.split,
        hashlib.sha256(data).hexdigest(),
        found.width,
        found.height,
        row,
        read_facts(data, entry.path),
        entry.columns,
        entry.boxes,
        entry.mask,
    )


def _on_sides(entries: list[Entry], resplit: bool) -> tuple[list[Entry], list[Finding]]:
    """The entries that are used, and the finding on those of the split ``unused``."""
    if resplit:
        return [replace(entry, split=None) for entry in entries], []
    unused = [entry.name for entry in entries if entry.split == UNUSED]
    used = [entry for entry in entries if entry.split != UNUSED]
    return used, left_out(unused, f"of the split {UNUSED!r}")


def _too_few_classes(
    data: Path, classes: Sequence[str], photos: int, gathered: Gathered
) -> DataError:
    """The error for fewer classes than required, with what was found and a suggestion."""
    where = "class folder" if gathered.layout in ("classes", "splits") else "label"
    found = (
        f"one {where}, {classes[0]}, with {counted(photos, 'photo')}" if classes else f"no {where}"
    )
    found += gathered.lack
    unread = [f for f in gathered.findings if f.kind == UNREAD_FORMAT.kind]
    if unread:
        found += f", {counted(len(unread[0].paths), 'file')} in a format that is not read"
    hints = (
        *(f"Not read: {describe_unread(f.paths)}" for f in unread),
        gathered.hint,
        f"{only_one_class(classes)}{LAYOUTS}",
    )
    return DataError(
        f"Expected photos of two or more classes in {data}, but found {found}.",
        " ".join(filter(None, hints)),
    )


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


def _with_views(entries: list[Entry], pattern: str) -> list[Entry]:
    """The entries with the views in their names, as a column; none where nothing matches."""
    views = views_from_names([entry.name for entry in entries], pattern)
    return [
        replace(entry, columns=_with_column(entry.columns, VIEW_COLUMN, view))
        for entry, view in zip(entries, views, strict=True)
    ]


def _with_products(entries: list[Entry], pattern: str) -> tuple[list[Entry], list[Finding]]:
    """The entries with products from their names, and a finding on those without a product."""
    products = products_from_names([entry.name for entry in entries], pattern)
    named = [
        replace(entry, columns=_with_column(entry.columns, PRODUCT_COLUMN, product))
        for entry, product in zip(entries, products, strict=True)
    ]
    without = tuple(e.name for e, product in zip(named, products, strict=True) if product is None)
    if not without:
        return named, []
    text = (
        f"{len(without)} of {len(named)} names do not match --product-from; these photos are of no "
        f"known product: {first(without)}."
    )
    return named, [NO_PRODUCT.finding(text, len(without), without)]


def _with_column(
    columns: tuple[tuple[str, str], ...], name: str, value: str | None
) -> tuple[tuple[str, str], ...]:
    others = tuple(each for each in columns if each[0] != name)
    return others if value is None else (*others, (name, value))


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
