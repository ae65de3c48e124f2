"""The folder of a data set: on a disk, or below a URL of an object store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fastdefect.data.reading.object_store import is_empty, is_url, read_object, write_object
from fastdefect.errors import UsageError
from fastdefect.files import write_bytes, written_to


class OutFolder(Protocol):
    """Files by name, each written as a whole; ``str`` is what the user named."""

    def read(self, name: str) -> bytes | None:
        """All bytes of a file; None if there is none."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a file; a reader finds the earlier one or this one."""
        ...

    def is_empty(self) -> bool:
        """Whether there is no file, or no folder yet."""
        ...


@dataclass(frozen=True)
class DiskFolder:
    """A folder on a disk. Raises ``UsageError`` or ``MachineError`` if it can't be used."""

    folder: Path

    def __str__(self) -> str:
        return str(self.folder)

    def read(self, name: str) -> bytes | None:
        """All bytes of a file; None if there is none."""
        with written_to(self.folder, folder=True):
            try:
                return (self.folder / name).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a file atomically."""
        path = self.folder / name
        with written_to(self.folder, folder=True):
            path.parent.mkdir(exist_ok=True, parents=True)
            write_bytes(path, content)

    def is_empty(self) -> bool:
        """Whether there is no file, or no folder yet; hidden files do not count."""
        with written_to(self.folder, folder=True):
            if not self.folder.exists():
                return True
            return all(child.name.startswith(".") for child in self.folder.iterdir())


@dataclass(frozen=True)
class StoreFolder:
    """A folder below a URL. Raises ``UsageError`` or ``ObjectStoreError`` if it can't be used."""

    url: str

    def __str__(self) -> str:
        return self.url

    def read(self, name: str) -> bytes | None:
        """All bytes of a file; None if there is none."""
        return read_object(f"{self.url.rstrip('/')}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a file as a whole."""
        write_object(f"{self.url.rstrip('/')}/{name}", content)

    def is_empty(self) -> bool:
        """Whether there is no file."""
        return is_empty(self.url)


def out_folder(out: str) -> OutFolder:
    """The folder that the user named. Raises ``UsageError`` if it can't be made."""
    if is_url(out):
        return StoreFolder(out)
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"--out {out}: expected a folder for a data set, but it is a file.",
            "Choose another name, or --engine local to write one file.",
        )
    if not folder.parent.is_dir():
        raise UsageError(
            f"--out {out}: expected a folder in a folder, but there is no {folder.parent}.",
            "Make the folder, or correct the path.",
        )
    return DiskFolder(folder)
