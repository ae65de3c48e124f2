"""Event files, read back with TensorBoard's own reader."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.trackers import opening_of, pictures

from fastdefect.run import RunStatus
from fastdefect.tracking.tensorboard import TensorboardRun
from fastdefect.tracking.tracker import Closing

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def _read(folder: Path) -> Any:
    return accumulator.EventAccumulator(str(folder / "one" / "tensorboard")).Reload()


def _steps(events: Any, tag: str) -> list[tuple[int, float]]:
    return [(each.step, round(each.value, 4)) for each in events.Scalars(tag)]


def test_what_is_logged_is_read_back(tmp_path: Path) -> None:
    run = TensorboardRun(opening_of(tmp_path))
    assert (run.id, run.epochs) == ("tensorboard", 0)
    run.log_epoch(1, {"f1": 0.25})
    run.log_epoch(2, {"f1": 0.5})
    files = pictures(tmp_path / "one")
    run.close(Closing(RunStatus.FINISHED, 2, {"final/valid/f1": 0.5}, files))
    found = _read(tmp_path)
    assert _steps(found, "epoch/f1") == [(1, 0.25), (2, 0.5)]
    assert _steps(found, "final/valid/f1") == [(2, 0.5)]
    (curves,) = found.Images("curves")
    assert (curves.width, curves.height, curves.step) == (6, 4, 2)
    text = found.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| training.epochs | 2 |" in text


def test_a_killed_run_keeps_its_epochs_and_has_none_twice_when_it_is_resumed(
    tmp_path: Path,
) -> None:
    killed = TensorboardRun(opening_of(tmp_path))
    for epoch in (1, 2, 3):  # the third was logged, but not noted
        killed.log_epoch(epoch, {"f1": float(epoch)})
    resumed = TensorboardRun(opening_of(tmp_path, id="tensorboard", epochs=2))
    for epoch in (3, 4):
        resumed.log_epoch(epoch, {"f1": 10.0 * epoch})
    resumed.close(Closing(RunStatus.FINISHED, 4, {}, ()))
    assert _steps(_read(tmp_path), "epoch/f1") == [(1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0)]
    assert _read(tmp_path).Tags()["tensors"] == ["settings/text_summary"]
    killed._writer.close()


def test_the_catalogue_imports_no_tracker() -> None:
    probe = (
        "import sys, fastdefect.tracking.tracked; "
        "print({'mlflow', 'wandb', 'tensorboard', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr
