"""A data worker that the system ends, seen first by its connection and only then by its end."""

import os
import signal
import sys
from pathlib import Path

import pytest

from fastdefect.config_resolve import resolve
from fastdefect.jobs.training import failing
from fastdefect.jobs.training.failing import failing_run
from fastdefect.machine import MachineError
from fastdefect.run_registry import create_run


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("first", [ConnectionResetError(104, "reset"), EOFError()])
def test_a_broken_connection_waits_for_the_end_of_the_worker(
    first: Exception, tmp_path: Path
) -> None:
    run = create_run(tmp_path, "x", resolve({}), "test")

    def report(*_: object) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    before = signal.signal(signal.SIGALRM, report)
    try:
        with pytest.raises(MachineError) as refused, failing_run(run):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            raise first
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert refused.value.message.startswith("Expected a data worker (process 7) to run on")
    assert f"fastdefect fit --resume {run.folder}" in refused.value.hint
    assert run.read("run.json")["error"] == refused.value.message


def test_an_error_that_no_worker_explains_is_raised_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing, "_WAIT_FOR_REPORT", 0.0)
    run = create_run(tmp_path, "x", resolve({}), "test")
    with pytest.raises(ConnectionResetError), failing_run(run):
        raise ConnectionResetError(104, os.strerror(104))
