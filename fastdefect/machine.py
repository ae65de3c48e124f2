"""What the machine refuses, in words: errors of disks, of memory and of worker processes.

Nothing is wrong with the settings or the photos then. The last complete state is on the disk, and
the work can be continued.
"""

import errno
import os
import re
from pathlib import Path

from fastdefect.errors import FastdefectError

_FREE = "Free space on its disk, or choose another folder."
_ALLOW = "Choose a folder that this user may read and write, or change its permissions."
_CONNECT = "Check that its disk is connected and mounted for writing."
_KEEP = "Check that its disk is connected, and that no other program deletes it."
_MEMORY = "Close other programs, or use fewer --workers, a smaller --batch-size or --image-size."

# errno -> what was found, and what to do.
_OF_FILES: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", _FREE),
    errno.EDQUOT: ("the disk quota of this user is used up", _FREE),
    errno.EFBIG: ("the file is larger than the system allows", "Raise the limit: ulimit -f."),
    errno.EROFS: ("the file system is read-only", _CONNECT),
    errno.EACCES: ("this user has no permission", _ALLOW),
    errno.EPERM: ("the system does not permit it", _ALLOW),
    errno.EIO: ("the disk reports an error", _CONNECT),
    errno.ESTALE: ("the network folder is gone", _CONNECT),
    errno.ENOTCONN: ("the connection to the disk is lost", _CONNECT),
    errno.ETIMEDOUT: ("the disk does not answer", _CONNECT),
    errno.ENODEV: ("the disk is gone", _CONNECT),
    errno.ENXIO: ("the disk is gone", _CONNECT),
    errno.ENOENT: ("the file or its folder is gone", _KEEP),
    errno.ENOTDIR: ("its folder is gone", _KEEP),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter name or folder."),
    errno.EMFILE: ("too many files are open", "Raise the limit: ulimit -n."),
    errno.ENFILE: ("too many files are open on this machine", "Close other programs."),
    errno.ENOMEM: ("the memory is used up", _MEMORY),
}
# The others depend on the path that was chosen.
_FAILURES = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE, errno.ENOTCONN),
    *(errno.ETIMEDOUT, errno.ENODEV, errno.ENXIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}
# How torch, OpenCV and a data worker say that there is no more memory: their errors differ.
_NO_MEMORY = re.compile(
    r".*(can't allocate memory|out of memory|Insufficient memory|Cannot allocate memory|"
    r"Unable to allocate|MemoryError|Unable to create a thread|can't start new thread).*",
    re.I,
)
_WORKER = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (.*)", re.S)


class MachineError(FastdefectError):
    """A disk, the memory or a worker process that failed; the work can be continued."""


def machine_error(error: BaseException, path: Path | None = None) -> MachineError | None:
    """The error in words; None if it is none of the machine, but a bug.

    ``path``: the file or folder, if the error names none.
    """
    if isinstance(error, OSError):
        return _of_file(error, error.filename or path)
    if isinstance(error, MemoryError):
        return MachineError("Expected enough memory, but it is used up.", _MEMORY)
    text = str(error)
    if found := _WORKER.search(text):
        return _of_worker(found[1].strip(), found[2])
    if found := _NO_MEMORY.search(text):
        return MachineError(f"Expected enough memory, but: {found[0].strip():.200}", _MEMORY)
    return None


def is_failure(error: OSError) -> bool:
    """Whether a disk or the machine failed, such as a full disk; else the path is at fault."""
    return error.errno in _FAILURES


def _of_file(error: OSError, path: str | bytes | int | Path | None) -> MachineError | None:
    if error.errno not in _OF_FILES:
        return None
    found, hint = _OF_FILES[error.errno]
    if path is None:
        return MachineError(f"Expected to read or write a file, but {found}.", hint)
    name = os.fsdecode(path) if isinstance(path, bytes | Path) else path
    return MachineError(f"{name}: expected to read or write it, but {found}.", hint)


def _of_worker(pid: str, end: str) -> MachineError:
    reason = " ".join(end.split())[:200].rstrip(". ")
    return MachineError(
        f"Expected a data worker (process {pid}) to run on, but it {reason}.",
        "Mostly the system ends a process when the memory is used up. Use fewer --workers, or "
        "--workers 0.",
    )
