"""Which views decisions average: chosen on validation, kept with the model, and used."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import TINY_TRAINING, invoke

from fastdefect.config_resolve import resolve
from fastdefect.evaluation.decisions.calibration import fit_temperature
from fastdefect.evaluation.predictions import Predictions, read_predictions
from fastdefect.events import Event, Note
from fastdefect.jobs.training.views import settle_views
from fastdefect.run import Run
from fastdefect.run_registry import create_run

SMALL = "--arch small-cnn --image-size 32 --weight-average 0 --epochs 2".split()


def _fit(data: Path, runs: Path, *options: str) -> tuple[Run, str]:
    done = invoke("fit", str(data), "--runs", str(runs), *TINY_TRAINING, *SMALL, *options)
    assert done.exit_code == 0, done.output + repr(done.exception)
    return Run((runs / "latest").resolve()), done.output


def _valid(run: Run, views: str) -> Predictions:
    return read_predictions(run.predictions_path("valid", views), ("defect", "good"), ("good",))


@pytest.fixture(scope="module")
def chosen(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str]:
    return _fit(castings, tmp_path_factory.mktemp("views"))


def test_decisions_average_flips_and_both_results_of_validation_are_reported(
    chosen: tuple[Run, str],
) -> None:
    run, said = chosen
    losses, areas = {}, {}
    for name in ("none", "flips"):
        of = _valid(run, name)
        areas[name] = of.metrics().auc
        losses[name] = fit_temperature(of.y_true, of.y_prob).nll_after
        assert run.read("calibration.json")[name]["nll_after"] == losses[name]
    assert losses["none"] != losses["flips"]
    assert run.read("model.json")["views"] == "flips"
    text = " ".join(said.split())
    for of in (areas, losses):
        assert f"from {of['none']:.3f} to {of['flips']:.3f}" in text
    assert "valid-flips" in run.read("metrics.json")


def test_views_that_are_asked_for_decide_and_are_shown(castings: Path, tmp_path: Path) -> None:
    run, said = _fit(castings, tmp_path, "--views", "mirror")
    assert run.read("model.json")["views"] == "mirror"
    assert run.read("metrics.json")["valid-mirror"]["auc"] == _valid(run, "mirror").metrics().auc
    assert "valid-mirror: with the mean over several views" in " ".join(said.split())
    assert set(run.read("calibration.json")) == {"none", "mirror"}
    refused = invoke("fit", str(castings), "--views", "random:3")
    assert refused.exit_code == 2


def _said(sure: float, wrong: int, per_class: int) -> Predictions:
    """``per_class`` photos of each class; ``wrong`` defects rank below all good ones."""
    y_true = np.repeat([0, 1], per_class)
    p = np.where(y_true == 0, sure, 1 - sure) + np.arange(2 * per_class) * 1e-4
    p[:wrong] = 0.01 + 1e-5 * np.arange(wrong)
    y_prob = np.stack([p, 1 - p], axis=1)
    names = tuple(map(str, range(2 * per_class)))
    return Predictions(names, ("defect", "good"), ("good",), y_true, y_prob)


@pytest.mark.parametrize(
    ("per_class", "per_part", "wrong", "views"),
    [
        pytest.param(40, 1, (8, 0), "flips", id="better"),
        pytest.param(40, 1, (0, 0), "flips", id="equal"),
        pytest.param(40, 1, (0, 8), "none", id="worse"),
        pytest.param(40, 1, (0, 2), "flips", id="worse in too few parts to be evidence"),
        pytest.param(40, 10, (0, 20), "flips", id="worse, with 8 parts"),
    ],
)
def test_flips_are_averaged_unless_validation_shows_that_they_are_worse(
    per_class: int, per_part: int, wrong: tuple[int, int], views: str, tmp_path: Path
) -> None:
    run = create_run(tmp_path, "x", resolve({}), "test")
    run.write("model.json", {})
    events: list[Event] = []
    plain, flipped = (_said(0.9, each, per_class) for each in wrong)
    parts = [str(photo // per_part) for photo in range(2 * per_class)]
    found = settle_views(run, resolve({}), plain, parts, lambda views: flipped, events.append)
    assert found.views == run.read("model.json")["views"] == views
    expected = flipped if views == "flips" else plain
    assert np.array_equal(found.valid.y_prob, expected.y_prob)
    said = {
        "flips": "decisions average these views. To override: --views none, which is four times as "
        "fast.",
        "none": "decisions use the photo alone. To override: --views flips.",
    }
    (note,) = events
    assert isinstance(note, Note)
    assert note.text.endswith(said[views])
    assert (", a significant loss" in note.text) == (views == "none")


@pytest.mark.parametrize("views", ["flips", "none"])
def test_every_decision_averages_the_run_s_own_views(
    views: str, chosen: tuple[Run, str], tmp_path: Path
) -> None:
    run = Run(Path(shutil.copytree(chosen[0].folder, tmp_path / "copy")))
    run.write("model.json", {**run.read("model.json"), "views": views})
    for split in ("valid", "test"):
        done = invoke("evaluate", str(run.folder), "--split", split, "--device", "cpu")
        assert done.exit_code == 0, done.output
        assert run.predictions_path(split, views).exists()
    other = {"flips": "none", "none": "flips"}[views]
    assert not run.predictions_path("test", other).exists()
    assert np.abs(_valid(run, "flips").y_prob - _valid(run, "none").y_prob).max() > 1e-4
    done = invoke("threshold", str(run.folder), "--device", "cpu")
    assert done.exit_code == 0, done.output
    stored = run.read("operating_point.json")
    assert stored is not None
    assert stored["views"] == views


def test_views_are_not_used_for_a_model_without_them(castings: Path, tmp_path: Path) -> None:
    run, _ = _fit(castings, tmp_path, "--augment", "none")
    assert run.read("model.json")["views"] == "none"
    assert set(run.read("calibration.json")) == {"none"}
