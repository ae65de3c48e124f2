"""``fit --tune head``: a run like any other, and the commands that take it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import TINY, TINY_TRAINING, FitResult, invoke, run_fit
from helpers.compare import assert_same_run
from safetensors.torch import load_file

from fastdefect.errors import DataError
from fastdefect.evaluation.predictions import Predictions, read_predictions
from fastdefect.files import read_csv
from fastdefect.run import Run

OPTIONS = ("--tune", "head", "--name", "head")


@pytest.fixture(scope="module")
def headed(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A head on the frozen features of random weights; tests that write to it take a copy."""
    return run_fit(castings, tmp_path_factory.mktemp("headed"), *OPTIONS)


@pytest.fixture
def copy(headed: FitResult, tmp_path: Path) -> Path:
    return Path(shutil.copytree(headed.folder, tmp_path / "runs" / "head"))


def _valid(folder: Path) -> Predictions:
    return read_predictions(Run(folder).predictions_path("valid"), ("defect", "good"), ("good",))


def test_it_is_a_whole_run_of_one_epoch(headed: FitResult) -> None:
    assert headed.json("run.json")["status"] == "finished"
    assert headed.json("model.json")["head"] == "stages"
    (row,) = read_csv(headed.folder / "history.csv")
    metrics = headed.json("metrics.json")
    for side in ("train", "valid"):
        assert float(row[f"{side}_accuracy"]) == pytest.approx(metrics[side]["accuracy"])
    for name in ("f1", "auc", "escape_rate"):
        assert float(row[name]) == pytest.approx(metrics["valid"][name], abs=1e-6), name
    for text in ("reaches AUC", "over folds of whole parts", "stays frozen", "--epochs"):
        assert text in headed.output, text
    assert "photos an epoch" not in headed.output


def test_the_backbone_is_as_it_was(headed: FitResult) -> None:
    import torch

    from fastdefect.training.backbones import build_backbone

    torch.manual_seed(7)
    backbone, _ = build_backbone("small-cnn", "none", 64)
    kept = load_file(headed.folder / "model.safetensors")
    own = {name.split("body.", 1)[1]: value for name, value in kept.items() if "body." in name}
    expected = backbone.body.state_dict()
    assert own.keys() == expected.keys()
    assert all(torch.equal(own[name], expected[name]) for name in own)


def test_the_same_twice_with_and_without_what_was_kept(
    castings: Path, headed: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = run_fit(castings, tmp_path / "a", *OPTIONS)
    assert "photos come from" in known.output
    monkeypatch.setenv("FASTDEFECT_CACHE", str(tmp_path / "fresh"))
    anew = run_fit(castings, tmp_path / "b", *OPTIONS)
    assert "photos come from" not in anew.output
    for run in (known, anew):
        assert_same_run(headed.folder, run.folder)


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    castings: Path, headed: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("FASTDEFECT_CACHE", str(tmp_path / "file"))
    done = run_fit(castings, tmp_path / "runs", *OPTIONS)
    assert "can't be written" in done.output
    assert_same_run(headed.folder, done.folder)


@pytest.mark.parametrize(
    ("command", "written"),
    [
        (("evaluate",), "evaluation-valid.json"),
        (("tta-eval", "--views", "flips"), "predictions-valid-flips.csv"),
        (("threshold",), "operating_point.json"),
        (("stress", "--only", "noise"), "stress-valid.json"),
        (("label-check",), "label-check.csv"),
        (("gate", "--min", "f1=0"), ""),
    ],
)
def test_every_command_takes_it(command: tuple[str, ...], written: str, copy: Path) -> None:
    before = _valid(copy).y_prob
    name, *options = command
    done = invoke(name, str(copy), *options, "--device", "cpu")
    assert done.exit_code == 0, done.output + repr(done.exception)
    assert (copy / written).exists()
    np.testing.assert_allclose(_valid(copy).y_prob, before, atol=1e-6)


def test_it_is_compared_with_a_training(copy: Path, trained: FitResult, tmp_path: Path) -> None:
    out = tmp_path / "compared"
    done = invoke("compare", str(trained.folder), str(copy), "--device", "cpu", "--out", str(out))
    assert done.exit_code == 0, done.output + repr(done.exception)
    runs = json.loads((out / "compare.json").read_text("utf-8"))["runs"]
    assert [run["epochs"] for run in runs] == [3, 1]


def test_a_finished_one_only_reports(copy: Path) -> None:
    model = (copy / "model.safetensors").stat().st_mtime_ns
    again = invoke("fit", "--resume", str(copy))
    assert again.exit_code == 0, again.output
    assert "nothing to train, reporting again" in again.output
    assert (copy / "model.safetensors").stat().st_mtime_ns == model


@contextmanager
def _ending(where: str, do: Any) -> Iterator[None]:
    from fastdefect.training import fit_head, once

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_head if hasattr(fit_head, where) else once, where, do)
        yield


def _fail(*args: object, **kwargs: object) -> None:
    raise DataError("the disk is full")


@pytest.mark.parametrize("where", ["fill_head", "save_model"])
def test_what_ended_in_the_middle_is_done_again(
    where: str, castings: Path, headed: FitResult, tmp_path: Path
) -> None:
    with _ending(where, _fail):
        failed = invoke("fit", str(castings), "--runs", str(tmp_path), *TINY, *OPTIONS)
    assert failed.exit_code == 1, failed.output
    assert not (tmp_path / "head" / "model.safetensors").exists()
    resumed = invoke("fit", "--resume", str(tmp_path / "head"))
    assert resumed.exit_code == 0, resumed.output + repr(resumed.exception)
    assert_same_run(headed.folder, tmp_path / "head")


def test_ctrl_c_while_features_are_computed_then_resume(
    castings: Path, headed: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from fastdefect.training.features import FrozenBackbone

    features = FrozenBackbone.features

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return features(*args, **kwargs)

    monkeypatch.setenv("FASTDEFECT_CACHE", str(tmp_path / "cache"))
    with monkeypatch.context() as patch:
        patch.setattr(FrozenBackbone, "features", interrupted)
        stopped = invoke("fit", str(castings), "--runs", str(tmp_path), *TINY, *OPTIONS)
    assert stopped.exit_code == 130, stopped.output + repr(stopped.exception)
    assert Run(tmp_path / "head").read_state()["status"] == "interrupted"
    resumed = invoke("fit", "--resume", str(tmp_path / "head"))
    assert resumed.exit_code == 0, resumed.output + repr(resumed.exception)
    assert_same_run(headed.folder, tmp_path / "head")


@pytest.mark.slow
def test_a_learning_curve_and_folds_take_it(castings: Path, tmp_path: Path) -> None:
    options = (str(castings), "--runs", str(tmp_path), *TINY_TRAINING, "--tune", "head")
    curve = invoke("learning-curve", *options, "--points", "3", "--repeats", "1")
    assert curve.exit_code == 0, curve.output + repr(curve.exception)
    folds = invoke("fit", *options, "--folds", "2")
    assert folds.exit_code == 0, folds.output + repr(folds.exception)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("fit", "--head", "mlp"), "--head is mlp"),
        (("fit", "--recipe", "full"), "--recipe full"),
        (("fit", "--members", "2"), "all networks would be the same"),
        (("ablate",), "trains the whole network"),
        (("quick-test",), "trains the whole network"),
        (("tune",), "trains the whole network"),
        (("lr-find",), "trains the whole network"),
    ],
)
def test_where_it_makes_no_sense_it_is_refused(
    command: tuple[str, ...], message: str, castings: Path, tmp_path: Path
) -> None:
    name, *options = command
    place = () if name == "lr-find" else ("--runs", str(tmp_path))
    done = invoke(name, str(castings), *place, *TINY_TRAINING, *options, "--tune", "head")
    assert done.exit_code == 2, done.output + repr(done.exception)
    assert message in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())
