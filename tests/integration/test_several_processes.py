"""``accelerate launch -m fastdefect fit``: several processes are one training, and one run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.benchmarks import load
from helpers.cli import TINY, FitResult, invoke, run_fit
from helpers.compare import history_without_time

from fastdefect.run import Run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's"),
]

# On a machine without a GPU, too: without it, accelerate starts a single process.
LAUNCH = (
    "-m accelerate.commands.launch --multi_gpu --num_machines 1 --mixed_precision no "
    "--dynamo_backend no"
).split()


def launched(port: int, *arguments: str) -> "subprocess.Popen[str]":
    options = ["--num_processes", "2", "--main_process_port", str(port), "-m", "fastdefect"]
    return subprocess.Popen(
        [sys.executable, *LAUNCH, *options, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def assert_same_figures(one: Path, other: Path) -> None:
    """Up to rounding; the photos of the splits and their decisions are the same."""
    for first, second in zip(Run(one).read_history(), Run(other).read_history(), strict=True):
        for name, value in first.items():
            if name != "seconds":
                assert second[name] == pytest.approx(value, rel=1e-4, abs=1e-4), name
    for name in ("split.csv", "config.toml", "model.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    valid, again = (json.loads((run / "metrics.json").read_text())["valid"] for run in (one, other))
    assert again["accuracy"] == valid["accuracy"]
    assert again["confusion"] == valid["confusion"]


def rank_of(pid: int) -> str | None:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    found = [each for each in variables if each.startswith(b"RANK=")]
    return found[0].removeprefix(b"RANK=").decode() if found else None


def process_of_rank(rank: int, launcher: int) -> int:
    """The process that ``launcher`` started with this rank."""
    for folder in Path("/proc").glob("[0-9]*"):
        status = (folder / "stat").read_text().rsplit(")", 1)[1].split() if folder.exists() else []
        if status and int(status[1]) == launcher and rank_of(int(folder.name)) == str(rank):
            return int(folder.name)
    raise AssertionError(f"no process of rank {rank}")


def test_views_and_mixed_photos_are_shared(tmp_path: Path) -> None:
    """Both processes draw alike which photos are trained without their view."""
    data = load("view_input").render(tmp_path / "data", 30)
    options = [*TINY, "--view-input", "--mixup-alpha", "0.4", "--parts", "csv"]
    alone = run_fit(data, tmp_path / "alone", *options[len(TINY) :], "--name", "one")
    runs = tmp_path / "two"
    process = launched(29557, "fit", str(data), "--runs", str(runs), *options, "--name", "one")
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert_same_figures(alone.folder, runs / "one")


def test_two_processes_are_one_run(castings: Path, trained: FitResult, tmp_path: Path) -> None:
    process = launched(29551, "fit", str(castings), "--runs", str(tmp_path), *TINY, "--json")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    run = (tmp_path / "latest").resolve()
    assert_same_figures(trained.folder, run)
    later = {"baseline.csv", "reference.safetensors"}  # of other tests, which share the run
    files = {file.name for file in trained.folder.iterdir()}
    assert {file.name for file in run.iterdir()} == files - later
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(["latest", run.name])

    events: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    names = [event["event"] for event in events]
    assert names.count("epoch") == 3  # the other process prints nothing
    assert names.count("fit") == 1
    assert "Traceback" not in errors
    assert "Warning" not in errors


def _killed(castings: Path, runs: Path, rank: int, port: int) -> tuple[Path, str]:
    process = launched(
        port, "fit", str(castings), "--runs", str(runs), *TINY, "--epochs", "3", "--json"
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "epoch":
            break
    os.kill(process_of_rank(rank, process.pid), signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode != 0
    return (runs / "latest").resolve(), errors


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the processes in /proc")
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_job_and_one_process_goes_on(
    castings: Path, trained: FitResult, tmp_path: Path, rank: int
) -> None:
    killed, errors = _killed(castings, tmp_path, rank, 29552 + rank)
    assert errors.count("One of the 2 processes ended.") == 1
    assert "resume the run" in errors
    assert 1 <= len(history_without_time(killed)) < 3
    assert not [file for file in killed.iterdir() if file.name.startswith(".")]

    result = invoke("fit", "--resume", str(killed))
    assert result.exit_code == 0, result.output
    assert_same_figures(trained.folder, killed)


def test_the_launcher_stops_the_training_and_two_processes_go_on(
    castings: Path, trained: FitResult, tmp_path: Path
) -> None:
    process = launched(29554, "fit", str(castings), "--runs", str(tmp_path), *TINY, "--json")
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "epoch":
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode != 0
    run = (tmp_path / "latest").resolve()
    again = launched(29555, "fit", "--resume", str(run), "--quiet")
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    assert_same_figures(trained.folder, run)


def test_other_commands_are_refused_before_they_start(castings: Path, tmp_path: Path) -> None:
    process = launched(29556, "ablate", str(castings), "--runs", str(tmp_path))
    _, errors = process.communicate()
    assert process.returncode != 0
    assert errors.count("ablate runs in one process, but the launcher started 2.") == 1
    assert "Traceback (most recent call last):\n  File" in errors  # the launcher's own
    assert not list(tmp_path.iterdir())
