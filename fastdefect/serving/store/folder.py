"""The folder of a store: whether it is one, and its lock."""

from pathlib import Path
from typing import BinaryIO

from fastdefect.errors import StoreError
from fastdefect.files import sync_folder
from fastdefect.locks import locked
from fastdefect.serving.store import schema

# What may be in a folder that becomes a store: of the file system, or of a start that was killed.
_ALLOWED = {"lock", "lost+found", *schema.PARTIAL}


def locked_folder(folder: Path) -> BinaryIO:
    """The lock of the folder, which is created. ``StoreError`` if it holds something else."""
    if folder.is_dir() and not _is_store(folder):
        foreign = sorted(each.name for each in folder.iterdir() if each.name not in _ALLOWED)
        if foreign:
            raise StoreError(
                f"{folder}: expected a store or an empty folder, but it contains {foreign[0]}.",
                "Name another folder for the store.",
            )
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
    lock = locked(folder / "lock")
    if lock is None:
        raise StoreError(
            f"{folder}: another process uses this store.",
            "Stop the other server, or name another folder with --store.",
        )
    return lock


def _is_store(folder: Path) -> bool:
    return (folder / schema.DATABASE).is_file()


def expect_store(folder: Path, *, create: bool) -> None:
    """Raise ``StoreError`` if ``folder`` is no store, or with ``create`` make it one."""
    if _is_store(folder):
        return
    if not create:
        raise StoreError(
            f"{folder}: expected a store, a folder with {schema.DATABASE}, but there is none.",
            "Name the folder that `fastdefect serve --store` wrote.",
        )
    schema.create(folder)
