"""Locks between processes: the system frees them when their process ends, however it ends."""

import errno
import os
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

# What a system reports if another process holds the lock.
_TAKEN = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}
_held: "weakref.WeakSet[BinaryIO]" = weakref.WeakSet()


def locked(path: Path, *, needed: bool = True) -> BinaryIO | None:
    """The open file that holds the lock, to be closed; None if another process holds it.

    The file is created if there is none. On a file system without locks, ``OSError`` is raised, or
    the file returned without one if it is not ``needed``.
    """
    while True:
        file = path.open("ab")
        try:
            _lock(file)
        except OSError as error:
            taken = error.errno in _TAKEN
            if taken or needed:
                file.close()
            if taken:
                return None
            if needed:
                raise
        if _is_at(path, file):
            _held.add(file)
            return file
        file.close()  # the process that held it has deleted it meanwhile


def release(path: Path, file: BinaryIO) -> None:
    """Give the lock back and delete its file ``path``, so that no file stays behind."""
    with suppress(OSError):  # Windows deletes no open file: it stays
        path.unlink(missing_ok=True)
    file.close()


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _lock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _let_go() -> None:
    """Close the locks of the parent: a data worker that outlives it would keep them."""
    for file in list(_held):
        file.close()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_let_go)
