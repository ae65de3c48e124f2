"""Folders for temporary files. What a killed process left behind, the next one deletes."""

import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO, Self

from fastdefect.locks import locked

_PREFIX, _LOCK = "fastdefect-", "lock"


class Scratch:
    """A new folder in the system's folder for temporary files. Use as a context, or ``close`` it.

    Making one deletes those of processes that were killed: nobody holds their locks. Decoded
    photos can have gigabytes.
    """

    def __init__(self) -> None:
        for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
            _remove_unlocked(left)
        self.folder, self._lock = _made_and_held()

    def close(self) -> None:
        """Delete the folder with its files."""
        self._lock.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _made_and_held() -> tuple[Path, BinaryIO]:
    """A new folder, and its lock; another process may take a folder before it is locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            lock = locked(folder / _LOCK, needed=False)
        except FileNotFoundError:  # deleted between the creation and the lock
            continue
        if lock is not None:
            return folder, lock


def _remove_unlocked(path: Path) -> None:
    if path.is_symlink() or not path.is_file():  # not made here; opening a pipe would wait
        return
    try:
        lock = locked(path)
    except OSError:  # of another user, deleted meanwhile, or on a file system without locks
        return
    if lock is not None:
        lock.close()
        shutil.rmtree(path.parent, ignore_errors=True)
