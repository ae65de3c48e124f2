"""Photos that a CSV lists: ``path,label[,part][,split]``, as people and Excel write it."""

import csv
import io
import os
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from fastdefect.data.findings import Check, Finding
from fastdefect.data.photos import SPLIT_WORDS, Entry
from fastdefect.errors import DataError

ENCODING = Check(
    "encoding", "info", rank=230, meaning="a CSV that is not UTF-8, read as Windows writes it"
)

_OURS = frozenset({"path", "label", "part", "split"})
_DELIMITERS = ",;\t"  # Excel writes ; where the comma is the decimal point


def find_table(folder: Path) -> Path | None:
    """The one CSV at the top of ``folder`` that lists photos, by its header; None if none.

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
            f"{len(tables)} CSV files in {folder} have the columns path and label: {names}.",
            f"Name the one to use: {tables[0]}",
        )
    return tables[0] if tables else None


def read_table(table: Path) -> tuple[list[Entry], list[Finding]]:
    r"""The rows of a CSV as entries, in the file's order.

    Paths are relative to the CSV's folder or absolute, with / or \. The delimiter (comma,
    semicolon or tab), a byte order mark and the case of the header are no obstacle; further
    columns are kept as they are. Whether a photo exists is found out when it is read. Raises
    ``DataError``, with the line, for a row without path or label, for an unknown split and
    for a photo that is listed twice.
    """
    text, encoding = _decode(_all(table), table)
    delimiter = _delimiter(text)
    if delimiter is None:
        raise DataError(
            f"Expected the columns path and label in the first line of {table}, "
            f"found: {text.partition(chr(10))[0].strip()[:200] or 'nothing'}",
            "The header is path,label and, where they are known, part and split.",
        )
    entries: list[Entry] = []
    seen: dict[str, tuple[int, str]] = {}
    for line, row in _rows(table, text, delimiter):
        entry = _entry(table, line, row)
        earlier = seen.setdefault(os.path.normcase(entry.path), (line, entry.label))
        if earlier[0] != line:
            _refuse_twice(table, entry, earlier, line)
        entries.append(entry)
    if encoding.startswith("utf"):
        return entries, []
    message = f"{table.name} is not UTF-8; it was read as {encoding} (Excel on Windows)."
    return entries, [ENCODING.finding(message)]


def _rows(table: Path, text: str, delimiter: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number (from 1) and cells by lower-case column, for each row that isn't blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().casefold() for name in next(reader)]
        for cells in reader:
            values = [cell.strip() for cell in cells]
            if not any(values):
                continue
            if any(values[len(header) :]):
                raise DataError(
                    f"{table}, line {reader.line_num}: {len(cells)} cells under "
                    f"{len(header)} columns.",
                    f"Put a cell that holds {delimiter!r} in double quotes.",
                )
            yield reader.line_num, dict(zip(header, values, strict=False))
    except csv.Error as error:
        raise DataError(
            f"{table}, line {reader.line_num}: this is no CSV: {error}.",
            "Mend the quotes in that line, or save the table as CSV once more.",
        ) from error


def _entry(table: Path, line: int, row: Mapping[str, str]) -> Entry:
    text = row.get("path", "").replace("\\", "/")  # as Windows writes it
    label = unicodedata.normalize("NFC", row.get("label", ""))
    for column, value in (("path", text), ("label", label)):
        if not value:
            raise DataError(
                f"{table}, line {line}: the {column} is empty.",
                f"Give every row a {column}, or take the row out.",
            )
    split = row.get("split", "").casefold()
    if split and split not in SPLIT_WORDS:
        raise DataError(
            f"{table}, line {line}: the split is {row['split']!r}.",
            "Expected train, valid (or val, validation), test, or an empty cell.",
        )
    path = Path(os.path.normpath(table.parent / text))
    return Entry(
        _name(table.parent, path, Path(text)),
        path,
        label,
        row.get("part") or None,
        SPLIT_WORDS.get(split),
        tuple((name, value) for name, value in row.items() if value and name not in _OURS),
    )


def _name(folder: Path, path: Path, given: Path) -> str:
    """Relative to ``folder`` wherever that was said or can be."""
    if not given.is_absolute():
        return Path(os.path.normpath(given)).as_posix()
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _refuse_twice(table: Path, entry: Entry, earlier: tuple[int, str], line: int) -> None:
    labels = ""
    if earlier[1] != entry.label:
        labels = f" with different labels, {earlier[1]!r} and {entry.label!r}"
    raise DataError(
        f"{table} lists {entry.name} twice{labels}: lines {earlier[0]} and {line}.",
        "Keep one of the two rows.",
    )


def _delimiter(text: str) -> str | None:
    """The one that makes columns called path and label of the first line; None if none does."""
    line = text.partition("\n")[0]
    for delimiter in _DELIMITERS:
        names = [cell.strip().strip('"').casefold() for cell in line.split(delimiter)]
        if names.count("path") == 1 and names.count("label") == 1:
            return delimiter
    return None


def _decode(data: bytes, table: Path, errors: str = "strict") -> tuple[str, str]:
    """The text and its encoding: UTF-16 by its mark, UTF-8, else Windows' own."""
    marked = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding, errors), encoding
        except UnicodeDecodeError:
            continue
    raise DataError(f"{table} is no text in UTF-8, UTF-16 or Windows-1252.", "Save it as UTF-8.")


def _head(table: Path) -> bytes:
    """Enough for a header; a data folder may hold gigabytes of other CSVs."""
    try:
        with table.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def _all(table: Path) -> bytes:
    try:
        return table.read_bytes()
    except OSError as error:
        raise DataError(f"Can't read {table}: {error.strerror}.") from error
