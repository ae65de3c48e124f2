"""The statements that write inspections and keep what follows from their answers."""

import sqlite3

from fastdefect.serving.records import Inspection, New
from fastdefect.serving.store import rows


def insert(connection: sqlite3.Connection, new: New) -> Inspection:
    """Insert an inspection with its photos, whose files are on the disk."""
    number = connection.execute(rows.INSERT_INSPECTION, rows.inspection_row(new)).lastrowid
    if number is None:  # never: the row is there
        raise RuntimeError("SQLite gave no number")
    connection.executemany(rows.INSERT_PHOTO, rows.photo_rows(number, new.photos))
    connection.executemany(
        "INSERT INTO files VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "last = excluded.last, kept = max(kept, excluded.kept)",
        [
            (photo.sha256, len(content), number, int(new.chosen))
            for photo, content in zip(new.photos, new.contents, strict=True)
        ],
    )
    return new.numbered(number)


def number_of(connection: sqlite3.Connection, inspection: str) -> int:
    """The number of the inspection with this id; ``KeyError`` if there is none."""
    row = connection.execute(
        "SELECT number FROM inspections WHERE id = ?", (inspection,)
    ).fetchone()
    if row is None:
        raise KeyError(inspection)
    return int(row[0])


def refresh(connection: sqlite3.Connection, number: int) -> None:
    """Set the answer of an inspection to the last that counts; its photos are kept from now on."""
    connection.execute(
        "UPDATE inspections SET answer = (SELECT answer FROM answers WHERE inspection = ?1 "
        "AND undone = 0 ORDER BY number DESC LIMIT 1) WHERE number = ?1",
        (number,),
    )
    connection.execute(
        "UPDATE files SET kept = 1 WHERE sha256 IN "
        "(SELECT sha256 FROM photos WHERE inspection = ?)",
        (number,),
    )


def probe(connection: sqlite3.Connection) -> None:
    """Write what leaves the tables as they are: many pages that are taken back, and one that stays.

    What is taken back comes to no disk, but needs free pages; the one that stays is synced.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute("SAVEPOINT probe")
    connection.execute("INSERT INTO models VALUES ('probe', hex(zeroblob(65536)), '[]', '[]')")
    connection.execute("ROLLBACK TO probe")
    connection.execute(f"PRAGMA user_version = {int(version)}")
