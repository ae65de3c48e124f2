"""Photos listed in a table: ``path,label[,part][,split]``, as written by people and programs."""

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fastdefect.data.findings import Check, Finding
from fastdefect.data.parts.names import labels_from_names
from fastdefect.data.photos import DEFECT_COLUMN, KINDS_BETWEEN, UNUSED, Box, Entry
from fastdefect.data.reading.layouts.annotated import Annotated, label_photos
from fastdefect.data.reading.layouts.finder import Found, find_photos
from fastdefect.data.reading.layouts.gathered import Gathered, left_out
from fastdefect.data.reading.layouts.masks import Masks
from fastdefect.data.reading.layouts.names import no_match
from fastdefect.data.reading.layouts.sides import sides_of
from fastdefect.data.reading.layouts.tree import Tree
from fastdefect.data.reading.tables.columns import (
    Columns,
    usual_names,
)
from fastdefect.data.reading.tables.rows import Rows, columns_of, columns_of_head, read_rows
from fastdefect.errors import DataError
from fastdefect.text import counted

ENCODING = Check(
    "encoding", "info", rank=230, meaning="a CSV that is not UTF-8, read in the Windows encoding"
)


class NoPhotosFoundError(DataError):
    """A table that lists photos of which none is found."""


@dataclass(frozen=True)
class _Labels:
    """Whether labels are in the names of the photos, and whether a photo may have several."""

    named: bool
    several: bool


@dataclass(frozen=True)
class _Place:
    """A table, its columns, and where the photos and masks of its rows are."""

    table: Path
    columns: Columns
    photos: Found
    masks: Found

    def path_of(self, text: str) -> Path:
        """The photo, or where it would be beside the table."""
        found = self.photos.paths.get(text)
        return found or Path(os.path.normpath(self.table.parent / text))

    def name_of(self, text: str) -> str:
        """The path relative to the folder of the table if it can be computed, else absolute."""
        folder, path = self.table.parent, self.path_of(text)
        if not Path(text).is_absolute() and path == Path(os.path.normpath(folder / text)):
            return Path(os.path.normpath(text)).as_posix()
        return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def find_table(folder: Path, *, labelled: bool = True) -> Path | None:
    """The CSV at the top of ``folder`` whose header lists photos; None if there is none.

    It must have a column of labels, except if ``labelled`` is False. One with the columns
    ``path`` and ``label`` is preferred to those with other usual names. Raises
    ``DataError`` if there are several.
    """
    try:
        files = sorted(folder.iterdir())
    except OSError:  # the walk through the folder reports it
        return None
    tables = {
        path: columns
        for path in files
        if path.suffix.lower() in (".csv", ".tsv")
        and not path.name.startswith(".")
        and path.is_file()
        and (columns := columns_of_head(path, labelled=labelled))
    }
    chosen = [path for path, columns in tables.items() if columns.plain] or list(tables)
    if len(chosen) > 1:
        names = ", ".join(path.name for path in chosen)
        raise DataError(
            f"Expected one CSV of photos in {folder}, but {len(chosen)} files have the columns "
            f"of paths and labels: {names}.",
            f"Pass the path of the CSV to use, for example {chosen[0]}",
        )
    return chosen[0] if chosen else None


def gather_table(
    table: Path,
    tree: Tree,
    masks: Masks,
    label_from: str | None = None,
    *,
    several: bool = False,
) -> Gathered:
    r"""The rows of a table as entries, in the order of the file.

    ``tree`` and ``masks`` are of the folder of the table. Paths have / or \, and are tried as in
    ``find_photos``. The delimiter is a comma, semicolon or tab. A byte order mark and the case of
    the header are ignored. Other columns are kept unchanged. With ``label_from``, the labels are
    in the names. Raises ``DataError``, with the line, for a row without path or label, an unknown
    split or a photo that is listed twice, unless each row is a box. With ``several`` defects a
    photo, the rows of one photo with different labels are one entry, with the labels joined by |.
    """
    rows = read_rows(table)
    columns = _columns(table, rows, label_from)
    place = _places(table, columns, rows, tree)
    split = _split_column(rows, columns)
    columns = replace(columns, split=split)
    sides = sides_of(row.get(split, "") for _, row in rows.rows) if split else {}
    how = _Labels(named=label_from is not None, several=several)
    entries, rule = _labelled(place, rows, columns, sides, how)
    entries, findings = _with_labels(entries, label_from)
    if rows.encoding and not rows.encoding.startswith("utf"):
        text = f"{table.name} is not UTF-8; it was read as {rows.encoding} (Excel on Windows)."
        findings.append(ENCODING.finding(text))
    findings += _unlisted(place, tree, masks)
    given = [entry if entry.mask else _with_mask(entry, tree, masks) for entry in entries]
    return Gathered("csv", _seen(table, columns, place, rule), given, findings)


def _columns(table: Path, rows: Rows, label_from: str | None) -> Columns:
    columns = columns_of(table, rows)
    if columns and (columns.label or label_from is not None):
        return columns
    raise DataError(
        f"Expected the columns path and label in the first line of {table}, "
        f"but found: {','.join(rows.header)[:200] or 'nothing'}",
        "Write the header path,label and, if available, part and split. Other known names are "
        f"{usual_names('path')} for path and {usual_names('label')} for label.",
    )


def _places(table: Path, columns: Columns, rows: Rows, tree: Tree) -> _Place:
    """Where the photos are; ``NoPhotosFoundError`` if none is there."""
    folders = {
        f"beside {table.name}": table.parent,
        "from the working folder": Path.cwd(),
        f"from the folder above {table.name}": table.parent.parent,
    }
    texts = _texts(rows, columns.path)
    found = find_photos(texts, folders, tree.photos)
    if texts and not found.count:
        tried = "".join(f"\n  {line}" for line in found.tried)
        raise NoPhotosFoundError(
            f"None of the {counted(len(texts), 'photo')} listed in {table} is found. Tried for "
            f"the first:{tried}",
            "Correct the paths, or put the table into the folder of the photos.",
        )
    masks = find_photos(_texts(rows, columns.mask) if columns.mask else [], folders, tree.photos)
    return _Place(table, columns, found, masks)


def _texts(rows: Rows, column: str) -> list[str]:
    texts = (_slashes(row.get(column, "")) for _, row in rows.rows)
    return list(dict.fromkeys(text for text in texts if text))


def _slashes(text: str) -> str:
    return text.replace("\\", "/")  # Windows separators


def _split_column(rows: Rows, columns: Columns) -> str | None:
    """The column of sides; one that is called otherwise (``set``) may be something else."""
    name = columns.split
    if name is None or name == "split":
        return name
    values = {row.get(name, "") for _, row in rows.rows}
    return name if sides_of(values) else None


def _labelled(
    place: _Place, rows: Rows, columns: Columns, sides: Mapping[str, str], how: _Labels
) -> tuple[list[Entry], str]:
    """An entry for each photo, and the rule by which boxes became labels, if they did."""
    entries: dict[str, Entry] = {}
    lines: dict[str, int] = {}
    kinds: dict[str, dict[str, None]] = {}
    for line, row in rows.rows:
        entry = _entry(place, line, row, columns, how.named)
        entry = replace(
            entry, split=_side(place.table, line, row.get(columns.split or "", ""), sides)
        )
        key = os.path.normcase(entry.path)
        earlier = entries.setdefault(key, entry)
        if lines.setdefault(key, line) != line:
            if (entry.split, entry.part) != (earlier.split, earlier.part):
                raise _contradiction(place.table, entry, (lines[key], line))
            if how.several and not entry.boxes and entry.label != earlier.label:
                label = f"{earlier.label}{KINDS_BETWEEN}{entry.label}"
                entries[key] = replace(earlier, label=label)
                continue
            if not (entry.boxes and earlier.boxes):
                raise _listed_twice(place.table, entry, earlier, (lines[key], line))
            entries[key] = replace(earlier, boxes=(*earlier.boxes, *entry.boxes))
        kinds.setdefault(key, {})[entry.label] = None
    if all(len(labels) == 1 for labels in kinds.values()):
        return list(entries.values()), ""
    marked = [
        Annotated(e.name, e.path, e.split, tuple(kinds[key]), e.boxes, e.mask, e.part, e.columns)
        for key, e in entries.items()
    ]
    return label_photos(marked)


def _entry(
    place: _Place, line: int, row: Mapping[str, str], columns: Columns, named: bool
) -> Entry:
    text = _slashes(row.get(columns.path, ""))
    label = unicodedata.normalize("NFC", row.get(columns.label or "", ""))
    for role, value in (("path", text), ("label", label or ("-" if named else ""))):
        if not value:
            raise DataError(
                f"{place.table}, line {line}: expected a {role}, but the cell is empty.",
                f"Add the {role}, or remove the row.",
            )
    mask = place.masks.paths.get(_slashes(row.get(columns.mask or "", "")))
    box = _box(row, columns, row.get(DEFECT_COLUMN) or label)
    used = columns.used
    return Entry(
        place.name_of(text),
        place.path_of(text),
        label,
        row.get(columns.part or "") or None,
        None,
        tuple((name, value) for name, value in row.items() if value and name not in used),
        (box,) if box else (),
        mask,
    )


def _side(table: Path, line: int, word: str, sides: Mapping[str, str]) -> str | None:
    if not word or word in sides:
        return sides.get(word)
    if word.casefold() == UNUSED:
        return UNUSED
    raise DataError(
        f"{table}, line {line}: expected the split train, valid (or val, validation), test, "
        f"{UNUSED} or an empty cell, but found {word!r:.80}.",
        "Correct the split.",
    )


def _box(row: Mapping[str, str], columns: Columns, kind: str) -> Box | None:
    """The box of the row; None where a cell is empty or not a number, or nothing is in it."""
    try:
        x, y, w, h = (float(row.get(name, "")) for name in columns.box or ("",) * 4)
    except ValueError:
        return None
    if columns.corners:
        w, h = w - x, h - y
    return Box(x, y, w, h, kind) if w > 0 and h > 0 else None


def _contradiction(table: Path, entry: Entry, lines: tuple[int, int]) -> DataError:
    return DataError(
        f"{table} lists {entry.name} in two splits or as two parts: lines {lines[0]} and "
        f"{lines[1]}.",
        "Give all rows of a photo the same split and part.",
    )


def _listed_twice(table: Path, entry: Entry, earlier: Entry, lines: tuple[int, int]) -> DataError:
    labels, several = "", ""
    if earlier.label != entry.label:
        labels = f" with different labels, {earlier.label!r} and {entry.label!r}"
        several = " If the photo has several defects, use --join-defects."
    return DataError(
        f"{table} lists {entry.name} twice{labels}: lines {lines[0]} and {lines[1]}.",
        f"Remove one of the two rows.{several}",
    )


def _with_labels(entries: list[Entry], label_from: str | None) -> tuple[list[Entry], list[Finding]]:
    """The entries with the labels from their names, if asked for, and those without one."""
    if label_from is None:
        return entries, []
    labels = labels_from_names([entry.name for entry in entries], label_from)
    pairs = list(zip(entries, labels, strict=True))
    named = [
        replace(entry, label=unicodedata.normalize("NFC", label)) for entry, label in pairs if label
    ]
    return named, no_match([entry.name for entry, label in pairs if not label], len(pairs))


def _with_mask(entry: Entry, tree: Tree, masks: Masks) -> Entry:
    mask = masks.of.get(entry.name)
    return replace(entry, mask=tree.photos[mask]) if mask else entry


def _unlisted(place: _Place, tree: Tree, masks: Masks) -> list[Finding]:
    """The photos below the folder of the table that it does not list."""
    listed = {os.path.normcase(path) for path in place.photos.paths.values() if path}
    listed |= {os.path.normcase(path) for path in place.masks.paths.values() if path}
    unlisted = [
        name
        for name, path in tree.photos.items()
        if os.path.normcase(path) not in listed and name not in masks.every
    ]
    return left_out(unlisted, f"below the folder of {place.table.name}, but not listed in it")


def _seen(table: Path, columns: Columns, place: _Place, rule: str) -> str:
    names = ", ".join(columns.used)
    way = f", found {place.photos.way}" if place.photos.way else ""
    return f"a table, {table.name}, with {names}{way}{f': {rule}' if rule else ''}"
