"""Between the records of a line and the rows of its database."""

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from fastdefect.inference.judge import DecidingTile
from fastdefect.serving.records import Answer, Inspection, Model, New, Photo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSPECTION = tuple(field.name for field in fields(Inspection) if field.name != "photos")
_NEW = (*_INSPECTION[1:], "key", "digest")
_PHOTO = tuple(field.name for field in fields(Photo))

INSERT_INSPECTION = (
    f"INSERT INTO inspections ({', '.join(_NEW)}) VALUES ({', '.join('?' * len(_NEW))})"
)
INSERT_PHOTO = (
    f"INSERT INTO photos (inspection, position, {', '.join(_PHOTO)}) "
    f"VALUES ({', '.join('?' * (2 + len(_PHOTO)))})"
)


def microseconds(at: datetime) -> int:
    """A time with its zone, as microseconds since 1970 in UTC."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def time_of(value: int) -> datetime:
    """The time of ``microseconds``, in UTC."""
    return _EPOCH + timedelta(microseconds=value)


def inspection_row(new: New) -> tuple[Any, ...]:
    """The values for ``INSERT_INSPECTION``."""
    return tuple(_cell(getattr(new, name)) for name in _NEW)


def photo_rows(number: int, photos: Sequence[Photo]) -> list[tuple[Any, ...]]:
    """The values for ``INSERT_PHOTO``."""
    return [
        (number, position, *(_cell(getattr(photo, name)) for name in _PHOTO))
        for position, photo in enumerate(photos)
    ]


def _cell(value: Any) -> Any:
    """A value as SQLite stores it; NaN becomes null."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime):
        return microseconds(value)
    if isinstance(value, DecidingTile):
        return _cell(vars(value))
    if isinstance(value, Mapping):
        return json.dumps({name: _cell(each) for name, each in value.items()})
    return value


def inspections(
    connection: sqlite3.Connection, query: str, values: Sequence[Any] = ()
) -> list[Inspection]:
    """The inspections that ``query`` selects from the table with all columns, with their photos."""
    rows = connection.execute(query, values).fetchall()
    photos = _photos(connection, [row["number"] for row in rows])
    return [_inspection(row, photos[row["number"]]) for row in rows]


def _photos(connection: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, list[sqlite3.Row]]:
    found: dict[int, list[sqlite3.Row]] = {number: [] for number in numbers}
    rows = connection.execute(
        "SELECT * FROM photos WHERE inspection IN (SELECT value FROM json_each(?)) "
        "ORDER BY inspection, position",
        (json.dumps(list(numbers)),),
    )
    for row in rows:
        found[row["inspection"]].append(row)
    return found


def _inspection(row: sqlite3.Row, photos: Iterable[sqlite3.Row]) -> Inspection:
    values = {name: row[name] for name in _INSPECTION}
    values |= {
        "at": time_of(row["at"]),
        "probability": number(row["probability"]),
        "unlike": bool(row["unlike"]),
        "chosen": bool(row["chosen"]),
    }
    return Inspection(**values, photos=tuple(map(_photo, photos)))


def _photo(row: sqlite3.Row) -> Photo:
    stored = row.keys()  # a store of an earlier version, opened read-only, lacks the last columns
    values = {name: row[name] for name in _PHOTO if name in stored}
    by_class = {name: number(p) for name, p in json.loads(row["probabilities"]).items()}
    values |= {
        "probability": number(row["probability"]),
        "probabilities": MappingProxyType(by_class),
        "unlike": bool(row["unlike"]),
        "tile": _tile(values.get("tile")),
    }
    return Photo(**values)


def _tile(content: str | None) -> DecidingTile | None:
    if content is None:
        return None
    values = json.loads(content)
    return DecidingTile(**{**values, "probability": number(values["probability"])})


def number(value: float | None) -> float:
    """A number as the records have it; NaN is null in the database."""
    return math.nan if value is None else value


def model_row(model: Model) -> tuple[str, ...]:
    """The values of a row of models."""
    return model.identity, model.name, json.dumps(model.classes), json.dumps(model.good)


def model_of(row: sqlite3.Row) -> Model:
    """The model of a row of models."""
    return Model(
        row["identity"],
        row["name"],
        tuple(json.loads(row["classes"])),
        tuple(json.loads(row["good"])),
    )


# An answer has the number of its inspection in the table, and its id in the record.
ANSWERS = (
    "SELECT answers.*, inspections.id FROM answers "
    "JOIN inspections ON inspections.number = answers.inspection "
)


def answer_of(row: sqlite3.Row) -> Answer:
    """The answer of a row of ``ANSWERS``."""
    return Answer(
        row["number"],
        row["id"],
        row["answer"],
        row["label"],
        row["person"],
        time_of(row["at"]),
        row["seconds"],
        bool(row["undone"]),
    )
