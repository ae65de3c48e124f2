"""The file of a watch: rows are appended, so that other programs can follow it."""

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence, Set
from io import FileIO
from pathlib import Path
from typing import Any

from fastdefect.data.reading.unlabelled import fingerprint
from fastdefect.errors import DataError, UsageError
from fastdefect.files import written_to
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predicting.result_file import cell, cut_torn_line
from fastdefect.jobs.predicting.rows import ROW_START, Row, as_line, columns_of

_SUFFIXES = (".csv", ".jsonl")


class LiveFile:
    """Appends rows to a CSV or a file of JSON lines, or to nothing. Use as a context.

    ``decided`` has the keys (``place_key``) of the photos in the file when it was opened.
    """

    def __init__(self, out: Path | None, scorer: Scorer) -> None:
        """Open ``out``, and remove a torn last line if an earlier watch wrote the file.

        Raises ``UsageError`` if it can't be written or has another format, and ``DataError`` if it
        is there but not of a watch with these columns; it is then unchanged.
        """
        self._columns = columns_of(scorer)
        self._out = out
        self._file: FileIO | None = None
        self.decided: Set[bytes] = frozenset()
        if out is None:
            return
        check_live(out)
        self._is_csv = out.suffix.lower() == ".csv"
        with written_to(out):
            if out.exists():
                self.decided = {place_key(path) for path in _earlier(out, self._columns)}
                cut_torn_line(out)
            self._file = out.open("ab", buffering=0)
            if self._is_csv and not out.stat().st_size:
                self._write(_csv_line(self._columns))

    def __enter__(self) -> "LiveFile":
        return self

    def __exit__(self, *error: object) -> None:
        if self._file:
            self._file.close()

    def append(self, row: Row) -> None:
        """Append a row and pass it to the system at once. Raises ``UsageError`` if that fails."""
        if self._out is None:
            return
        with written_to(self._out):
            if self._is_csv:
                self._write(_csv_line([cell(row[name]) for name in self._columns]))
            else:
                self._write(as_line(row))

    def _write(self, text: str) -> None:
        if self._file is None:
            return
        data, end = text.encode(), self._file.seek(0, io.SEEK_END)
        try:
            while data:
                data = data[self._file.write(data) :]
        except BaseException:  # a full disk, or Ctrl-C: no part of a row remains
            self._file.truncate(end)
            raise


def check_live(out: Path) -> None:
    """Raise ``UsageError`` for a format that rows can't be appended to."""
    if out.suffix.lower() not in _SUFFIXES:
        raise UsageError(
            f"--out {out}: --watch appends rows to a .csv or .jsonl file.",
            "For example --out decisions.csv",
        )


def place_key(path: str) -> bytes:
    """The same for all ways to write the path of a file from the working folder."""
    return fingerprint(os.path.abspath(path))  # noqa: PTH100 - keeps links


def _earlier(out: Path, columns: Sequence[str]) -> Iterator[str]:
    """The paths in the whole lines of ``out``; raises ``DataError`` if a watch did not write it."""
    is_csv = out.suffix.lower() == ".csv"
    start = _csv_line(columns).encode() if is_csv else ROW_START
    try:
        with out.open("rb") as file:
            first = file.readline().replace(b"\r\n", b"\n")
            torn = not first.endswith(b"\n")
            if not (start.startswith(first) or (not is_csv and not torn)):
                raise ValueError("it begins in another way")
            if torn:
                return
            if not is_csv:
                file.seek(0)
            lines = (line.decode() for line in file if line.endswith(b"\n"))
            yield from _csv_paths(lines, columns) if is_csv else map(_json_path, lines)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise DataError(
            f"--out {out}: expected the file of an earlier watch with this model's columns, but "
            f"found other content ({error}).",
            "Choose another file.",
        ) from error


def _csv_paths(lines: Iterator[str], columns: Sequence[str]) -> Iterator[str]:
    for row in csv.reader(lines):
        if len(row) != len(columns):
            raise ValueError(f"a row has {len(row)} cells, not {len(columns)}")
        yield row[columns.index("path")]


def _json_path(line: str) -> str:
    row: Any = json.loads(line)
    path, *_ = (row[name] for name in ("path", "decision", "model"))
    if not isinstance(path, str):
        raise TypeError("a path is no text")
    return path


def _csv_line(cells: Any) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
