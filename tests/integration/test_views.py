"""Which views decisions average: chosen on validation, kept with the model, and used."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import TINY_TRAINING, invoke

from fastdefect.evaluation.calibration import fit_temperature
from fastdefect.evaluation.predictions import Predictions, read_predictions
from fastdefect.run import Run

SMALL = "--arch small-cnn --image-size 32 --weight-average 0 --epochs 2".split()


def _fit(data: Path, runs: Path, *options: str) -> tuple[Run, str]:
    done = invoke("fit", str(data), "--runs", str(runs), *TINY_TRAINING, *SMALL, *options)
    assert done.exit_code == 0, done.output + repr(done.exception)
    return Run((runs / "latest").resolve()), done.output


def _valid(run: Run, views: str) -> Predictions:
    return read_predictions(run.predictions_path("valid", views), ("defect", "good"), "good")


@pytest.fixture(scope="module")
def chosen(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str]:
    return _fit(castings, tmp_path_factory.mktemp("views"))


def test_the_lower_calibrated_log_loss_of_validation_decides(chosen: tuple[Run, str]) -> None:
    run, said = chosen
    losses = {}
    for name in ("none", "flips"):
        of = _valid(run, name)
        losses[name] = fit_temperature(of.y_true, of.y_prob).nll_after
        assert run.read_calibration()[name]["nll_after"] == losses[name]
    assert losses["none"] != losses["flips"]
    best = min(losses, key=lambda name: losses[name])
    assert run.read_model_spec()["views"] == best
    assert f"from {losses['none']:.3f} to {losses['flips']:.3f}" in said.replace("\n", " ")


@pytest.mark.parametrize("views", ["flips", "none"])
def test_every_decision_averages_the_run_s_own_views(
    views: str, chosen: tuple[Run, str], tmp_path: Path
) -> None:
    run = Run(Path(shutil.copytree(chosen[0].folder, tmp_path / "copy")))
    run.write_model_spec({**run.read_model_spec(), "views": views})
    for split in ("valid", "test"):
        done = invoke("evaluate", str(run.folder), "--split", split, "--device", "cpu")
        assert done.exit_code == 0, done.output
        assert run.predictions_path(split, views).exists()
    other = {"flips": "none", "none": "flips"}[views]
    assert not run.predictions_path("test", other).exists()
    assert np.abs(_valid(run, "flips").y_prob - _valid(run, "none").y_prob).max() > 1e-4
    done = invoke("threshold", str(run.folder), "--device", "cpu")
    assert done.exit_code == 0, done.output
    stored = run.read_operating_point()
    assert stored is not None
    assert stored["views"] == views


def test_a_model_that_knows_no_flipped_parts_is_not_asked_about_them(
    castings: Path, tmp_path: Path
) -> None:
    run, _ = _fit(castings, tmp_path, "--augment", "none")
    assert run.read_model_spec()["views"] == "none"
    assert set(run.read_calibration()) == {"none"}


def test_what_the_user_says_is_kept(castings: Path, tmp_path: Path) -> None:
    run, _ = _fit(castings, tmp_path, "--views", "mirror", "--epochs", "1")
    assert run.read_model_spec()["views"] == "mirror"
    refused = invoke("fit", str(castings), "--views", "random:3")
    assert refused.exit_code == 2
