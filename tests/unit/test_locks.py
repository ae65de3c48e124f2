"""A lock is of one process, is given back at its end, and is not inherited by its workers."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import pytest

from fastdefect import scratch
from fastdefect.files import write_text
from fastdefect.locks import locked, release
from fastdefect.scratch import Scratch

needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")


def test_a_lock_is_held_once_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = locked(path)
    assert first is not None
    assert locked(path) is None
    release(path, first)
    assert list(tmp_path.iterdir()) == []
    again = locked(path)
    assert again is not None
    release(path, again)


@needs_fork
def test_a_worker_that_outlives_its_parent_does_not_keep_the_lock(tmp_path: Path) -> None:
    held = locked(tmp_path / "lock")
    assert held is not None
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    worker.start()
    held.close()  # as at the end of the parent
    try:
        end = time.monotonic() + 30  # until the worker runs
        while (again := locked(tmp_path / "lock")) is None and time.monotonic() < end:
            time.sleep(0.01)
        assert again is not None
        again.close()
    finally:
        worker.kill()
        worker.join()


def test_without_locks_on_a_file_system_the_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(file: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fastdefect.locks._lock", unsupported)
    held = locked(tmp_path / "lock", needed=False)
    assert held is not None
    held.close()
    with pytest.raises(OSError, match="No locks available"):
        locked(tmp_path / "lock")
    (tmp_path / ".a.json-abcdefgh.json").write_text("of a process that may be alive")
    write_text(tmp_path / "a.json", "x")
    assert (tmp_path / ".a.json-abcdefgh.json").exists()


@needs_fork
def test_the_folder_of_a_killed_process_is_deleted_and_that_of_a_living_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    script = (
        "import time\nfrom fastdefect.scratch import Scratch\n"
        "s = Scratch()\n(s.folder / 'photos').write_bytes(b'x')\nprint(s.folder, flush=True)\n"
        "time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    left = Path(process.stdout.readline().strip())
    with Scratch() as living, Scratch() as other:
        assert left.is_dir()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with Scratch():
            assert not left.exists()
            assert living.folder.is_dir()
            assert other.folder.is_dir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("gone", [False, True])
def test_a_folder_that_another_process_takes_before_its_lock_is_not_used(
    gone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    taken: list[Path] = []

    def first_is_taken(path: Path, *, needed: bool = True) -> BinaryIO | None:
        if not taken:
            taken.append(path.parent)
            path.parent.rmdir()
            if not gone:
                return None
        return locked(path, needed=needed)

    monkeypatch.setattr(scratch, "locked", first_is_taken)
    with Scratch() as found:
        assert found.folder.is_dir()
        assert found.folder not in taken
    assert list(tmp_path.iterdir()) == []
