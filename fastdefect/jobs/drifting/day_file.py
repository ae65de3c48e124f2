"""A result of ``fastdefect predict`` as the photos of a day."""

import json
import math
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from fastdefect.data.reading.tables.rows import read_rows
from fastdefect.errors import DataError
from fastdefect.evaluation.drift import Day
from fastdefect.inference.baseline import Sample

_TEXTS = ("path", "label", "part", "error", "model")
_LARGEST: Mapping[str, float] = MappingProxyType(
    {"p_defective": 1.0, "distance": sys.float_info.max}
)
_COLUMNS = (*_TEXTS, *_LARGEST, "unlike")
_SUFFIXES = (".csv", ".jsonl", ".parquet")
_PREDICT = "Write it with: fastdefect predict MODEL PHOTOS --by photo --out day.csv"

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
    found = _lines(path) if path.suffix.lower() == ".jsonl" else _table(path)
    rows = [_row(row, where) for where, row in found]
    if not rows:
        raise DataError(f"{path} has no rows.", _PREDICT)
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


def _table(path: Path) -> Iterator[tuple[str, Row]]:
    """The place and the cells of each row; the cells are text."""
    table = read_rows(path)
    if any(table.header):
        _check_columns(table.header, str(path))
    line = "row" if path.suffix.lower() == ".parquet" else "line"
    for number, row in table.rows:
        yield f"{path}, {line} {number}", dict.fromkeys(_COLUMNS, "") | row


def _lines(path: Path) -> Iterator[tuple[str, Row]]:
    """The place and the values of each line of JSON."""
    try:
        # splitlines would also split at characters that JSON allows in a text.
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read: {error}.", _PREDICT) from error
    for number, line in enumerate(lines if any(lines) else [], start=1):
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where} can't be read as JSON: {error}.", _PREDICT) from error
        if not isinstance(row, dict):
            raise DataError(f"{where}: expected an object, found {line:.40}.", _PREDICT)
        _check_columns(row, where)
        yield where, row


def _check_columns(names: Collection[str], where: str) -> None:
    if missing := [name for name in _COLUMNS if name not in names]:
        raise DataError(
            f"{where} has no column {missing[0]}: it is not a result of fastdefect predict by "
            "photo.",
            _PREDICT,
        )


def _row(row: Row, where: str) -> dict[str, Any]:
    """The row with texts and numbers; a number is NaN for an empty cell."""
    cells: dict[str, Any] = {"unlike": str(row["unlike"]).lower() == "true"}
    for name in _TEXTS:
        if not isinstance(row[name], str | None):
            raise DataError(f"{where}: expected text as {name}, found {row[name]!r:.40}.", _PREDICT)
        cells[name] = row[name] or ""
    for name, largest in _LARGEST.items():
        cells[name] = number = _number(row[name])
        if number is None or not (math.isnan(number) or 0 <= number <= largest):
            expected = "a number from 0 to 1" if largest == 1 else "a number of 0 or more"
            raise DataError(
                f"{where}: expected {expected} as {name}, found {row[name]!r:.40}.", _PREDICT
            )
    return cells


def _number(cell: Any) -> float | None:
    """NaN for an empty cell; None for what is not a number."""
    try:
        return math.nan if cell in (None, "") else float(cell)
    except (TypeError, ValueError, OverflowError):
        return None


def _check_model(rows: list[dict[str, Any]], identity: str, path: Path) -> None:
    others = sorted({str(row["model"]) for row in rows} - {identity})
    if others:
        raise DataError(
            f"{path} was decided by another model or another operating point ({others[0]:.20}), "
            f"expected {identity}.",
            "Name the run or bundle that decided, with the same --threshold and --views.",
        )
