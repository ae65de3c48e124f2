"""Photos to decide on: files, folders, patterns, zips, tables and lists, with or without labels."""

import glob
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastdefect.data.reading.formats import IMAGE_SUFFIXES
from fastdefect.data.reading.layouts.finder import find_photos
from fastdefect.data.reading.layouts.masks import find_masks
from fastdefect.data.reading.layouts.tree import Tree, walk
from fastdefect.data.reading.tables.columns import find_columns, usual_names
from fastdefect.data.reading.tables.rows import TABLE_SUFFIXES, read_rows
from fastdefect.data.reading.zip_file import unpacked
from fastdefect.errors import DataError, UsageError

STDIN = "-"
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Candidate:
    """A photo to decide on.

    ``name`` is its path as the user wrote it, or the folder, zip or table followed by its place in
    it. ``part`` is given by a table, or None. ``label`` is its true class if a table or the name of
    its folder gives it, else None.
    """

    name: str
    path: Path
    part: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Sources:
    """What the user named: each item is checked before the first photo is read.

    ``classes`` of the model, which are the only labels that count. ``lines``: the list for ``-``.
    """

    items: tuple[str, ...]
    classes: frozenset[str]
    lines: Iterable[str] = ()

    @classmethod
    def of(
        cls, items: Sequence[str], classes: Collection[str], lines: Iterable[str] = ()
    ) -> "Sources":
        """Expand patterns, and check that each item exists.

        Raises ``UsageError`` without items, ``DataError`` for a missing item or an empty pattern.
        """
        if not items:
            raise UsageError(
                "Expected photos, but none are named.",
                "Name files, folders, patterns, zips or tables, or - for a list on standard input.",
            )
        expanded: list[str] = []
        for item in items:
            expanded += _expanded(item)
        return cls(tuple(expanded), frozenset(classes), lines)

    def __iter__(self) -> Iterator[Candidate]:
        """All candidates, in the order of the items, sorted within a folder."""
        for item in self.items:
            yield from self._candidates(item)

    def _candidates(self, item: str) -> Iterator[Candidate]:
        path = Path(item)
        if item == STDIN:
            for line in self.lines:
                if text := line.rstrip("\r\n"):
                    yield self._file(text, Path(text))
        elif path.is_dir():
            yield from self._in_folder(item, path)
        elif path.suffix.lower() == ".zip":
            yield from self._in_folder(item, unpacked(path))
        elif path.suffix.lower() in TABLE_SUFFIXES:
            yield from self._in_table(path)
        else:
            yield self._file(item, path)

    def _file(self, name: str, path: Path) -> Candidate:
        return Candidate(name, path, label=self._known(path.parent.name))

    def _known(self, label: str | None) -> str | None:
        return label if label in self.classes else None

    def _in_folder(self, item: str, folder: Path) -> Iterator[Candidate]:
        tree = walk(folder, lenient=True)
        masks = find_masks(tree.photos).every
        for name, path in tree.photos.items():
            if name not in masks:
                yield Candidate(f"{item.rstrip('/')}/{name}", path, label=self._label_in(name))

    def _label_in(self, name: str) -> str | None:
        """The folder nearest to the photo that is named after a class."""
        above = name.split("/")[-2::-1]
        return next((folder for folder in above if folder in self.classes), None)

    def _in_table(self, table: Path) -> Iterator[Candidate]:
        rows = read_rows(table)
        columns = find_columns(rows.header)
        if columns is None:
            raise DataError(
                f"Expected a column of paths in the first line of {table}, but found: "
                f"{','.join(rows.header)[:200] or 'nothing'}",
                f"Call it path; other known names are {usual_names('path')}.",
            )
        texts = [row.get(columns.path, "").replace("\\", "/") for _, row in rows.rows]
        found = find_photos(
            list(dict.fromkeys(filter(None, texts))),
            {"beside the table": table.parent, "from the working folder": Path.cwd()},
            _photos_below(table.parent),
        )
        for text, (_, row) in zip(texts, rows.rows, strict=True):
            if text:
                yield Candidate(
                    text,
                    found.paths[text] or table.parent / text,
                    row.get(columns.part or "") or None,
                    self._known(row.get(columns.label or "")),
                )


def _photos_below(folder: Path) -> dict[str, Path]:
    tree: Tree = walk(folder, lenient=True)
    return tree.photos


def _expanded(item: str) -> list[str]:
    """The files of a pattern, or the item itself; it exists."""
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
        raise DataError(f"No photo fits the pattern {item}.", "Correct the pattern.")
    return found
