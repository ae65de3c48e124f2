"""A zip file of photos, unpacked once into the cache of the program, never beside the zip."""

import hashlib
import lzma
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastdefect.data.reading.good_class import recognise_good
from fastdefect.data.reading.layouts.sides import side_of
from fastdefect.data.reading.layouts.tree import is_system_file
from fastdefect.errors import DataError, UsageError
from fastdefect.files import cache_folder

_CHUNK = 1 << 20
_MOST_FILES = 1_000_000
_MOST_BYTES = 1 << 40
# Deflate reaches 1032 to 1 on zeros. Photos are compressed already; their masks and tables reach
# some hundreds to 1, and are small.
_MOST_RATIO, _RATIO_FROM = 200, 1 << 28
_DRIVE = re.compile("[A-Za-z]:")


# What a damaged archive raises, by its way of compression.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    ValueError,
)


@dataclass(frozen=True)
class _Member:
    info: zipfile.ZipInfo
    steps: tuple[str, ...]


def unpacked(archive: Path) -> Path:
    """The folder with the files of the zip: unpacked now, or at an earlier call.

    It lies in ``cache_folder()`` under the sha256 of the zip, so that a run finds the same photos
    again, also if the folder was removed. A single folder at the top is entered. Raises
    ``DataError`` for a zip that is damaged, encrypted, too large, or has names that leave it.
    """
    try:
        digest = _sha256(archive, *_identity(archive))
        target = _cache() / "zips" / digest
        if not target.is_dir():
            _unpack_into(archive, target)
        return _inner(target)
    except OSError as error:
        raise DataError(
            f"Cannot unpack {archive}: {error.strerror or error}.",
            "Check the free space and the permissions of the cache (FASTDEFECT_CACHE names its "
            "folder), or unpack the zip yourself.",
        ) from error


def _identity(archive: Path) -> tuple[int, int]:
    found = archive.stat()
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=8)  # a command may list its photos several times
def _sha256(archive: Path, size: int, changed: int) -> str:
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cache() -> Path:
    found = cache_folder()
    if found is None:
        raise UsageError(
            "A zip is unpacked into a cache, but this user has no folder for it.",
            "Set FASTDEFECT_CACHE to a folder that you may write to, or unpack the zip yourself.",
        )
    return found


def _unpack_into(archive: Path, target: Path) -> None:
    """Unpack beside the target, then rename: a target is always complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix="unpacking-", dir=target.parent))
    try:
        try:
            with zipfile.ZipFile(archive) as opened:
                members = list(_members(archive, opened))
                _check_size(archive, members, temporary)
                inside = temporary / archive.stem  # a name for people, beside the sha256
                inside.mkdir()
                for member in members:
                    _extract(opened, member, inside)
        except _DAMAGE as error:
            raise DataError(
                f"{archive} is not a zip file that can be unpacked: {error}.",
                "Make the zip again.",
            ) from error
        _settle(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _settle(temporary: Path, target: Path) -> None:
    try:
        temporary.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster
            raise


def _members(archive: Path, opened: zipfile.ZipFile) -> Iterator[_Member]:
    """The files of the zip. Raises ``DataError`` for names and kinds that are not safe."""
    for info in opened.infolist():
        name = _text_of(info).replace("\\", "/")
        steps = tuple(step for step in name.split("/") if step not in ("", "."))
        if name.startswith("/") or ".." in steps or _DRIVE.match(name) or "\0" in name:
            raise _unsafe(archive, name, "its name leads out of the zip")
        if ":" in name:  # on Windows, another stream of a file
            raise _unsafe(archive, name, "its name has a colon, which not all systems allow")
        if name.endswith("/") or any(is_system_file(step) for step in steps):
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _unsafe(archive, name, "it is a link")
        if info.flag_bits & 0x1:
            raise _unsafe(archive, name, "it is encrypted")
        yield _Member(info, steps)


def _unsafe(archive: Path, name: str, reason: str) -> DataError:
    return DataError(
        f"{archive} is not unpacked because of {name[:200]!r}: {reason}.",
        "Unpack the zip yourself, check its files, and pass the folder.",
    )


def _text_of(info: zipfile.ZipInfo) -> str:
    """The name of a member: UTF-8 also where the zip does not say so."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _check_size(archive: Path, members: list[_Member], folder: Path) -> None:
    """Refuse what does not fit on the disk, and what only pretends to be a set of photos."""
    size = sum(member.info.file_size for member in members)
    # Members may overlap in the archive: their sizes may add up to more than its own.
    packed = min(sum(m.info.compress_size for m in members), archive.stat().st_size)
    if len(members) > _MOST_FILES or size > _MOST_BYTES:
        raise _unsafe(archive, archive.name, f"{len(members)} files of {size} bytes are too many")
    if size > _RATIO_FROM and size > _MOST_RATIO * max(packed, 1):
        raise _unsafe(archive, archive.name, f"{packed} bytes unpack to {size}")
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DataError(
            f"{archive} unpacks to {size} bytes, but {folder.parent} has {free} bytes free.",
            "Free some space, or set FASTDEFECT_CACHE to a folder on another disk.",
        )


def _extract(opened: zipfile.ZipFile, member: _Member, folder: Path) -> None:
    """Write one file; never more than its stated size."""
    path = folder.joinpath(*member.steps)
    path.parent.mkdir(parents=True, exist_ok=True)
    left = member.info.file_size
    with opened.open(member.info) as source, path.open("xb") as out:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise zipfile.BadZipFile(f"{member.info.filename} is larger than stated")
            out.write(chunk)


def _inner(folder: Path) -> Path:
    """The folder of the data set: most zips have a single folder at the top.

    A folder whose name means good or a side is part of the data set and is not entered.
    """
    while True:
        with os.scandir(folder) as found:
            children = list(found)
        if len(children) != 1 or not children[0].is_dir():
            return folder
        name = children[0].name
        if side_of(name) is not None or recognise_good([name]) is not None:
            return folder
        folder = Path(children[0].path)
