"""The tables of a store, and connections to them."""

import sqlite3
import time
from pathlib import Path

from fastdefect.errors import StoreError
from fastdefect.files import sync_folder
from fastdefect.serving.store.failures import damaged

SCHEMA = 1
DATABASE = "line.sqlite3"
_LATER = ("rejected_by", "tile", "view", "product")  # columns of photos, not of earlier versions
# What is in the folder while the database is made, with the files of SQLite.
PARTIAL = tuple(f".{DATABASE}.new{suffix}" for suffix in ("", "-journal", "-wal", "-shm"))
# In the header of the database of a store, not of other SQLite files. "fdln" in ASCII.
_APPLICATION = 0x66646C6E
PATIENCE = 20.0  # seconds to wait for another program that writes
_CHECK_SECONDS = 2.0

# An inspection in the queue. The index and the queries must have the same condition.
WAITING = "chosen = 1 AND answer IS NULL AND gone = 0"
# `answer` of an inspection is its last answer that counts, and `gone` that its photos were deleted:
# the queue then is an index, however many inspections there are. `last` of a file is the newest
# inspection with it, and `kept` that one of them was chosen or answered.
_TABLES = f"""
CREATE TABLE models (
    identity TEXT PRIMARY KEY, name TEXT NOT NULL, classes TEXT NOT NULL, good TEXT NOT NULL
) STRICT;
CREATE TABLE inspections (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    part TEXT,
    key TEXT,
    digest TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('OK', 'look', 'reject')),
    probability REAL,
    defect_class TEXT,
    unlike INTEGER NOT NULL,
    model TEXT NOT NULL REFERENCES models (identity),
    bundle TEXT NOT NULL,
    share REAL NOT NULL,
    chosen INTEGER NOT NULL,
    priority REAL NOT NULL,
    answer TEXT CHECK (answer IN ('OK', 'defect')),
    gone INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX inspections_key ON inspections (key) WHERE key IS NOT NULL;
CREATE INDEX inspections_part ON inspections (part, number) WHERE part IS NOT NULL;
CREATE INDEX inspections_day ON inspections (at, decision, unlike, answer);
CREATE INDEX inspections_decision ON inspections (decision, number);
CREATE INDEX inspections_queue ON inspections (priority DESC, number)
    WHERE {WAITING};
CREATE TABLE photos (
    inspection INTEGER NOT NULL REFERENCES inspections (number),
    position INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    decision TEXT NOT NULL,
    probability REAL,
    probabilities TEXT NOT NULL,
    label TEXT NOT NULL,
    defect_class TEXT,
    unlike INTEGER NOT NULL,
    likeness REAL,
    distance REAL,
    milliseconds REAL NOT NULL,
    rejected_by TEXT,
    tile TEXT,
    view TEXT,
    product TEXT,
    PRIMARY KEY (inspection, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX photos_file ON photos (sha256);
CREATE TABLE files (
    sha256 TEXT PRIMARY KEY, bytes INTEGER NOT NULL, last INTEGER NOT NULL, kept INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX files_age ON files (kept, last, bytes);
CREATE TABLE answers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    inspection INTEGER NOT NULL REFERENCES inspections (number),
    answer TEXT NOT NULL CHECK (answer IN ('OK', 'defect')),
    label TEXT,
    person TEXT NOT NULL,
    at INTEGER NOT NULL,
    seconds REAL,
    -- The last inspection when it was given: times are not in order if the clock is set back.
    seen INTEGER NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX answers_inspection ON answers (inspection, number);
CREATE INDEX answers_person ON answers (person, number) WHERE undone = 0;
"""


def connect(folder: Path, *, read_only: bool) -> sqlite3.Connection:
    """A connection to the database of the store in ``folder``.

    It has no transactions of its own, and may be used by one thread after another.
    """
    uri = f"{(folder / DATABASE).resolve().as_uri()}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # A commit returns when its pages are on the disk.
        connection.execute("PRAGMA synchronous = FULL")
        if not read_only:
            # A backup by VACUUM INTO has another mode, in which readers block the writer.
            connection.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        connection.close()
        raise
    return connection


def wait_for_others(connection: sqlite3.Connection, seconds: float) -> None:
    """Wait at most so long for another program that keeps the database locked."""
    connection.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")


def file_of(folder: Path) -> tuple[int, int]:
    """Which file the database is, however it is named."""
    found = (folder / DATABASE).stat()
    return found.st_dev, found.st_ino


def expect_same(folder: Path, opened: tuple[int, int]) -> None:
    """Raise ``StoreError`` if the database is no longer the file that was ``opened``.

    What is written into a deleted file is lost, without an error.
    """
    if file_of(folder) != opened:
        raise StoreError(
            f"{folder / DATABASE}: expected the database that the server opened, but it is another "
            "file.",
            "Stop the server before a backup is put in its place, and start it again.",
        )


def create(folder: Path) -> None:
    """Write the empty database: all of it, or nothing."""
    partial = folder / PARTIAL[0]
    for name in PARTIAL:  # SQLite would roll a journal that was left back into the new database
        (folder / name).unlink(missing_ok=True)
    connection = sqlite3.connect(partial, isolation_level=None)
    try:
        connection.executescript(
            f"PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; BEGIN; {_TABLES}"
            f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {SCHEMA}; COMMIT;"
        )
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    partial.replace(folder / DATABASE)
    sync_folder(folder)


def is_complete(connection: sqlite3.Connection) -> bool:
    """Whether the store has all columns; that of an earlier version lacks some of ``_LATER``."""
    return not _missing(connection)


def _missing(connection: sqlite3.Connection) -> list[str]:
    present = {row["name"] for row in connection.execute("PRAGMA table_info(photos)")}
    return [name for name in _LATER if name not in present]


def complete(connection: sqlite3.Connection) -> None:
    """Add the columns that a store lacks, null in its rows; an earlier version can still read it.

    So the version of the store remains the same.
    """
    for name in _missing(connection):
        connection.execute(f"ALTER TABLE photos ADD COLUMN {name} TEXT")


def check(connection: sqlite3.Connection, folder: Path) -> None:
    """Raise ``StoreError`` if the database is another program's, newer or damaged.

    The search for damage ends after two seconds. Damage that it did not reach shows when it is
    read.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != _APPLICATION:
        raise StoreError(
            f"{folder / DATABASE}: expected the database of a store, but it is another program's.",
            "Name the folder that `fastdefect serve --store` wrote, or a new one.",
        )
    if version != SCHEMA:
        raise StoreError(
            f"{folder / DATABASE}: expected a store of version {SCHEMA}, but it has version "
            f"{version}.",
            "Install the fastdefect that wrote it, or a newer one.",
        )
    end = time.monotonic() + _CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > end, 100_000)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        connection.set_progress_handler(None, 0)
    if found != "ok":
        raise damaged(folder, found)
