"""The harness that interrupts commands: its comparison and counts, and a few real moments."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.benchmarks import BENCHMARKS, load

from fastdefect.files import write_csv, write_json

needs_strace = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("strace") is None, reason="needs Linux and strace"
)


@pytest.fixture(scope="module")
def kill() -> Any:
    return load("kill")


def test_what_is_lost_changed_or_stray_is_told_apart(kill: Any) -> None:
    whole = {"history.csv": [1], "model.safetensors": "a", "log.txt": None}
    assert kill.differences(whole, dict(whole)) == {}
    left = {"history.csv": [2], "log.txt": None, ".history.csv-abc.csv": [1]}
    assert kill.differences(whole, left) == {
        "lost": ["model.safetensors"],
        "stray": [".history.csv-abc.csv"],
        "changed": ["history.csv"],
    }


def test_only_times_may_differ(tmp_path: Path) -> None:
    commands: Any = load("kill_commands")
    facts = []
    for seconds, epoch in ((1.0, 1), (2.0, 1), (1.0, 2)):
        columns = ["epoch", "seconds"]
        write_csv(tmp_path / "history.csv", [{"epoch": epoch, "seconds": seconds}], columns)
        write_json(tmp_path / "ablation.json", [{"seconds": seconds, "f1": 0.5}])
        facts.append(commands.facts_of_run(tmp_path))
    assert facts[0] == facts[1]
    assert facts[0] != facts[2]
    assert facts[0]["ablation.json"] == [{"f1": 0.5}]


def test_moments_repeat_and_half_of_them_are_calls(kill: Any) -> None:
    done = [load("kill_process").Call("fsync", number, "") for number in range(1, 101)]
    whole = kill.Whole({}, 3.0, done)
    moments = kill.moments("fit", "KILL", whole, 30)
    assert moments == kill.moments("fit", "KILL", whole, 30)
    assert moments != kill.moments("fit", "TERM", whole, 30)
    times, calls = moments[:15], moments[15:]
    assert all(0 <= each.seconds <= 3 and each.how == signal.SIGKILL for each in times)
    assert all(each.call[0] == "fsync" and 1 <= each.call[1] <= 100 for each in calls)


def test_the_table_counts(kill: Any) -> None:
    good = {"command": "fit", "signal": "KILL", "at": "call 7", "same": True, "differences": {}}
    bad = {**good, "at": "0.50 s", "same": False, "differences": {"stray": ["x"]}}
    rows = kill.table([{**good, "temporary": []}, {**bad, "temporary": ["fastdefect-x"]}])
    assert rows.splitlines()[-1] == "| `fit` | SIGKILL | 2 | 1 | 1 | 0 | 1 | 1 |"


@pytest.mark.slow
@needs_strace
def test_interrupted_commands_end_as_the_uninterrupted(tmp_path: Path) -> None:
    options = ["--moments", "4", "--commands", "fit,predict,serve", "--signals", "KILL"]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "kill.py", tmp_path, *options],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["same"] for line in lines] == [True] * 12
