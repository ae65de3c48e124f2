"""A file that is written survives a power failure, and a killed writer leaves nothing for long."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fastdefect.files import atomic_path, sync_folder, write_bytes, write_text

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="of POSIX")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


@needs_strace
def test_the_calls_of_a_write_are_in_the_order_that_a_power_failure_demands(
    tmp_path: Path,
) -> None:
    log = tmp_path / "calls"
    (tmp_path / "run").mkdir()
    script = (
        "import sys\nfrom pathlib import Path\nfrom fastdefect.files import write_text\n"
        "write_text(Path(sys.argv[1]), 'x')"
    )
    options = ["-fy", "-e", "trace=write,fsync,rename,renameat,renameat2", "-o", str(log)]
    traced = subprocess.run(
        ["strace", *options, sys.executable, "-c", script, str(tmp_path / "run" / "a.json")],
        capture_output=True,
        text=True,
    )
    if traced.returncode != 0 and "ptrace" in traced.stderr:
        pytest.skip("this system permits no strace")
    assert traced.returncode == 0, traced.stderr
    calls = [line for line in log.read_text().splitlines() if f"{tmp_path}/run" in line]
    names = [match[1] for line in calls if (match := re.search(r"\b(\w+)\(", line))]
    assert [re.sub(r"renameat2?", "rename", name) for name in names] == [
        "write",
        "fsync",
        "rename",
        "fsync",
    ]
    assert re.search(r"/run/\.a\.json-\w+\.json>", calls[1])  # the file
    assert re.search(r"/run>", calls[3])  # its folder


@posix_only
def test_a_killed_writer_leaves_a_file_that_the_next_write_deletes(tmp_path: Path) -> None:
    target = tmp_path / "history.csv"
    target.write_text("old")
    script = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from fastdefect.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(target)])
    assert killed.returncode == -signal.SIGKILL
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    write_text(target, "new")
    assert list(tmp_path.iterdir()) == [target]


@posix_only
def test_the_file_of_a_writer_at_work_stays(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    with atomic_path(target) as temporary:
        temporary.write_text("first")
        write_text(target, "second")
        assert temporary.exists()
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


@posix_only
def test_hidden_files_of_others_stay(tmp_path: Path) -> None:
    others = [tmp_path / name for name in (".a.json", ".a.json-mine.json", ".b.json-abcdefgh.json")]
    for each in others:
        each.write_text("x")
    write_text(tmp_path / "a.json", "y")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "a.json"])


@posix_only
def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 125 + ".json")  # 255 bytes
    write_text(target, "x")
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_names_the_file_and_not_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError) as caught:
        write_bytes(tmp_path / "metrics.json", b"x")
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "metrics.json")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError) as gone:
        write_bytes(tmp_path / "gone" / "metrics.json", b"x")
    assert gone.value.filename == str(tmp_path / "gone" / "metrics.json")


@posix_only
def test_a_file_system_that_can_not_flush_folders_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = errno.EINVAL

    def fail(descriptor: int) -> None:
        raise OSError(number, "x")

    monkeypatch.setattr(os, "fsync", fail)
    sync_folder(tmp_path)
    number = errno.EIO
    with pytest.raises(OSError):
        sync_folder(tmp_path)
