"""The rows of a CSV or parquet file as text."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from fastdefect.data.reading.tables.columns import AmbiguousColumnsError, Columns, find_columns
from fastdefect.errors import DataError, UsageError

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".parquet"})
_DELIMITERS = ",;\t"  # Excel writes ; if the comma is the decimal separator


@dataclass(frozen=True)
class Rows:
    """A table in memory: the header in lower case, and (line, cells by column) for each row.

    ``encoding`` is empty for a file that has none.
    """

    header: tuple[str, ...]
    rows: list[tuple[int, dict[str, str]]]
    encoding: str


def read_rows(table: Path) -> Rows:
    """All rows that are not blank; lines are counted from 1. Raises ``DataError``."""
    if table.suffix.lower() == ".parquet":
        return _read_parquet(table)
    text, encoding = _decode(_all(table), table)
    delimiter = _delimiter(text)
    if delimiter is None:
        return Rows(tuple(_split(_first_line(text), ",")), [], encoding)
    header, rows = _parsed(table, text, delimiter)
    return Rows(tuple(header), rows, encoding)


def columns_of(table: Path, rows: Rows) -> Columns | None:
    """The columns of ``table`` with ``rows``; None if no column has paths.

    Raises ``DataError`` if several columns could be the one for a role.
    """
    try:
        return find_columns(rows.header)
    except AmbiguousColumnsError as error:
        raise DataError(
            f"Expected one column for the {error.role} in the first line of {table}, but found "
            f"{', '.join(error.names)}.",
            f"Call the right one {error.role}, or remove the others.",
        ) from error


def columns_of_head(table: Path, *, labelled: bool = True) -> Columns | None:
    """The columns by the first line of a CSV; None if it does not list photos (with labels).

    A header with several candidates for one column counts, so that reading it explains why.
    """
    text, _ = _decode(_head(table), table, errors="replace")
    line = _first_line(text)
    for delimiter in _DELIMITERS:
        try:
            columns = find_columns(_split(line, delimiter))
        except AmbiguousColumnsError:
            return Columns("", None, None, None, None, None, corners=False)
        if columns and (columns.label or not labelled):
            return columns
    return None


def _parsed(
    table: Path, text: str, delimiter: str
) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The header in lower case, and the line number and cells by column of each row."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
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
            rows.append((reader.line_num, dict(zip(header, values, strict=False))))
    except csv.Error as error:
        raise DataError(
            f"{table}, line {reader.line_num}: expected CSV, but it cannot be parsed: {error}.",
            "Correct the quotes in that line, or save the table as CSV again.",
        ) from error
    return header, rows


def _read_parquet(table: Path) -> Rows:
    import pandas as pd

    try:
        frame = pd.read_parquet(table)
    except ImportError as error:
        raise UsageError(
            f"Reading {table.name} needs a parquet engine, which is not installed.",
            "Install one (python -m pip install 'fastdefect[parquet]'), or save the table as CSV.",
        ) from error
    except (OSError, ValueError) as error:  # that of pyarrow is a ValueError, too
        raise DataError(
            f"Expected a parquet file, but {table} cannot be read: {error}.",
            "Write the file again, or save the table as CSV.",
        ) from error
    header = tuple(str(name).strip().casefold() for name in frame.columns)
    cells = frame.astype(object).where(frame.notna(), "").to_numpy()
    rows = [
        (line, {name: str(cell).strip() for name, cell in zip(header, row, strict=True)})
        for line, row in enumerate(cells, start=1)
    ]
    return Rows(header, rows, "")


def _delimiter(text: str) -> str | None:
    """The delimiter that separates a column of paths from others; None if none does."""
    line = _first_line(text)
    for delimiter in _DELIMITERS:
        header = _split(line, delimiter)
        try:
            if find_columns(header) is not None:
                return delimiter
        except AmbiguousColumnsError:
            return delimiter
    return None


def _split(line: str, delimiter: str) -> list[str]:
    return [cell.strip().strip('"').strip().casefold() for cell in line.split(delimiter)]


def _first_line(text: str) -> str:
    return text.partition("\n")[0].strip()


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
