"""Photos to decide on: files, folders, patterns, zips, tables, lists and URLs of object stores."""

import glob
import hashlib
import os
import re
import urllib.request
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fastdefect.data.photos import PRODUCT_COLUMN, VIEW_COLUMN
from fastdefect.data.reading.formats import IMAGE_SUFFIXES
from fastdefect.data.reading.layouts.finder import find_photos
from fastdefect.data.reading.layouts.masks import find_masks, may_have_masks
from fastdefect.data.reading.layouts.tree import photos_among, stream_photos, walk
from fastdefect.data.reading.object_store import ObjectFile, Place, is_url, list_objects
from fastdefect.data.reading.tables.columns import (
    Columns,
    usual_names,
)
from fastdefect.data.reading.tables.rows import TABLE_SUFFIXES, Rows, columns_of, read_rows
from fastdefect.data.reading.zip_file import unpacked
from fastdefect.errors import DataError, UsageError

STDIN = "-"
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Candidate:
    """A photo to decide on.

    ``name`` is its path or URL as the user wrote it, or the folder or zip followed by its place in
    it, or its path from the place of the table that lists it. Bytes that are not UTF-8 are escaped.
    ``inside`` is the place in the folder, zip or table. ``part``, ``view`` and ``product`` are
    given by a table, or None. ``label`` is its true class if a table or the name of its folder
    gives it, else None.
    ``problem`` says why it can't be read, if that is known.
    """

    name: str
    path: Place
    inside: str = ""
    part: str | None = None
    label: str | None = None
    problem: str = ""
    view: str | None = None
    product: str | None = None


@dataclass(frozen=True)
class _Item:
    """What the user named: a file, folder, zip, table or list.

    ``photos`` is the number of its photos, with masks and repeats; None if that is not known.
    ``masks`` are the names to leave out. ``objects`` are the names of the photos below a URL; None
    for a file, and for what is on a disk.
    """

    text: str
    photos: int | None = 1
    folder: Path | None = None
    masks: frozenset[str] = frozenset()
    objects: tuple[str, ...] | None = None

    @property
    def is_table(self) -> bool:
        return self.folder is None and Path(self.text).suffix.lower() in TABLE_SUFFIXES

    @property
    def is_whole(self) -> bool:
        """Whether it has no file twice."""
        return self.folder is not None or self.objects is not None


@dataclass(frozen=True)
class Sources:
    """What the user named. It is checked before the first photo is read, then streamed.

    ``lines``: the list for ``-``. ``classes``: the labels that count.
    """

    items: tuple[_Item, ...]
    lines: Iterable[bytes] = ()
    classes: frozenset[str] = frozenset()

    @classmethod
    def of(cls, items: Sequence[str], lines: Iterable[bytes] = ()) -> "Sources":
        """Expand patterns, check that each item exists, and count its photos.

        Raises ``UsageError`` without items, ``DataError`` for a missing item, an empty pattern, or
        a folder, zip or table that can't be read, and as ``list_objects`` for a URL.
        """
        if not items:
            raise UsageError(
                "Expected photos, but none are named.",
                "Name files, folders, patterns, zips, tables or URLs, or - for a list on standard "
                "input.",
            )
        expanded = [_surveyed(text) for item in items for text in _expanded(item)]
        return cls(tuple(expanded), lines)

    def labelled(self, classes: Collection[str]) -> "Sources":
        """The same sources; ``classes`` of the model are the labels that count."""
        return replace(self, classes=frozenset(classes))

    def check_shared(self) -> None:
        """Raise ``DataError`` for what other computers can't read: the files of a zip."""
        for item in self.items:
            if Path(item.text).suffix.lower() == ".zip":
                raise DataError(
                    f"The files of {item.text} are unpacked on this computer only.",
                    "Unpack it to a disk that all computers of the cluster have.",
                )

    @property
    def total(self) -> int | None:
        """About how many photos there are; None if a list on standard input is among the items."""
        counts = [item.photos for item in self.items]
        return None if None in counts else sum(filter(None, counts))

    def __iter__(self) -> Iterator[Candidate]:
        """All candidates, in the order of the items, sorted within a folder; no file twice."""
        if len(self.items) == 1 and self.items[0].is_whole:
            yield from self._candidates(self.items[0])
            return
        seen: set[bytes] = set()
        for item in self.items:
            for candidate in self._candidates(item):
                key = fingerprint(absolute(candidate.path))
                if key not in seen:
                    seen.add(key)
                    yield candidate

    def _candidates(self, item: _Item) -> Iterator[Candidate]:
        if item.folder is not None:
            yield from self._in_folder(item, item.folder)
        elif item.objects is not None:
            yield from self._in_store(item.text, item.objects)
        elif item.text == STDIN:
            for line in self.lines:
                if text := _listed(line):
                    yield self._file(text)
        elif item.is_table:
            yield from self._in_table(Path(item.text))
        else:
            yield self._file(item.text)

    def _file(self, text: str) -> Candidate:
        folder = text.rpartition("/")[0] if is_url(text) else str(Path(text).parent)
        return Candidate(printable(text), place_of(text), label=self._known(Path(folder).name))

    def _known(self, label: str | None) -> str | None:
        return label if label in self.classes else None

    def _in_folder(self, item: _Item, folder: Path) -> Iterator[Candidate]:
        above, own = printable(item.text.rstrip("/")), Path(item.text).name
        for name, path, problem in stream_photos(folder):
            if name not in item.masks:
                label = self._label_in(f"{own}/{name}")
                yield Candidate(f"{above}/{name}", path, name, label=label, problem=problem)

    def _in_store(self, url: str, names: Iterable[str]) -> Iterator[Candidate]:
        above = url.rstrip("/")
        for name in names:
            place, label = (
                ObjectFile(f"{above}/{name}"),
                self._label_in(f"{Path(above).name}/{name}"),
            )
            yield Candidate(printable(place.url), place, name, label=label)

    def _label_in(self, name: str) -> str | None:
        """The folder nearest to the photo that is named after a class."""
        above = name.split("/")[-2::-1]
        return next((folder for folder in above if folder in self.classes), None)

    def _in_table(self, table: Path) -> Iterator[Candidate]:
        rows, columns = _table(table)
        texts = [row.get(columns.path, "").replace("\\", "/") for _, row in rows.rows]
        found = _found(table, [text for text in dict.fromkeys(texts) if text and not is_url(text)])
        for text, (_, row) in zip(texts, rows.rows, strict=True):
            if text:
                path = found.get(text) or (table.parent / text)
                place: Place = ObjectFile(text) if is_url(text) else path
                part = row.get(columns.part or "") or None
                label = self._known(row.get(columns.label or ""))
                view, product = (row.get(name) or None for name in (VIEW_COLUMN, PRODUCT_COLUMN))
                yield Candidate(
                    printable(str(place)), place, text, part, label, view=view, product=product
                )


def _listed(line: bytes) -> str:
    """The path in a line of a list; empty without one."""
    if b"\0" in line:
        raise DataError(
            "Expected one path a line on standard input, but found a NUL character.",
            "Leave out -print0 or -z.",
        )
    return os.fsdecode(line.rstrip(b"\r\n"))


def place_of(text: str) -> Place:
    """The place that a user wrote as a path or a URL."""
    return ObjectFile(text) if is_url(text) else Path(text)


def absolute(place: Place) -> str:
    """The place as a text that holds from any working folder."""
    if isinstance(place, ObjectFile):
        return place.url
    return os.path.abspath(place)  # noqa: PTH100 - keeps links


def printable(name: str) -> str:
    """The name with bytes that are not UTF-8 escaped: no table and no JSON can hold them."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def fingerprint(name: str) -> bytes:
    """16 bytes for a name: a hundred thousand names would be ten times as large."""
    return hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=16).digest()


def _surveyed(text: str) -> _Item:
    path = Path(text)
    if text == STDIN:
        return _Item(text, None)
    if is_url(text):
        return _in_store(text)
    suffix = path.suffix.lower()
    if path.is_dir() or suffix == ".zip":
        folder = path if path.is_dir() else unpacked(path)
        names = (name for name, _, _ in stream_photos(folder))
        masks = find_masks(walk(folder, lenient=True).photos).every if may_have_masks(names) else ()
        return _Item(text, sum(1 for _ in stream_photos(folder)), folder, frozenset(masks))
    return _Item(text, len(_table(path)[0].rows) if suffix in TABLE_SUFFIXES else 1)


def _in_store(url: str) -> _Item:
    """The photos below a URL, or the one file that it names. Masks are read to be recognised."""
    suffix = Path(url).suffix.lower()
    if suffix == ".zip" or suffix in TABLE_SUFFIXES:
        raise DataError(
            f"Expected photos at {url}, but zips and tables are only read from a disk.",
            "Copy it to a disk. The paths in a table can be URLs.",
        )
    names = list_objects(url)
    if names == [""]:
        return _Item(url)
    photos, above = photos_among(names), url.rstrip("/")
    masks: frozenset[str] = frozenset()
    if may_have_masks(photos):
        masks = find_masks({name: ObjectFile(f"{above}/{name}") for name in photos}).every
    kept = tuple(name for name in photos if name not in masks)
    return _Item(url, len(kept), objects=kept)


def _table(table: Path) -> tuple[Rows, Columns]:
    rows = read_rows(table)
    columns = columns_of(table, rows)
    if columns is None:
        raise DataError(
            f"Expected a column of paths in the first line of {table}, but found: "
            f"{','.join(rows.header)[:200] or 'nothing'}",
            f"Call it path; other known names are {usual_names('path')}.",
        )
    return rows, columns


def _found(table: Path, texts: Sequence[str]) -> Mapping[str, Path | None]:
    """The files of written paths. The table's folder is searched only if nothing else helps."""
    folders = {"beside the table": table.parent, "from the working folder": Path()}
    found = find_photos(texts, folders, {})
    if not found.count:
        found = find_photos(texts, folders, walk(table.parent, lenient=True).photos)
    return found.paths


def _expanded(item: str) -> list[str]:
    """The files of a pattern, or the item itself; it exists, or is a URL."""
    if item.startswith("file://"):
        item = urllib.request.url2pathname(item.removeprefix("file://"))
    if is_url(item):
        return [item]
    if item == STDIN or os.path.lexists(item):
        return [item]
    if not _PATTERN.search(item):
        raise DataError(
            f"Expected a photo, folder, zip or table at {item}, but there is no such file.",
            "Correct the path. A pattern such as 'day/*.jpg' also works, in quotes.",
        )
    found = sorted(
        path
        for path in glob.glob(item, recursive=True)  # noqa: PTH207 - keeps the user's spelling
        if Path(path).suffix.lower() in IMAGE_SUFFIXES
    )
    if not found:
        raise DataError(
            f"No photo fits the pattern {item}.",
            "It must name photos, such as 'day/*.jpg'; name zips and tables one by one.",
        )
    return found
