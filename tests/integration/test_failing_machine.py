"""A disk, a worker or another process that fails a training: a message, and the last state."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.cli import TINY, FitResult, invoke, run_fit, start_process, wait_for_event
from helpers.compare import assert_same_run

from fastdefect.jobs import fit as job
from fastdefect.locks import locked, release

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


def test_a_disk_that_is_full_before_the_first_batch(
    castings: Path, trained: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def full(*arguments: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", "runs/x/history.csv")

        patch.setattr(job, "_train", full)
        failed = invoke("fit", str(castings), "--runs", str(tmp_path), "--name", "x", *TINY)
    run = tmp_path / "x"
    assert failed.exit_code == 1
    assert "runs/x/history.csv: expected to read or write it, but the disk is full" in failed.stderr
    assert f"continue from the last state: fastdefect fit --resume {run}" in failed.stderr
    state = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert state["status"] == "failed"
    assert "the disk is full" in state["error"]
    assert not (run / "lock").exists()

    resumed = invoke("fit", "--resume", str(run))
    assert resumed.exit_code == 0, resumed.output
    assert "stopped before its training began: it begins now" in resumed.output
    assert_same_run(trained.folder, run)


def test_two_processes_do_not_train_one_run(trained: FitResult, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained.folder, tmp_path / "x"))
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
    held = locked(run / "lock")
    assert held is not None
    second = invoke("fit", "--resume", str(run))
    assert second.exit_code == 1
    assert f"{run}: another process trains this run." in second.stderr
    assert "Wait until it has ended" in second.stderr
    release(run / "lock", held)
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir()} == before


def test_photos_that_change_after_they_were_read_do_not_change_the_run(
    castings: Path, trained: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hash and pixels are of the same bytes, and each photo is read once."""
    data = Path(shutil.copytree(castings, tmp_path / "data"))
    conclude = job.conclude

    def changed(*arguments: object) -> object:
        first, second, *_ = sorted((data / "photos").iterdir())
        first.write_bytes(first.read_bytes()[:100])
        second.unlink()
        return conclude(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(job, "conclude", changed)
    assert_same_run(trained.folder, run_fit(data, tmp_path / "runs").folder)


@pytest.mark.slow
@posix_only
def test_a_worker_that_the_system_ends(castings: Path, trained: FitResult, tmp_path: Path) -> None:
    options = ("--workers", "1", "--json")
    process = start_process("fit", str(castings), "--runs", str(tmp_path), *TINY, *options)
    wait_for_event(process, "epoch")
    wait_for_event(process, "batch")
    found = subprocess.run(["ps", "--ppid", str(process.pid), "-o", "pid="], capture_output=True)
    worker = int(found.stdout.split()[0])
    os.kill(worker, signal.SIGKILL)
    _, said = process.communicate()
    run = (tmp_path / "latest").resolve()
    assert process.returncode == 1
    assert f"Expected a data worker (process {worker}) to run on" in said
    assert "Traceback" not in said
    assert f"continue from the last state: fastdefect fit --resume {run}" in said
    assert invoke("fit", "--resume", str(run)).exit_code == 0
    assert_same_run(trained.folder, run)
