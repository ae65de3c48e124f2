"""Counts and lists over many inspections of a store."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime

from fastdefect.serving.records import Answer, AuditRow, Day, DecidedPhoto, Inspection
from fastdefect.serving.store import rows, schema

_ALWAYS = (-(2**63), 2**63 - 1)
_BATCH = 500


def waiting(connection: sqlite3.Connection) -> int:
    """The number of inspections in the queue."""
    query = f"SELECT count(*) FROM inspections WHERE {schema.WAITING}"
    return int(connection.execute(query).fetchone()[0])


def photo_bytes(connection: sqlite3.Connection) -> int:
    """The bytes of all photos together."""
    return int(connection.execute("SELECT total(bytes) FROM files").fetchone()[0])


def day(connection: sqlite3.Connection, since: datetime, until: datetime | None) -> Day:
    """The counts of a period."""
    row = connection.execute(
        "SELECT count(*), sum(decision = 'OK'), sum(decision = 'look'), "
        "sum(decision = 'reject'), sum(unlike), count(answer), "
        "sum(decision = 'OK' AND answer = 'defect'), "
        "sum(decision = 'reject' AND answer = 'OK') "
        "FROM inspections WHERE at >= ? AND at < ?",
        _period(since, until),
    ).fetchone()
    total, ok, look, reject, unlike, answered, escapes, overkills = (count or 0 for count in row)
    return Day(total, ok, look, reject, unlike, answered, escapes, overkills, waiting(connection))


def parts(connection: sqlite3.Connection, model: str, since: datetime) -> int:
    """The number of parts that a model decided in a period."""
    query = (
        "SELECT count(DISTINCT coalesce(part, id)) FROM inspections "
        "WHERE at >= ? AND at < ? AND model = ?"
    )
    return int(connection.execute(query, (*_period(since, None), model)).fetchone()[0])


def decided(connection: sqlite3.Connection, model: str, since: datetime) -> list[DecidedPhoto]:
    """The photos that a model decided in a period, by number."""
    found = connection.execute(
        "SELECT coalesce(part, id) AS part, photos.label, photos.probability, photos.distance "
        "FROM inspections JOIN photos ON photos.inspection = inspections.number "
        "WHERE at >= ? AND at < ? AND model = ? ORDER BY inspections.number, position",
        (*_period(since, None), model),
    )
    return [
        DecidedPhoto(row["part"], row["label"], rows.number(row["probability"]), row["distance"])
        for row in found
    ]


def audit_rows(
    connection: sqlite3.Connection, since: datetime | None, until: datetime | None
) -> Iterator[AuditRow]:
    """The last inspection of each part in a period.

    An answer ends a part's turn: if the part is inspected again afterwards, both count. Otherwise
    an escape that a check found would vanish with the next inspection of the part.
    """
    found = connection.execute(
        "SELECT number, part, decision, share, chosen, model, answer, "
        "(SELECT json_group_array(json_array(person, answer)) FROM (SELECT person, answer, "
        "max(number) AS latest FROM answers WHERE inspection = inspections.number AND undone = 0 "
        "GROUP BY person ORDER BY latest)) AS said "
        "FROM inspections WHERE at >= ?1 AND at < ?2 AND (part IS NULL OR NOT EXISTS ("
        "SELECT 1 FROM inspections AS later WHERE later.part = inspections.part "
        "AND later.number > inspections.number AND later.at >= ?1 AND later.at < ?2 "
        "AND NOT EXISTS (SELECT 1 FROM answers WHERE answers.inspection = inspections.number "
        "AND answers.undone = 0 AND answers.seen < later.number))) "
        "ORDER BY number",
        _period(since, until),
    )
    for row in found:
        yield AuditRow(
            row["number"],
            row["part"],
            row["decision"],
            row["share"],
            bool(row["chosen"]),
            row["model"],
            row["answer"],
            tuple((person, answer) for person, answer in json.loads(row["said"])),
        )


def answered(
    connection: sqlite3.Connection, since: datetime | None
) -> Iterator[tuple[Inspection, list[Answer]]]:
    """The inspections with an answer that counts, and those answers, by number."""
    numbers = connection.execute(
        "SELECT number FROM inspections WHERE answer IS NOT NULL AND at >= ? AND at < ? "
        "ORDER BY number",
        _period(since, None),
    )
    while batch := [row[0] for row in numbers.fetchmany(_BATCH)]:
        listed = json.dumps(batch)
        among = "IN (SELECT value FROM json_each(?))"
        answers: dict[str, list[Answer]] = {}
        query = f"{rows.ANSWERS} WHERE inspection {among} AND undone = 0 ORDER BY answers.number"
        for row in connection.execute(query, (listed,)):
            answers.setdefault(row["id"], []).append(rows.answer_of(row))
        query = f"SELECT * FROM inspections WHERE number {among} ORDER BY number"
        for inspection in rows.inspections(connection, query, (listed,)):
            yield inspection, answers[inspection.id]


def _period(since: datetime | None, until: datetime | None) -> tuple[int, int]:
    first, last = _ALWAYS
    return (
        first if since is None else rows.microseconds(since),
        last if until is None else rows.microseconds(until),
    )
