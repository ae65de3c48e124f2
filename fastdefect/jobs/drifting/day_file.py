"""A result of ``fastdefect predict`` as the photos of a day."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.data.reading.tables.rows import read_rows
from fastdefect.errors import DataError
from fastdefect.evaluation.drift import Day
from fastdefect.inference.baseline import Sample

_COLUMNS = ("path", "p_defective", "label", "distance", "part", "unlike", "error", "model")
_SUFFIXES = (".csv", ".jsonl", ".parquet")
_PREDICT = "Write it with: fastdefect predict MODEL PHOTOS --out day.csv"

Row = Mapping[str, Any]


def read_day(path: Path, good: tuple[str, ...], identity: str) -> Day:
    """The photos in ``path``; a photo without a part is a part of its own.

    ``good``: the good classes. Raises ``DataError`` for any other file, for one of another model
    than that with ``identity``, and for one without a readable photo.
    """
    expected = f"Expected a result of fastdefect predict at {path}"
    if not path.is_file():
        raise DataError(f"{expected}, but there is no such file.", _PREDICT)
    if path.suffix.lower() not in _SUFFIXES:
        raise DataError(f"{expected}, a file that ends in {', '.join(_SUFFIXES)}.", _PREDICT)
    rows = [_row(row, line, path) for line, row in enumerate(_rows(path), start=2)]
    _check_model(rows, identity[:12], path)
    read = [row for row in rows if not row["error"]]
    if not read:
        raise DataError(f"{path} has no photo that could be read.", _PREDICT)
    sample = Sample(
        np.array([row["part"] or row["path"] for row in read]),
        np.array([row["label"] in good for row in read]),
        np.array([row["p_defective"] for row in read]),
        np.array([row["distance"] for row in read]),
    )
    unlike = sum(row["unlike"] for row in read)
    return Day(str(path), sample, len(rows) - len(read), unlike)


def _rows(path: Path) -> Iterator[Row]:
    """The rows, with all columns that are read; the cells may be text."""
    if path.suffix.lower() == ".jsonl":
        found: Any = _lines(path)
    else:
        found = (row for _, row in read_rows(path).rows)
    for row in found:
        if missing := [name for name in _COLUMNS if name not in row]:
            raise DataError(
                f"{path} has no column {missing[0]}: it is not a result of fastdefect predict by "
                "photo.",
                _PREDICT,
            )
        yield row


def _lines(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError(f"line {number} is not an object")
                yield row
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read: {error}.", _PREDICT) from error


def _row(row: Row, line: int, path: Path) -> dict[str, Any]:
    """The row with numbers; NaN for an empty cell."""
    cells = {name: row[name] for name in _COLUMNS}
    for name in ("p_defective", "distance"):
        try:
            cells[name] = float("nan") if cells[name] in (None, "") else float(cells[name])
        except (TypeError, ValueError):
            raise DataError(
                f"{path}, row {line}: expected a number as {name}, found {cells[name]!r:.40}.",
                _PREDICT,
            ) from None
    cells["unlike"] = str(cells["unlike"]).lower() == "true"
    return cells


def _check_model(rows: list[dict[str, Any]], identity: str, path: Path) -> None:
    others = sorted({str(row["model"]) for row in rows} - {identity})
    if others:
        raise DataError(
            f"{path} was decided by another model or another operating point ({others[0]:.20}), "
            f"expected {identity}.",
            "Name the run or bundle that decided, with the same --threshold and --views.",
        )
