"""Photos listed in a CSV: ``path,label[,part][,split]``, as written by people and Excel."""

import csv
import io
import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from fastdefect.data.findings import Check, Finding
from fastdefect.data.photos import KINDS_BETWEEN, SPLIT_WORDS, Entry
from fastdefect.errors import DataError

ENCODING = Check(
    "encoding", "info", rank=230, meaning="a CSV that is not UTF-8, read in the Windows encoding"
)

_KNOWN_COLUMNS = frozenset({"path", "label", "part", "split"})
_DELIMITERS = ",;\t"  # Excel writes ; if the comma is the decimal separator


def find_table(folder: Path) -> Path | None:
    """The CSV at the top of ``folder`` whose header lists photos; None if there is none.

    Raises ``DataError`` if there are several.
    """
    tables = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() == ".csv"
        and not path.name.startswith(".")
        and path.is_file()
        and _delimiter(_decode(_head(path), path, errors="replace")[0])
    ]
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        raise DataError(
            f"Expected one CSV of photos in {folder}, but {len(tables)} files have the columns "
            f"path and label: {names}.",
            f"Pass the path of the CSV to use, for example {tables[0]}",
        )
    return tables[0] if tables else None


def read_table(table: Path, *, several: bool = False) -> tuple[list[Entry], list[Finding]]:
    r"""The rows of a CSV as entries, in the order of the file.

    Paths are relative to the folder of the CSV or absolute, with / or \. The delimiter is a
    comma, semicolon or tab. A byte order mark and the case of the header are ignored. Other
    columns are kept unchanged. The existence of a photo is checked when it is read. Raises
    ``DataError``, with the line, for a row without path or label, an unknown split or a photo
    that is listed twice. With ``several`` defects a photo, the rows of one photo with different
    labels are one entry, with the labels joined by ``|``.
    """
    text, encoding = _decode(_all(table), table)
    delimiter = _delimiter(text)
    if delimiter is None:
        raise DataError(
            f"Expected the columns path and label in the first line of {table}, "
            f"but found: {text.partition(chr(10))[0].strip()[:200] or 'nothing'}",
            "Write the header path,label and, if available, part and split.",
        )
    entries: list[Entry] = []
    seen: dict[str, tuple[int, str]] = {}
    for line, row in _rows(table, text, delimiter):
        entry = _entry(table, line, row)
        earlier = seen.setdefault(os.path.normcase(entry.path), (line, entry.label))
        if several and entry.label != earlier[1]:
            _add_label(entries, entry)
            continue
        if earlier[0] != line:
            _refuse_twice(table, entry, earlier, line)
        entries.append(entry)
    if encoding.startswith("utf"):
        return entries, []
    message = f"{table.name} is not UTF-8; it was read as {encoding} (Excel on Windows)."
    return entries, [ENCODING.finding(message)]


def _rows(table: Path, text: str, delimiter: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number (from 1) and cells by lower-case column, for each row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().casefold() for name in next(reader)]
        for cells in reader:
            values = [cell.strip() for cell in cells]
            if not any(values):
                continue
            if any(values[len(header) :]):
                raise DataError(
                    f"{table}, line {reader.line_num}: expected at most {len(header)} cells, but "
                    f"found {len(cells)}.",
                    f"Put a cell that contains {delimiter!r} in double quotes.",
                )
            yield reader.line_num, dict(zip(header, values, strict=False))
    except csv.Error as error:
        raise DataError(
            f"{table}, line {reader.line_num}: expected CSV, but it cannot be parsed: {error}.",
            "Correct the quotes in that line, or save the table as CSV again.",
        ) from error


def _entry(table: Path, line: int, row: Mapping[str, str]) -> Entry:
    text = row.get("path", "").replace("\\", "/")  # Windows separators
    label = unicodedata.normalize("NFC", row.get("label", ""))
    for column, value in (("path", text), ("label", label)):
        if not value:
            raise DataError(
                f"{table}, line {line}: expected a {column}, but the cell is empty.",
                f"Add the {column}, or remove the row.",
            )
    split = row.get("split", "").casefold()
    if split and split not in SPLIT_WORDS:
        raise DataError(
            f"{table}, line {line}: expected the split train, valid (or val, validation), test or "
            f"an empty cell, but found {row['split']!r}.",
            "Correct the split.",
        )
    path = Path(os.path.normpath(table.parent / text))
    return Entry(
        _name(table.parent, path, Path(text)),
        path,
        label,
        row.get("part") or None,
        SPLIT_WORDS.get(split),
        tuple((name, value) for name, value in row.items() if value and name not in _KNOWN_COLUMNS),
    )


def _name(folder: Path, path: Path, given: Path) -> str:
    """The path relative to ``folder`` if it is given or can be computed, else absolute."""
    if not given.is_absolute():
        return Path(os.path.normpath(given)).as_posix()
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _add_label(entries: list[Entry], entry: Entry) -> None:
    """Add the label of ``entry`` to the entry of the same photo."""
    at = next(i for i, other in enumerate(entries) if other.path == entry.path)
    label = f"{entries[at].label}{KINDS_BETWEEN}{entry.label}"
    entries[at] = replace(entries[at], label=label)


def _refuse_twice(table: Path, entry: Entry, earlier: tuple[int, str], line: int) -> None:
    labels, several = "", ""
    if earlier[1] != entry.label:
        labels = f" with different labels, {earlier[1]!r} and {entry.label!r}"
        several = " If the photo has several defects, use --join-defects."
    raise DataError(
        f"{table} lists {entry.name} twice{labels}: lines {earlier[0]} and {line}.",
        f"Remove one of the two rows.{several}",
    )


def _delimiter(text: str) -> str | None:
    """The delimiter that gives the first line columns path and label; None if none does."""
    line = text.partition("\n")[0]
    for delimiter in _DELIMITERS:
        names = [cell.strip().strip('"').casefold() for cell in line.split(delimiter)]
        if names.count("path") == 1 and names.count("label") == 1:
            return delimiter
    return None


def _decode(data: bytes, table: Path, errors: str = "strict") -> tuple[str, str]:
    """The text and its encoding: UTF-16 by its byte order mark, UTF-8, else Windows-1252."""
    marked = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding, errors), encoding
        except UnicodeDecodeError:
            continue
    raise DataError(
        f"Expected text in UTF-8, UTF-16 or Windows-1252, but {table} cannot be decoded.",
        "Save it as UTF-8.",
    )


def _head(table: Path) -> bytes:
    """The start of the file, enough for a header; other CSVs in the folder may be very large."""
    try:
        with table.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def _all(table: Path) -> bytes:
    try:
        return table.read_bytes()
    except OSError as error:
        raise DataError(
            f"Cannot read {table}: {error.strerror}.", "Check the path and its permissions."
        ) from error
