"""The file of a watch: rows are appended, so that other programs can follow it."""

import csv
import io
import json
from io import FileIO
from pathlib import Path
from typing import Any

from fastdefect.data.reading.unlabelled import fingerprint
from fastdefect.errors import DataError, UsageError
from fastdefect.files import written_to
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predicting.result_file import cell, cut_torn_line
from fastdefect.jobs.predicting.rows import Row, as_line, photo_columns

_SUFFIXES = (".csv", ".jsonl")


class LiveFile:
    """Appends rows to a CSV or a file of JSON lines, or to nothing. Use as a context."""

    def __init__(self, out: Path | None, scorer: Scorer) -> None:
        """Open ``out``, and remove a torn last line.

        Raises ``UsageError`` if it can't be written or has another format, and ``DataError`` for a
        CSV of other columns.
        """
        self._columns = photo_columns(scorer.judge.classes)
        self._out = out
        self._file: FileIO | None = None
        if out is None:
            return
        check_live(out)
        self._is_csv = out.suffix.lower() == ".csv"
        with written_to(out):
            cut_torn_line(out)
            self._file = out.open("ab", buffering=0)
            if self._is_csv and not out.stat().st_size:
                self._write(_csv_line(self._columns))

    def __enter__(self) -> "LiveFile":
        return self

    def __exit__(self, *error: object) -> None:
        if self._file:
            self._file.close()

    def decided(self) -> set[bytes]:
        """The fingerprints of the paths in the file."""
        if self._out is None:
            return set()
        try:
            with self._out.open(encoding="utf-8", newline="") as file:
                if not self._is_csv:
                    return {fingerprint(json.loads(line)["path"]) for line in file}
                reader: Any = csv.DictReader(file)
                if tuple(reader.fieldnames or ()) == self._columns:
                    return {fingerprint(row["path"]) for row in reader}
                problem = "it has other columns than the model writes"
        except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
            problem = f"a row of it is damaged ({error})"
        raise DataError(
            f"--out {self._out}: expected the file of an earlier watch, but {problem}.",
            "Choose another file.",
        )

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


def _csv_line(cells: Any) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
