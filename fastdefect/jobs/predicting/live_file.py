"""The file of a watch: rows are appended, so that other programs can follow it."""

import csv
import io
import json
from pathlib import Path
from types import TracebackType
from typing import Any

from fastdefect.errors import DataError, UsageError
from fastdefect.files import written_to
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predicting.result_file import cell, cut_torn_line
from fastdefect.jobs.predicting.rows import Row, as_line, photo_columns


class LiveFile:
    """Appends rows to a CSV or a file of JSON lines, or to nothing. Use as a context."""

    def __init__(self, out: Path | None, scorer: Scorer) -> None:
        """Open ``out`` and read the names that it has.

        Raises ``UsageError`` for another format, and ``DataError`` for a CSV of other columns.
        """
        self._columns = photo_columns(scorer.judge.classes)
        self._csv, self._known, self._file = False, set[str](), None
        if out is None:
            return
        self._csv = out.suffix.lower() == ".csv"
        if not self._csv and out.suffix.lower() != ".jsonl":
            raise UsageError(
                f"--out {out}: --watch appends rows to a .csv or .jsonl file.",
                "For example --out decisions.csv",
            )
        with written_to(out):
            cut_torn_line(out)
            self._known = self._names(out)
            self._file = out.open("a", encoding="utf-8", newline="")
            if self._csv and not out.stat().st_size:
                self._write(",".join(self._columns) + "\n")

    def __enter__(self) -> "LiveFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file:
            self._file.close()

    def knows(self, name: str) -> bool:
        """Whether the file had a row of a photo with this path."""
        return name in self._known

    def append(self, row: Row) -> None:
        """Append a row and pass it to the system at once."""
        if self._csv:
            buffer = io.StringIO(newline="")
            csv.writer(buffer, lineterminator="\n").writerow(
                [cell(row[name]) for name in self._columns]
            )
            self._write(buffer.getvalue())
        else:
            self._write(as_line(row))

    def _write(self, text: str) -> None:
        if self._file:
            self._file.write(text)
            self._file.flush()

    def _names(self, out: Path) -> set[str]:
        if not out.exists() or not out.stat().st_size:
            return set()
        with out.open(encoding="utf-8", newline="") as file:
            if not self._csv:
                return {json.loads(line)["path"] for line in file}
            reader: Any = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != self._columns:
                raise DataError(
                    f"--out {out} has other columns than the model writes.",
                    "Choose another file.",
                )
            return {row["path"] for row in reader}
