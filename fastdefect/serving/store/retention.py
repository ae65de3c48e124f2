"""Which photo files of a store are to be deleted."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastdefect.serving.records import Retired
from fastdefect.serving.store import reports, rows

_BATCH = 200  # files; other writes take their turn between two batches


@dataclass(frozen=True)
class File:
    """A photo file to be deleted. ``kept``: it was chosen for people, or answered."""

    sha256: str
    bytes: int
    kept: bool


def next_files(
    connection: sqlite3.Connection, oldest: datetime | None, gigabytes: float | None
) -> list[File]:
    """The next files to delete, at most a batch of them; none when the limits hold."""
    found: list[File] = []
    if oldest is not None:
        found = _files(
            connection,
            "JOIN inspections ON number = last WHERE kept = 0 AND at < ?",
            rows.microseconds(oldest),
        )
    if found or gigabytes is None:
        return found
    excess = reports.photo_bytes(connection) - gigabytes * 1e9
    for file in _files(connection, "WHERE TRUE") if excess > 0 else []:
        if excess <= 0:
            break
        found.append(file)
        excess -= file.bytes
    return found


def _files(connection: sqlite3.Connection, where: str, *values: int) -> list[File]:
    query = f"SELECT sha256, bytes, kept FROM files {where} ORDER BY kept, last LIMIT {_BATCH}"
    found = connection.execute(query, values)
    return [File(row["sha256"], row["bytes"], bool(row["kept"])) for row in found]


def forget(connection: sqlite3.Connection, files: Sequence[File]) -> None:
    """Remove the rows of files; the inspections with them can no longer be looked at."""
    listed = (json.dumps([file.sha256 for file in files]),)
    among = "IN (SELECT value FROM json_each(?))"
    connection.execute(f"DELETE FROM files WHERE sha256 {among}", listed)
    connection.execute(
        "UPDATE inspections SET gone = 1 WHERE number IN "
        f"(SELECT inspection FROM photos WHERE sha256 {among})",
        listed,
    )


def counted(total: Retired, files: Sequence[File]) -> Retired:
    """``total`` and the files of a batch."""
    return Retired(
        total.files + len(files),
        total.bytes + sum(file.bytes for file in files),
        total.kept + sum(file.kept for file in files),
    )
