"""Runs of Weights & Biases: online only with a login, and how they are resumed."""

import os
from pathlib import Path

import pytest
from helpers.tracker_libraries import Image, Wandb
from helpers.trackers import opening_of, pictures

from fastdefect.run import RunStatus
from fastdefect.tracking.tracker import Closing
from fastdefect.tracking.wandb import WandbRun


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Wandb:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    module = Wandb()
    module.install(monkeypatch)
    return module


@pytest.mark.parametrize(
    ("mode", "has_login", "used"),
    [
        ("online", True, "online"),
        ("online", False, "offline"),
        ("offline", True, "offline"),
        ("disabled", False, "disabled"),
    ],
)
def test_the_network_is_used_only_with_a_login(
    mode: str, has_login: bool, used: str, wandb: Wandb, tmp_path: Path
) -> None:
    wandb.mode, wandb.has_login = mode, has_login
    run = WandbRun(opening_of(tmp_path))
    assert wandb.runs[0].options["mode"] == used
    assert ("wandb sync" in run.where) == (used == "offline")
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"


def test_settings_epochs_results_and_files_are_logged(wandb: Wandb, tmp_path: Path) -> None:
    run = WandbRun(opening_of(tmp_path))
    run.log_epoch(1, {"f1": 0.5})
    files = pictures(tmp_path / "one")
    run.close(Closing(RunStatus.FINISHED, 1, {"final/valid/f1": 0.5}, files))
    (made,) = wandb.runs
    assert made.options["project"] == "fastdefect"
    assert made.options["config"]["training.epochs"] == 2
    assert made.options["step_metric"] == "epoch"
    epoch, plots = made.rows
    assert epoch == {"f1": 0.5, "epoch": 1}
    assert isinstance(plots["plots/curves"], Image)
    assert made.artifacts[0].files == [str(file) for file in files]
    assert made.summary == {"final/valid/f1": 0.5}
    assert made.exit_code == 0


@pytest.mark.parametrize("status", [RunStatus.INTERRUPTED, RunStatus.DIVERGED])
def test_a_training_without_an_end_is_shown_as_failed(
    status: RunStatus, wandb: Wandb, tmp_path: Path
) -> None:
    WandbRun(opening_of(tmp_path)).close(Closing(status, 0, {}, ()))
    assert wandb.runs[0].exit_code == 1
    assert wandb.runs[0].rows == []


def test_a_resumed_run_goes_on_online(wandb: Wandb, tmp_path: Path) -> None:
    wandb.has_login, wandb.server = True, {"epoch": 3}
    run = WandbRun(opening_of(tmp_path, id="abc", epochs=2))
    # The server has one that was not noted.
    assert (run.id, run.epochs) == ("abc", 3)
    assert wandb.runs[0].options["resume"] == "allow"


def test_a_resumed_run_replaces_offline_files_that_may_be_incomplete(
    wandb: Wandb, tmp_path: Path
) -> None:
    resumed = opening_of(tmp_path, id="abc", epochs=2)
    old, other = (resumed.folder / "wandb" / f"offline-run-1-{name}" for name in ("abc", "x-ab"))
    for folder in (old, other):
        folder.mkdir(parents=True)
    assert (WandbRun(resumed).id, WandbRun(resumed).epochs) == ("abc", 0)
    assert (old.exists(), other.exists()) == (False, True)
    assert wandb.runs[0].options["resume"] is None


def test_offline_files_that_were_uploaded_are_kept(wandb: Wandb, tmp_path: Path) -> None:
    resumed = opening_of(tmp_path, id="abc", epochs=2)
    old = resumed.folder / "wandb" / "offline-run-1-abc"
    old.mkdir(parents=True)
    (old / "run-abc.wandb.synced").touch()
    assert WandbRun(resumed).epochs == 2
    assert old.exists()


def test_the_trainings_of_a_series_are_a_group_in_one_folder(wandb: Wandb, tmp_path: Path) -> None:
    folder = tmp_path / "one" / "fold-1"
    run = WandbRun(opening_of(tmp_path, folder=folder, name="one/fold-1", group="one"))
    assert wandb.runs[0].options["group"] == "one"
    assert wandb.runs[0].options["dir"] == str(tmp_path / "one")
    assert str(tmp_path / "one" / "wandb") in run.where
