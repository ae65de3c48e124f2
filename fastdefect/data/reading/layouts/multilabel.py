"""Roboflow's multi-label export: a ``_classes.csv`` in each side, with a column for each kind."""

import csv
import io
import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fastdefect.data.reading.layouts.annotated import Annotated, label_photos
from fastdefect.data.reading.layouts.gathered import NO_LABEL, Gathered, left_out
from fastdefect.data.reading.layouts.sides import sides_of
from fastdefect.data.reading.layouts.tree import Tree, is_photo, read_text
from fastdefect.errors import DataError
from fastdefect.text import first

_TABLE = "_classes.csv"
_UNLABELLED = "unlabeled"  # as the export calls photos that nobody has looked at


@dataclass(frozen=True)
class _Row:
    """A photo as one line of a table lists it."""

    table: Path
    line: int
    photo: Annotated


def gather_multilabel(tree: Tree) -> Gathered | None:
    """The photos with the kinds of their rows; None if there is no ``_classes.csv``.

    Raises ``DataError`` for a row that is not 0 or 1, and for rows of one photo that contradict
    each other.
    """
    tables = [name for name in tree.others if PurePosixPath(name).name.casefold() == _TABLE]
    if not tables:
        return None
    photos = _listed_once(tree, {name: PurePosixPath(name).parent.as_posix() for name in tables})
    unknown = [photo.name for photo in photos if photo.kinds == (_UNLABELLED,)]
    known = [photo for photo in photos if photo.kinds != (_UNLABELLED,)]
    entries, rule = label_photos(known, "column")
    listed = {photo.name for photo in photos}
    beside = [name for name in tree.photos if name not in listed]
    findings = left_out(beside, f"not listed in {_TABLE}")
    if unknown:
        text = f"{len(unknown)} photos marked as unlabeled, excluded: {first(unknown)}."
        findings.append(NO_LABEL.finding(text, len(unknown), unknown))
    return Gathered("multilabel", f"multi-label export ({_TABLE}): {rule}", entries, findings)


def _listed_once(tree: Tree, folders: Mapping[str, str]) -> list[Annotated]:
    """Each photo of the tables, once; ``folders`` are those of the tables, by their names."""
    sides = sides_of(dict.fromkeys(PurePosixPath(folder).name for folder in folders.values()))
    rows: dict[str, _Row] = {}
    for name, folder in folders.items():
        side = sides.get(PurePosixPath(folder).name) if "train" in sides.values() else None
        for row in _rows(tree, name, folder, side):
            earlier = rows.setdefault(os.path.normcase(row.photo.path), row)
            if _meaning(earlier.photo) != _meaning(row.photo):
                raise DataError(
                    f"{row.table}, line {row.line}: expected {row.photo.name} with the kinds and "
                    f"the side that it has in {earlier.table}, line {earlier.line}, but found "
                    "others.",
                    "Remove one of the two rows.",
                )
    return [row.photo for row in rows.values()]


def _meaning(photo: Annotated) -> tuple[frozenset[str], str | None]:
    return frozenset(photo.kinds), photo.side  # the tables may order their columns differently


def _rows(tree: Tree, name: str, folder: str, side: str | None) -> Iterator[_Row]:
    table = tree.root / name
    reader = csv.reader(io.StringIO(read_text(table, 1 << 30) or ""), skipinitialspace=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if len(header) < 2:
            raise DataError(
                f"Expected a file name and a column for each kind in {table}, but found "
                f"{', '.join(header) or 'nothing'}.",
                "Export the set again.",
            )
        for cells in reader:
            if any(cell.strip() for cell in cells):
                kinds = _kinds(table, reader.line_num, header, cells)
                photo = posixpath.normpath(posixpath.join(folder, cells[0].strip()))
                path = tree.photos.get(photo, tree.root / photo)
                yield _Row(table, reader.line_num, Annotated(photo, path, side, kinds))
    except csv.Error as error:
        raise DataError(
            f"{table}, line {reader.line_num}: expected CSV, but it cannot be parsed: {error}.",
            "Export the set again.",
        ) from error


def _kinds(table: Path, line: int, header: list[str], cells: list[str]) -> tuple[str, ...]:
    values = [cell.strip() for cell in cells[1:]]
    if len(cells) != len(header) or not set(values) <= {"0", "1"} or not is_photo(cells[0].strip()):
        raise DataError(
            f"{table}, line {line}: expected the name of a photo and 0 or 1 for each of "
            f"{', '.join(header[1:])}, but found {','.join(cells)[:200]}.",
            "Correct the line, or export the set again.",
        )
    kinds = [kind for kind, value in zip(header[1:], values, strict=True) if value == "1"]
    known = dict.fromkeys(kind for kind in kinds if kind.casefold() != _UNLABELLED)
    return tuple(known) if known or not kinds else (_UNLABELLED,)
