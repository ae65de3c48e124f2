"""Roboflow's multi-label export: a ``_classes.csv`` in each side, with a column for each kind."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from fastdefect.data.reading.layouts.annotated import Annotated, label_photos
from fastdefect.data.reading.layouts.gathered import NO_LABEL, Gathered, left_out
from fastdefect.data.reading.layouts.sides import sides_of
from fastdefect.data.reading.layouts.tree import Tree, is_photo, read_text
from fastdefect.errors import DataError
from fastdefect.text import first

_TABLE = "_classes.csv"
_UNLABELLED = "unlabeled"  # as the export calls photos that nobody has looked at


def gather_multilabel(tree: Tree) -> Gathered | None:
    """The photos with the kinds of their rows; None if there is no ``_classes.csv``.

    Raises ``DataError`` for a row that is not 0 or 1.
    """
    tables = [name for name in tree.others if PurePosixPath(name).name.casefold() == _TABLE]
    if not tables:
        return None
    folders = {name: PurePosixPath(name).parent.as_posix() for name in tables}
    sides = sides_of(dict.fromkeys(PurePosixPath(folder).name for folder in folders.values()))
    photos: list[Annotated] = []
    for name, folder in folders.items():
        side = sides.get(PurePosixPath(folder).name) if "train" in sides.values() else None
        photos += _rows(tree, name, "" if folder == "." else folder, side)
    unknown = [photo.name for photo in photos if photo.kinds == (_UNLABELLED,)]
    entries, rule = label_photos([p for p in photos if p.name not in unknown], "column")
    listed = {photo.name for photo in photos}
    beside = [name for name in tree.photos if name not in listed]
    findings = left_out(beside, f"not listed in {_TABLE}")
    if unknown:
        text = f"{len(unknown)} photos marked as unlabeled, excluded: {first(unknown)}."
        findings.append(NO_LABEL.finding(text, len(unknown), unknown))
    return Gathered("multilabel", f"multi-label export ({_TABLE}): {rule}", entries, findings)


def _rows(tree: Tree, name: str, folder: str, side: str | None) -> Iterator[Annotated]:
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
                photo = "/".join(step for step in (folder, cells[0].strip()) if step)
                kinds = _kinds(table, reader.line_num, header, cells)
                path = tree.photos.get(photo, tree.root / photo)
                yield Annotated(photo, path, side, kinds)
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
    known = [kind for kind in kinds if kind.casefold() != _UNLABELLED]
    return tuple(known) if known or not kinds else (_UNLABELLED,)
