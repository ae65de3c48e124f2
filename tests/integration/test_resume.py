"""A fit that was interrupted, however, ends as if it never had been."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.cli import TINY, FitResult, invoke, run_fit, start_process, wait_for_event
from helpers.compare import assert_same_run, history_without_time
from helpers.interrupts import interrupted_after
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fastdefect.run import Run

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


def test_same_settings_give_the_same_run(
    castings: Path, trained: FitResult, tmp_path: Path
) -> None:
    again = run_fit(castings, tmp_path)
    assert_same_run(trained.folder, again.folder)


@pytest.mark.slow
def test_workers_change_nothing(castings: Path, trained: FitResult, tmp_path: Path) -> None:
    with_workers = run_fit(castings, tmp_path, "--workers", "2")
    assert_same_run(trained.folder, with_workers.folder)


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize("workers", ["0", "2"])
def test_resume_after_kill_9(
    castings: Path, trained: FitResult, tmp_path: Path, workers: str
) -> None:
    process = start_process(
        "fit", str(castings), "--runs", str(tmp_path), *TINY, "--workers", workers, "--json"
    )
    wait_for_event(process, "epoch")
    wait_for_event(process, "batch", 2)  # in the middle of the second epoch
    process.kill()
    process.communicate()
    killed = (tmp_path / "latest").resolve()
    assert len(history_without_time(killed)) >= 1

    result = invoke("fit", "--resume", str(killed))
    assert result.exit_code == 0, result.output
    assert_same_run(trained.folder, killed)


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize("workers", ["0", "2"])
def test_ctrl_c_ends_after_the_batch_and_resumes_in_the_middle_of_the_epoch(
    castings: Path, trained: FitResult, tmp_path: Path, workers: str
) -> None:
    options = ("--workers", workers, "--json", "--log", "tensorboard")
    process = start_process("fit", str(castings), "--runs", str(tmp_path), *TINY, *options)
    wait_for_event(process, "epoch")
    wait_for_event(process, "batch")
    process.send_signal(signal.SIGINT)
    ended = wait_for_event(process, "fit_ended")
    process.communicate()
    assert process.returncode == 130
    assert ended["reason"] == "interrupted"
    stopped = (tmp_path / "latest").resolve()
    for name in ("metrics.json", "predictions-valid.csv", "curves.png", "model.safetensors"):
        assert (stopped / name).exists(), name

    result = invoke("fit", "--resume", str(stopped))
    assert result.exit_code == 0, result.output
    assert_same_run(trained.folder, stopped)
    # The tracker went on without its flag, and changed nothing.
    logged = EventAccumulator(str(stopped / "tensorboard")).Reload().Scalars("epoch/valid_loss")
    assert [(each.step, pytest.approx(each.value)) for each in logged] == [
        (row["epoch"], row["valid_loss"]) for row in Run(stopped).read_history()
    ]


@posix_only
@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(castings: Path, tmp_path: Path) -> None:
    process = start_process("fit", str(castings), "--runs", str(tmp_path), *TINY, "--json")
    wait_for_event(process, "batch")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode != 0
    assert invoke("fit", "--resume", str(tmp_path / "latest")).exit_code == 0


def test_resume_of_a_finished_run_only_reports(castings: Path, tmp_path: Path) -> None:
    done = run_fit(castings, tmp_path, "--epochs", "1")
    before = (done.folder / "model.safetensors").read_bytes()
    result = invoke("fit", "--resume", str(done.folder))
    assert result.exit_code == 0
    assert "is finished" in result.output
    assert (done.folder / "model.safetensors").read_bytes() == before


def test_resume_refuses_photos_that_changed(castings: Path, tmp_path: Path) -> None:
    import shutil

    data = tmp_path / "data"
    shutil.copytree(castings, data)
    done = run_fit(data, tmp_path / "runs", "--epochs", "1")
    photo = next((data / "photos").iterdir())
    other = next(path for path in (data / "photos").iterdir() if path != photo)
    photo.write_bytes(other.read_bytes())
    result = invoke("fit", "--resume", str(done.folder))
    assert result.exit_code == 1
    assert photo.name in result.output + (result.stderr or "")


def test_resume_takes_no_other_settings(trained: FitResult) -> None:
    result = invoke("fit", "--resume", str(trained.folder), "--epochs", "9")
    assert result.exit_code == 2
    assert "--epochs" in result.stderr


@pytest.mark.slow
def test_freeze_then_unfreeze_resumes_in_either_stage(castings: Path, tmp_path: Path) -> None:
    whole = run_fit(castings, tmp_path / "a", "--freeze-epochs", "1", "--optimizer", "sgd")
    for stop_at in (2, 6):  # batches: one in the frozen epoch, one in the first whole one
        runs = tmp_path / f"b{stop_at}"
        with interrupted_after(stop_at):
            result = invoke(
                "fit", str(castings), "--runs", str(runs), *TINY,
                "--freeze-epochs", "1", "--optimizer", "sgd",
            )  # fmt: skip
        assert result.exit_code == 130, result.output
        folder = (runs / "latest").resolve()
        assert invoke("fit", "--resume", str(folder)).exit_code == 0
        assert_same_run(whole.folder, folder)


@pytest.mark.slow
def test_spawned_workers_train_too(castings: Path, trained: FitResult, tmp_path: Path) -> None:
    """Windows and macOS start workers afresh: nothing may rest on memory that they inherit."""
    script = tmp_path / "spawned.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.set_start_method('spawn')\n"
        "    from fastdefect.cli import main\n"
        "    main()\n",
        encoding="utf-8",
    )
    runs = tmp_path / "runs"
    done = subprocess.run(
        [sys.executable, str(script), "fit", str(castings), "--runs", str(runs), *TINY,
         "--epochs", "3", "--workers", "1", "--quiet"],
        capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert_same_run(trained.folder, (runs / "latest").resolve())
