"""From errors of the system and of SQLite to errors with a hint."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastdefect.errors import StoreError, StoreFullError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@contextmanager
def store_errors(folder: Path) -> Iterator[None]:
    """Turn errors of files and of the database in the block into ``StoreError``."""
    try:
        yield
    except OSError as error:
        raise _of_file(folder, error) from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # a mistake of the caller
    except sqlite3.DatabaseError as error:
        raise _of_database(folder, error) from error


def _of_file(folder: Path, error: OSError) -> StoreError:
    if error.errno in _FULL:
        return full(folder)
    where = error.filename or folder
    return StoreError(
        f"{where}: the store can't be read or written: {error.strerror or error}.",
        "Check that the folder exists and that this user may write in it.",
    )


def _of_database(folder: Path, error: sqlite3.DatabaseError) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    if code == sqlite3.SQLITE_FULL:
        return full(folder)
    if code in _DAMAGED:
        return damaged(folder, str(error))
    return StoreError(
        f"{folder}: the database of the store can't be read or written: {error}.",
        "Check that the folder exists, that this user may write in it, and that no other program "
        "keeps the database locked.",
    )


def full(folder: Path) -> StoreFullError:
    """The error for a full disk."""
    return StoreFullError(
        f"{folder}: the disk is full; nothing of this request is stored.",
        "Free space on the disk, or keep fewer photos: --keep-days, --keep-gb.",
    )


def damaged(folder: Path, reason: str) -> StoreError:
    """The error for a database that SQLite can't read."""
    return StoreError(
        f"{folder}: the database of the store is damaged: {reason}.",
        "Stop the server and put a backup in its place; `sqlite3 line.sqlite3 .recover` saves what "
        "is readable.",
    )
