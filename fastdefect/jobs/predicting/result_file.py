"""The file of a result: CSV, JSON lines or Parquet. Until it is complete its rows are a journal.

The journal, ``FILE.part``, has a JSON line for each photo. A killed run leaves it behind, and
``--resume`` continues after its last whole line. The file itself appears only when it is complete.
"""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from io import BufferedWriter
from pathlib import Path
from typing import Any

from fastdefect.errors import DataError, UsageError
from fastdefect.files import atomic_path, typed, written_to
from fastdefect.inference.decision_rule import DECISIONS
from fastdefect.jobs.predicting.parquet import write_parquet
from fastdefect.jobs.predicting.rows import ROW_START, Row, as_line
from fastdefect.machine import MachineError

_SYNC_EVERY = 256  # rows between two flushes to the disk


class Journal:
    """Appends rows to ``FILE.part``, or to nothing. Use as a context.

    A journal without rows is removed at the end.
    """

    def __init__(
        self, out: Path | None, columns: Sequence[str], model: str, *, resume: bool
    ) -> None:
        """Open the journal of ``out``, whose rows have ``columns`` and are of ``model``.

        The errors are those of ``check_out``. Raises ``DataError`` if the file that is to be
        continued is no journal; it is then unchanged.
        """
        self._out, self._columns, self._model, self._since_sync = out, columns, model, 0
        self._file: BufferedWriter | None = None
        self.path = journal_of(out) if out else None
        if out is None or self.path is None:
            return
        check_out(out, resume=resume)
        with written_to(out):
            if resume and self.path.exists():
                self._check_start(self.path)
                cut_torn_line(self.path)
            self._file = self.path.open("ab" if resume else "xb")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        if self._file:
            with suppress(OSError):  # the error that ends the block says more
                self._file.close()
            with suppress(OSError):
                if self.path and not self.path.stat().st_size:
                    self.path.unlink()

    @property
    def kept(self) -> str:
        """Where the rows are if no more follow."""
        return f"The rows are kept in {self.path}; --resume continues." if self.path else ""

    def append(self, row: Row) -> None:
        """Append a row; it survives the end of this process.

        Raises ``MachineError`` if it can't be written, for example on a full disk.
        """
        if self._file is None or self._out is None:
            return
        with self._on_disk():
            self._file.write(as_line(row).encode())
            self._file.flush()
            self._since_sync += 1
            if self._since_sync >= _SYNC_EVERY:
                self._sync(self._file)

    def rows(self) -> Iterator[Row]:
        """The rows that are in the journal.

        Raises ``DataError`` for a damaged line, and for a row of another model.
        """
        if self.path is None or not self.path.exists():
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield self._row(line, number)

    def complete(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Write the result with these rows, and remove the journal."""
        if self._out is None or self._file is None:
            return
        with self._on_disk():
            self._sync(self._file)
        write_result(self._out, rows, columns)
        self.discard()

    def discard(self) -> None:
        """Remove the journal."""
        if self._file and self.path:
            self._file.close()
            self.path.unlink(missing_ok=True)

    def _check_start(self, path: Path) -> None:
        """Raise ``DataError`` unless the first line is a row, or the torn start of one."""
        with path.open("rb") as file:
            first = file.readline()
        if first.endswith(b"\n"):
            self._row(first, 1)
        elif not (first.startswith(ROW_START) or ROW_START.startswith(first)):
            raise self._damaged(1)

    def _row(self, line: bytes, number: int) -> Row:
        try:
            row: Any = json.loads(line)
        except ValueError as error:
            raise self._damaged(number) from error
        if not isinstance(row, dict) or not isinstance(row.get("model"), str):
            raise self._damaged(number)
        if row["model"] != self._model:
            raise DataError(
                f"{self.path} was begun with another model or another operating point "
                f"({row['model']}, now {self._model}).",
                "Use the same model to continue it, or delete the file.",
            )
        if (
            not row.keys() >= set(self._columns)
            or not isinstance(row["path"], str)
            or row["decision"] not in DECISIONS
            or not isinstance(row["p_defective"], int | float | None)
        ):
            raise self._damaged(number)
        return row

    def _damaged(self, number: int) -> DataError:
        return DataError(
            f"{self.path}, line {number}: expected a row of a prediction, but it is damaged.",
            "Delete the file, and begin again.",
        )

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise MachineError(
                f"{self.path} can't be written any more: {error.strerror or error}.",
                "Free some space on the disk, then continue with --resume.",
            ) from error

    def _sync(self, file: BufferedWriter) -> None:
        file.flush()
        os.fsync(file.fileno())
        self._since_sync = 0


def journal_of(out: Path) -> Path:
    """The journal of a result."""
    return out.with_name(out.name + ".part")


def write_result(out: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write all rows to ``out`` atomically, in the format of its suffix."""
    with written_to(out), atomic_path(out) as temporary:
        _WRITERS[out.suffix.lower()](temporary, rows, columns)


def check_out(out: Path, *, resume: bool) -> None:
    """Raise ``UsageError`` if ``out`` has an unknown suffix, is in no folder or has no valid name.

    Raises ``DataError`` if ``out`` is there already, or a journal is and ``resume`` is False.
    """
    check_suffix(out)
    with written_to(out):  # a name can be too long to look for
        _check_place(out, resume=resume)


def _check_place(out: Path, *, resume: bool) -> None:
    if not out.parent.is_dir():
        raise UsageError(
            f"--out {out}: expected a file in a folder, but there is no folder {out.parent}.",
            "Make the folder, or correct the path.",
        )
    journal = journal_of(out)
    if journal.exists():
        if not resume:
            raise DataError(
                f"{journal} has the rows of a prediction that was not finished.",
                "Continue it with --resume, or delete the file.",
            )
    elif out.exists():
        state = "is finished, so there is nothing to continue" if resume else "exists already"
        raise DataError(f"--out {out}: this file {state}.", "Choose another name, or delete it.")


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


def cut_torn_line(path: Path) -> None:
    """Remove what follows the last whole line: the process was killed while it wrote.

    The caller has checked that the file is one of this program.
    """
    with path.open("rb+") as file:
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


_Writer = Callable[[Path, Iterable[Mapping[str, Any]], Sequence[str]], None]
_WRITERS: Mapping[str, _Writer] = {
    ".csv": _write_csv,
    ".jsonl": _write_lines,
    ".parquet": write_parquet,
}
