"""The file of a result: CSV, JSON lines or Parquet. Until it is complete its rows are a journal.

The journal, ``FILE.part``, has a JSON line for each photo. A killed run leaves it behind, and
``--resume`` continues after its last whole line. The file itself appears only when it is complete.
"""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from io import BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import Any

from fastdefect.errors import DataError, UsageError
from fastdefect.files import atomic_path, typed, written_to
from fastdefect.jobs.predicting.rows import Row, as_line

_SYNC_EVERY = 256  # rows between two flushes to the disk


class Journal:
    """Appends rows to ``FILE.part``. Use as a context."""

    def __init__(self, out: Path, *, resume: bool) -> None:
        """Open the journal of ``out``.

        Raises ``UsageError`` if ``out`` has an unknown suffix or can't be written, and
        ``DataError`` if it is there already, or a journal is and ``resume`` is False.
        """
        check_suffix(out)
        self.path = out.with_name(out.name + ".part")
        if resume:
            cut_torn_line(self.path)
        else:
            _refuse_earlier(out, self.path)
        with written_to(out):
            self._file: BufferedWriter = self.path.open("ab" if resume else "xb")
        self._since_sync = 0

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sync()
        self._file.close()

    def append(self, row: Row) -> None:
        """Append a row; it survives the end of this process."""
        self._file.write(as_line(row).encode())
        self._file.flush()
        self._since_sync += 1
        if self._since_sync >= _SYNC_EVERY:
            self._sync()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._since_sync = 0

    def rows(self) -> Iterator[Row]:
        """The rows that are in the journal."""
        if self.path.exists():
            with self.path.open(encoding="utf-8") as file:
                for line in file:
                    yield json.loads(line)


def write_result(out: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write all rows to ``out`` atomically, in the format of its suffix."""
    with written_to(out), atomic_path(out) as temporary:
        _WRITERS[out.suffix.lower()](temporary, rows, columns)


def check_suffix(out: Path) -> None:
    """Raise ``UsageError`` for a suffix that is not known, or whose library is not installed."""
    suffix = out.suffix.lower()
    if suffix not in _WRITERS:
        raise UsageError(
            f"--out {out}: expected a file that ends in {', '.join(_WRITERS)}.",
            f"For example --out {typed(out.with_suffix('.csv'))}",
        )
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise UsageError(
            f"--out {out}: Parquet needs pyarrow, which is not installed.",
            'Install it: python -m pip install "fastdefect[parquet]", or write a .csv file.',
        )


def _refuse_earlier(out: Path, journal: Path) -> None:
    if journal.exists():
        raise DataError(
            f"{journal} has the rows of a prediction that was not finished.",
            "Continue it with --resume, or delete the file.",
        )
    if out.exists():
        raise DataError(
            f"--out {out}: this file exists already.", "Choose another name, or delete it."
        )


def cut_torn_line(journal: Path) -> None:
    """Remove what follows the last whole line: the process was killed while it wrote."""
    if not journal.exists():
        return
    with journal.open("rb+") as file:
        content_end = file.seek(0, os.SEEK_END)
        while content_end > 0:
            start = max(0, content_end - 65536)
            file.seek(start)
            block = file.read(content_end - start)
            if (at := block.rfind(b"\n")) >= 0:
                file.truncate(start + at + 1)
                return
            content_end = start
        file.truncate(0)


def _write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: cell(row[name]) for name in columns} for row in rows)


def cell(value: Any) -> Any:
    """The cell of a CSV: true and false in lower case, None empty."""
    return str(value).lower() if isinstance(value, bool) else value


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(as_line({name: row[name] for name in columns}) for row in rows)


def _write_parquet(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(name, _arrow_type(pyarrow, name)) for name in columns])
    with parquet.ParquetWriter(path, schema) as writer:
        batch: list[Mapping[str, Any]] = []
        for row in rows:
            batch.append({name: row[name] for name in columns})
            if len(batch) == 10_000:
                writer.write_table(pyarrow.Table.from_pylist(batch, schema))
                batch = []
        writer.write_table(pyarrow.Table.from_pylist(batch, schema))


def _arrow_type(pyarrow: Any, name: str) -> Any:
    if name.startswith("p_") or name in ("likeness", "distance", "milliseconds"):
        return pyarrow.float64()
    if name == "unlike":
        return pyarrow.bool_()
    return pyarrow.int64() if name.startswith("n_") or name == "photos" else pyarrow.string()


_Writer = Callable[[Path, Iterable[Mapping[str, Any]], Sequence[str]], None]
_WRITERS: Mapping[str, _Writer] = {
    ".csv": _write_csv,
    ".jsonl": _write_lines,
    ".parquet": _write_parquet,
}
