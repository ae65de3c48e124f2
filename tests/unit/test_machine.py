"""Errors of the machine have words: what failed, where, and what to do; bugs stay bugs."""

import errno
from pathlib import Path

import numpy as np
import pytest
from typer import Exit

from fastdefect.cli.session import session
from fastdefect.errors import UsageError
from fastdefect.files import written_to
from fastdefect.machine import MachineError, machine_error


@pytest.mark.parametrize(
    ("number", "said", "advice"),
    [
        (errno.ENOSPC, "the disk is full", "Free space"),
        (errno.EDQUOT, "quota", "Free space"),
        (errno.EROFS, "read-only", "mounted for writing"),
        (errno.EACCES, "no permission", "permissions"),
        (errno.EIO, "the disk reports an error", "connected"),
        (errno.ESTALE, "network folder is gone", "connected"),
        (errno.ENOENT, "gone", "connected"),
        (errno.ENAMETOOLONG, "name is too long", "shorter"),
        (errno.EMFILE, "too many files", "ulimit"),
    ],
)
def test_an_error_of_a_file_names_it_the_reason_and_what_to_do(
    number: int, said: str, advice: str
) -> None:
    error = machine_error(OSError(number, "x", "runs/a/history.csv"))
    assert error is not None
    assert error.message.startswith("runs/a/history.csv: expected ")
    assert said in error.message
    assert advice in error.hint
    assert error.exit_code == 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((1 << 40,), np.dtype(float)),  # type: ignore[attr-defined]
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("Caught MemoryError in DataLoader worker process 0.\nOriginal Traceback"),
    ],
)
def test_memory_that_is_used_up_is_said_however_a_library_says_it(error: Exception) -> None:
    known = machine_error(error)
    assert known is not None
    assert "enough memory" in known.message
    assert "--workers" in known.hint


def test_opencv_without_memory() -> None:
    import cv2

    known = machine_error(cv2.error("alloc.cpp:73: error: (-4:Insufficient memory) Failed to"))
    assert known is not None
    assert "enough memory" in known.message


@pytest.mark.parametrize(
    "text",
    [
        "DataLoader worker (pid 71) is killed by signal: Killed. ",
        "DataLoader worker (pid(s) 71) exited unexpectedly",
    ],
)
def test_a_killed_worker(text: str) -> None:
    known = machine_error(RuntimeError(text))
    assert known is not None
    assert "process 71" in known.message
    assert "--workers 0" in known.hint


@pytest.mark.parametrize(
    "bug", [RuntimeError("shapes differ"), ValueError("x"), OSError("x"), KeyError("a")]
)
def test_a_bug_is_not_of_the_machine(bug: Exception) -> None:
    assert machine_error(bug) is None
    with pytest.raises(type(bug)), session(quiet=True):
        raise bug


def test_a_command_ends_with_1_and_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit) as ended, session(quiet=True):
        raise OSError(errno.ENOSPC, "No space left on device", "runs/a/log.txt")
    assert ended.value.exit_code == 1
    assert "runs/a/log.txt: expected to read or write it, but the disk is full" in (
        capsys.readouterr().err
    )


def test_a_full_disk_is_not_the_fault_of_an_option() -> None:
    with pytest.raises(MachineError, match="x.png: .* the disk is full"), written_to(Path("x.png")):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(UsageError, match="--out x.png"), written_to(Path("x.png")):
        raise OSError(errno.EACCES, "Permission denied")
