"""Atomic writes: to a temporary file in the same folder, flushed to disk, then renamed.

The folder is flushed, too: otherwise a power failure could undo the renaming.
"""

import csv
import errno
import glob
import io
import json
import math
import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from fastdefect.errors import UsageError
from fastdefect.locks import locked, release
from fastdefect.machine import is_failure, machine_error

# Windows neither renames an open file nor lets another handle write to a locked one.
_LOCKS_FILES = sys.platform != "win32"

_ABANDONED = 24 * 3600  # seconds: no command writes one file for as long


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of ``path`` that replaces it when the block succeeds.

    After the block the content and the name are on the disk: they survive a power failure. If the
    block raises, ``path`` is unchanged and the temporary file is removed. That of a process that
    was killed is removed by the next write of ``path``. An ``OSError`` names ``path``.
    """
    with named_errors(path):
        temporary, lock = _new_temporary(path)
    try:
        with named_errors(path):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~umask())
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):  # the error that ends the block says more
            temporary.unlink(missing_ok=True)
        if lock is not None:
            lock.close()


def _new_temporary(path: Path) -> tuple[Path, BinaryIO | None]:
    """An empty file beside ``path``, and its lock: without one, it is of a killed process."""
    start = _start(path)
    if _LOCKS_FILES:
        for left in path.parent.glob(f"{glob.escape(start)}????????{glob.escape(path.suffix)}"):
            remove_unlocked(left)
    while True:
        descriptor, name = tempfile.mkstemp(prefix=start, suffix=path.suffix, dir=path.parent)
        os.close(descriptor)
        if not _LOCKS_FILES:
            return Path(name), None
        if (lock := locked(Path(name), needed=False)) is not None:
            return Path(name), lock


def _start(path: Path) -> str:
    """How the names of temporary files of ``path`` begin. A long one would leave no room."""
    return f".{path.name[:40]}-"


def remove_unlocked(path: Path) -> None:
    """Delete a temporary file if it is known that no process holds its lock. Raises nothing."""
    with suppress(OSError):
        if path.is_file() and (lock := locked(path)) is not None:
            release(path, lock)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """An ``OSError`` of the block that names no file, or a temporary one, names ``path``."""
    try:
        yield
    except OSError as error:
        named = None if error.filename is None else Path(os.fsdecode(error.filename))
        temporary = named and named.parent == path.parent and named.name.startswith(_start(path))
        if error.errno is None or not (named is None or temporary):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def sync_folder(folder: Path) -> None:
    """Wait until the names of the files in ``folder`` are on the disk.

    Some network file systems do not offer this; then nothing is done.
    """
    if sys.platform == "win32":  # NTFS does this by itself, and opens no folder
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written, but not be listed
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def umask() -> int:
    """The permissions that new files of this process lack."""
    # The umask can only be read by setting it. Other users could not read files with the
    # mode 0600 of mkstemp.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def written_to(out: Path, *, folder: bool = False, option: str = "--out") -> Iterator[None]:
    """Turn an ``OSError`` in the block into a ``UsageError`` that names ``option``.

    ``out`` is a file, or a folder if ``folder`` is set. A full disk, and whatever else is not the
    fault of the path, becomes a ``MachineError``.
    """
    try:
        yield
    except OSError as error:
        if is_failure(error) and (failed := machine_error(error, out)) is not None:
            raise failed from error
        place = "folder" if folder else "file in a folder"
        raise UsageError(
            f"{option} {out}: expected a path that can be written, but got: "
            f"{error.strerror or error}.",
            f"Choose a {place} with write permission.",
        ) from error


def check_output_path(path: Path, option: str, suffixes: Sequence[str]) -> None:
    """Raise ``UsageError`` if ``option`` names no file that can be written; call before the work.

    The name has to end in one of ``suffixes``, and the folder has to exist.
    """
    if path.suffix.lower() not in suffixes:
        raise UsageError(
            f"{option} {path}: expected a file that ends in {', '.join(suffixes)}.",
            f"For example {option} {typed(path.with_suffix(suffixes[0]))}"
            if path.name
            else "Name a file.",
        )
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent}.", "Create it first.")
    if path.is_dir():
        raise UsageError(
            f"{option} {path}: expected a file, but it is a folder.", "Choose another name."
        )


def typed(path: Path) -> str:
    """``path`` as typed in a shell: quoted if it has spaces or special characters.

    In double quotes, which work in the shells of all systems, or in single quotes if it has
    characters that are special in double quotes.
    """
    text = str(path)
    if re.fullmatch(r"[\w./+=:,@-]+" if os.name != "nt" else r"[\w./+=:,@\\-]+", text):
        return text
    if os.name != "nt" and re.search(r'["$`\\!]', text):
        return shlex.quote(text)
    return f'"{text}"'


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, with its line endings unchanged."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically. NaN and infinities, which JSON does not have, become null."""
    text = json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def finite(value: Any) -> Any:
    """The same value with every NaN and infinity replaced by ``None``, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows atomically under a header; ``None`` and NaN become empty cells.

    Floats are written with all digits (``repr``), so that reading them gives the same number.
    """
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, lineterminator="\n", extrasaction="raise")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    write_text(path, buffer.getvalue())


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else value


def read_csv(path: Path) -> list[dict[str, str]]:
    """All rows of a CSV written by this program."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cache_folder() -> Path | None:
    """The folder for data that later runs reuse; None if there is no such folder.

    It is the folder in FASTDEFECT_CACHE, or else ``fastdefect`` in the cache folder of the
    system. It may not exist yet.
    """
    if named := os.environ.get("FASTDEFECT_CACHE"):
        return Path(named)
    try:
        home = Path.home()
    except RuntimeError:  # the user has no home folder
        return None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "fastdefect"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "fastdefect"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "fastdefect"


def delete_oldest(folder: Path, limit_mb: float, spare: Path | None = None) -> None:
    """Delete the files of a cache that were used longest ago, until it is within ``limit_mb``.

    ``spare`` is never deleted. A file that was never renamed, because its command was killed, goes
    after a day. A file that cannot be deleted stays.
    """
    found = []
    for path in folder.glob("*.safetensors"):
        with suppress(OSError):  # another command may delete it
            facts = path.stat()
            abandoned = path.name.startswith(".") and time.time() - facts.st_mtime > _ABANDONED
            found.append((path == spare, not abandoned, facts.st_mtime, facts.st_size, path))
    free = limit_mb * 2**20
    for is_spare, is_whole, _, size, path in sorted(found, reverse=True):
        free -= size
        if not is_spare and (free < 0 or not is_whole):
            with suppress(OSError):
                path.unlink()
