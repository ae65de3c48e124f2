"""The photos of a store: files named by the sha256 of their bytes."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from fastdefect.errors import StoreError
from fastdefect.files import sync_folder

_PROBE = 1 << 20  # bytes
_SHA256 = re.compile(r"[0-9a-f]{64}")


class PhotoFiles:
    """Files ``ab/<sha256>`` in ``folder``, and those in ``moving/`` that nothing refers to yet.

    A photo comes into ``moving/`` before the database refers to it, and goes to its place after
    that. It leaves in the same way: into ``moving/`` first, and is deleted when the database no
    longer refers to it. ``settle`` completes what a kill interrupted, so that no file is lost and
    none stays behind. The caller lets only one thread write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._moving = folder / "moving"

    def create(self) -> None:
        """Make the folders, all at once: a new name in a folder must be synced to be safe."""
        if self._moving.is_dir():  # the last one
            return
        self._folder.mkdir(exist_ok=True)
        for first in range(256):
            (self._folder / f"{first:02x}").mkdir(exist_ok=True)
        self._moving.mkdir()
        sync_folder(self._folder)

    def prepare(self, contents: Iterable[tuple[str, bytes]]) -> list[str]:
        """Put photos that are not there yet on the disk, in ``moving/``; return their sha256.

        If one can't be written, those before it are removed.
        """
        new: list[str] = []
        try:
            for sha256, content in contents:
                if sha256 not in new and self.path(sha256) is None:
                    new.append(sha256)
                    (self._moving / sha256).write_bytes(content)
            # All are written before the first is synced: a disk syncs many in one go.
            for sha256 in new:
                with (self._moving / sha256).open("rb+") as file:
                    os.fsync(file.fileno())
            if new:
                sync_folder(self._moving)
        except BaseException:
            self.discard(new)
            raise
        return new

    def accept(self, prepared: Iterable[str]) -> None:
        """Move photos to their places, once the database refers to them.

        One that can't be moved stays where ``read`` finds it, until the next ``settle``.
        """
        for sha256 in prepared:
            with suppress(OSError):
                (self._moving / sha256).replace(self._place(sha256))

    def withdraw(self, leaving: Iterable[str]) -> None:
        """Move photos into ``moving/``, before their rows are deleted."""
        for sha256 in leaving:
            if self._place(sha256).exists():
                self._place(sha256).replace(self._moving / sha256)

    def discard(self, moving: Iterable[str]) -> None:
        """Delete photos in ``moving/``, as the database does not refer to them."""
        for sha256 in moving:
            (self._moving / sha256).unlink(missing_ok=True)

    def probe(self) -> None:
        """Write a file as large as a photo, and delete it; raises ``OSError`` if this fails."""
        path = self._moving / "probe"
        try:
            with path.open("wb") as file:
                file.write(bytes(_PROBE))
                file.flush()
                os.fsync(file.fileno())
        finally:
            path.unlink(missing_ok=True)

    def settle(self, refers: Callable[[str], bool]) -> None:
        """Complete the moves that a kill interrupted; ``refers``: it has a row."""
        for path in list(self._moving.iterdir()):
            if refers(path.name):
                path.replace(self._place(path.name))
            else:
                path.unlink()

    def read(self, sha256: str) -> bytes | None:
        """The bytes of a photo; None if it is not there.

        Raises ``StoreError`` if the bytes are not those that were stored.
        """
        content = self._bytes(sha256)
        if content is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise StoreError(
                f"{self._place(sha256)}: expected the photo with this sha256, but the file has "
                "other bytes: the disk or a program changed it.",
                "Put the file of a backup in its place, or delete it.",
            )
        return content

    def path(self, sha256: str) -> Path | None:
        """The file of a photo; None if it is not there."""
        return next((path for path in self._places(sha256) if path.is_file()), None)

    def _bytes(self, sha256: str) -> bytes | None:
        for path in self._places(sha256):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                continue
        return None

    def _places(self, sha256: str) -> tuple[Path, ...]:
        """Where the photo may be. It may move between two looks, but only once."""
        if not _SHA256.fullmatch(sha256):  # it may come from a client: never a path
            return ()
        return self._place(sha256), self._moving / sha256, self._place(sha256)

    def _place(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256
