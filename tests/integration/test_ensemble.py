"""``fit --members``: two networks, their average, and the commands that take it as any run."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import TINY, FitResult, invoke, run_fit
from helpers.compare import assert_same_run, history_without_time
from helpers.interrupts import interrupted_in_the_second_fit
from safetensors.numpy import load_file

from fastdefect.errors import DataError, DivergedError
from fastdefect.evaluation.predictions import Predictions, read_predictions
from fastdefect.files import read_csv
from fastdefect.run import Run, RunStatus

# Networks whose answers differ from photo to photo after two epochs.
SMALL = "--arch small-cnn --image-size 32 --weight-average 0 --epochs 2".split()
OPTIONS = (*SMALL, "--members", "2", "--name", "two")
SAME = (
    "model.safetensors model.json metrics.json predictions-valid.csv predictions-train.csv "
    "split.csv calibration.json background_swap.json config.toml"
).split()


@pytest.fixture(scope="module")
def averaged(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """Two networks of two epochs each; tests that write to it take a copy."""
    return run_fit(castings, tmp_path_factory.mktemp("averaged"), *OPTIONS)


@pytest.fixture(scope="module")
def single(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """One network with the seed of the first."""
    return run_fit(castings, tmp_path_factory.mktemp("single"), *SMALL, "--name", "one")


@pytest.fixture
def copy(averaged: FitResult, tmp_path: Path) -> Path:
    """The ensemble, to be written to."""
    return Path(shutil.copytree(averaged.folder, tmp_path / "runs" / "two"))


def _valid(folder: Path, views: str = "none") -> Predictions:
    path = Run(folder).predictions_path("valid", views)
    return read_predictions(path, ("defect", "good"), ("good",))


def _assert_same_ensemble(one: Path, other: Path) -> None:
    for name in SAME:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    for member in ("member-1", "member-2"):
        assert_same_run(one / member, other / member)


def test_the_run_holds_the_mean_of_its_networks(averaged: FitResult) -> None:
    whole = _valid(averaged.folder)
    first, second = (_valid(averaged.folder / f"member-{n}") for n in (1, 2))
    assert whole.names == first.names == second.names
    assert np.abs(first.y_prob - second.y_prob).max() > 1e-3  # else this would prove nothing
    np.testing.assert_allclose(whole.y_prob, (first.y_prob + second.y_prob) / 2, atol=1e-6)
    assert averaged.json("metrics.json")["valid"]["auc"] == whole.metrics().auc
    model = averaged.json("model.json")
    own = json.loads((averaged.folder / "member-1" / "model.json").read_text(encoding="utf-8"))
    assert (model["members"], own["members"]) == (2, 1)
    assert model["parameters"] == 2 * own["parameters"]


def test_the_first_network_is_that_of_a_single_training(
    averaged: FitResult, single: FitResult
) -> None:
    for name in ("model.safetensors", "predictions-valid.csv", "split.csv"):
        member = (averaged.folder / "member-1" / name).read_bytes()
        assert member == (single.folder / name).read_bytes(), name
    assert history_without_time(averaged.folder / "member-1") == history_without_time(single.folder)


def test_seeds_differ_and_the_split_does_not(averaged: FitResult) -> None:
    members = [Run(averaged.folder / f"member-{n}") for n in (1, 2)]
    assert [member.read_config().training.seed for member in members] == [7, 8]
    split = read_csv(averaged.folder / "split.csv")
    assert all(read_csv(member.path("split.csv")) == split for member in members)
    first, second = (load_file(member.path("model.safetensors")) for member in members)
    assert any(first[name].tobytes() != second[name].tobytes() for name in first)


def test_it_is_a_whole_run_and_no_network_keeps_its_last_state(averaged: FitResult) -> None:
    for name in ("findings.json", "environment.json", "confusion.png", "log.txt"):
        assert (averaged.folder / name).stat().st_size > 0, name
    assert averaged.json("run.json")["kind"] == "ensemble"
    assert averaged.json("run.json")["status"] == "finished"
    assert not list(averaged.folder.rglob("checkpoint.safetensors"))
    assert not list(averaged.folder.rglob("openings.json"))
    assert not list(averaged.folder.rglob("predictions-test.csv"))


def test_the_screen_says_what_averaging_gained(averaged: FitResult) -> None:
    for text in (
        "Training 2 of 2, member-2: train ",
        "Gain of the ensemble, validation",
        "member-1, seed 7",
        "member-2, seed 8",
        "ensemble",
        "test photos are sealed",
    ):
        assert text in averaged.output, text
    assert averaged.output.count("A plain split would have leaked") == 1


@pytest.mark.parametrize(
    ("command", "written"),
    [
        (("evaluate",), "evaluation-valid.json"),
        (("tta-eval", "--views", "flips"), "predictions-valid-flips.csv"),
        (("tta-eval", "--views", "random:2"), "predictions-valid-random-2.csv"),
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


def test_random_views_are_averaged_over_views_and_networks(copy: Path) -> None:
    """With the same draws for all: the mean of the networks' means over views."""
    second = Run(copy / "member-2").path("config.toml")
    second.write_text(second.read_text("utf-8").replace("seed = 8", "seed = 7"), "utf-8")
    runs = (copy, copy / "member-1", copy / "member-2")
    for run in runs:
        done = invoke("tta-eval", str(run), "--views", "random:2", "--device", "cpu")
        assert done.exit_code == 0, done.output
    whole, one, two = (_valid(run, "random:2").y_prob for run in runs)
    assert np.abs(whole - _valid(copy).y_prob).max() > 1e-4  # the draws changed something
    np.testing.assert_allclose(whole, (one + two) / 2, atol=1e-6)


def test_it_is_listed_and_compared_with_a_single_run(
    copy: Path, single: FitResult, tmp_path: Path
) -> None:
    listed = invoke("runs", "--runs", str(copy.parent))
    assert "2 trainings" in listed.output
    assert f"{_valid(copy).metrics().auc:.4f}" in listed.output
    out = str(tmp_path / "compared")
    done = invoke("compare", str(single.folder), str(copy), "--device", "cpu", "--out", out)
    assert done.exit_code == 0, done.output + repr(done.exception)
    one, two = json.loads((tmp_path / "compared" / "compare.json").read_text("utf-8"))["runs"]
    assert (one["epochs"], two["epochs"]) == (2, 4)
    assert two["parameters"] == 2 * one["parameters"]


def test_the_sealed_test_is_one_for_all(copy: Path) -> None:
    for number, run in enumerate((copy / "member-2", copy), start=1):
        done = invoke("evaluate", str(run), "--split", "test", "--device", "cpu")
        assert done.exit_code == 0, done.output
        assert len(Run(copy).read_openings()) == number


@pytest.mark.slow
def test_ctrl_c_in_the_second_network_then_resume(
    castings: Path, averaged: FitResult, tmp_path: Path
) -> None:
    with interrupted_in_the_second_fit():
        stopped = invoke("fit", str(castings), "--runs", str(tmp_path), *TINY, *OPTIONS, "--json")
    run = tmp_path / "two"
    assert stopped.exit_code == 130, stopped.output + repr(stopped.exception)
    told = json.loads(stopped.output.splitlines()[-1])
    assert (told["reason"], told["left"], told["metrics"]) == ("interrupted", ["member-2"], {})
    assert not (run / "model.safetensors").exists()
    refused = invoke("evaluate", str(run), "--device", "cpu")
    assert refused.exit_code == 1
    assert "not all of its networks are trained" in refused.stderr
    assert f"fastdefect fit --resume {run}" in refused.stderr
    first = (run / "member-1" / "model.safetensors").stat().st_mtime_ns

    resumed = invoke("fit", "--resume", str(run), "--json")
    assert resumed.exit_code == 0, resumed.output + repr(resumed.exception)
    assert (run / "member-1" / "model.safetensors").stat().st_mtime_ns == first
    told = json.loads(resumed.output.splitlines()[-1])
    assert [member["seed"] for member in told["members"]] == [7, 8]
    metrics = Run(run / "member-2").read("metrics.json")["valid"]
    assert told["members"][1]["valid"] == {key: metrics[key] for key in ("f1", "auc", "accuracy")}
    _assert_same_ensemble(averaged.folder, run)


@contextmanager
def _failing_at_the_end() -> Iterator[None]:
    from fastdefect.jobs import ensemble

    def fail(*args: object) -> None:
        raise DataError("the disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble, "measure_model", fail)
        yield


def test_what_ends_it_between_training_and_report_is_mended(
    averaged: FitResult, copy: Path
) -> None:
    for path in ("model.safetensors", "metrics.json", "calibration.json", "background_swap.json"):
        (copy / path).unlink()
    with _failing_at_the_end():
        failed = invoke("fit", "--resume", str(copy))
    assert failed.exit_code == 1
    assert Run(copy).read_state()["status"] == "failed"
    resumed = invoke("fit", "--resume", str(copy))
    assert resumed.exit_code == 0, resumed.output
    assert Run(copy).read_state()["status"] == "finished"
    _assert_same_ensemble(averaged.folder, copy)


def test_a_finished_one_only_reports_and_keeps_what_was_chosen(copy: Path) -> None:
    chosen = invoke("threshold", str(copy), "--device", "cpu")
    assert chosen.exit_code == 0, chosen.output
    for member in ("member-1", "member-2"):  # the run's own model holds their weights
        (copy / member / "model.safetensors").unlink()
    model = (copy / "model.safetensors").stat().st_mtime_ns
    again = invoke("fit", "--resume", str(copy))
    assert again.exit_code == 0, again.output
    assert "nothing to train, reporting again" in again.output
    assert (copy / "model.safetensors").stat().st_mtime_ns == model
    assert (copy / "operating_point.json").exists()


def test_a_network_trained_anew_makes_a_new_model(averaged: FitResult, copy: Path) -> None:
    Run(copy).write("operating_point.json", {"threshold": 0.3})
    shutil.rmtree(copy / "member-2")
    again = invoke("fit", "--resume", str(copy))
    assert again.exit_code == 0, again.output
    assert "Deleted, as they belong to the older model: operating_point.json" in again.output
    _assert_same_ensemble(averaged.folder, copy)

    shutil.rmtree(copy / "member-2")
    (copy / "member-1" / "model.safetensors").unlink()
    lost = invoke("fit", "--resume", str(copy))
    assert lost.exit_code == 1
    assert "Expected the weights of member-1" in lost.stderr


@contextmanager
def _diverging(*names: str) -> Iterator[None]:
    from fastdefect.jobs.series import members

    begin = members.begin

    def diverge(run: Run, *args: Any) -> Any:
        if run.name not in names:
            return begin(run, *args)
        run.update_state(status=RunStatus.DIVERGED)
        raise DivergedError("no numbers any more")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "begin", diverge)
        yield


@pytest.mark.slow
def test_one_that_diverges_is_left_out(castings: Path, averaged: FitResult, tmp_path: Path) -> None:
    with _diverging("member-1"):
        done = invoke("fit", str(castings), "--runs", str(tmp_path), *TINY, *OPTIONS)
    assert done.exit_code == 0, done.output + repr(done.exception)
    assert "member-1 diverged: the model is the average of 1 instead of 2 networks" in done.output
    run = tmp_path / "two"
    assert Run(run).read("model.json")["members"] == 1
    left = averaged.folder / "member-2"
    np.testing.assert_array_equal(_valid(run).y_prob, _valid(left).y_prob)
    measured = invoke("evaluate", str(run), "--device", "cpu")
    assert measured.exit_code == 0, measured.output


def test_all_that_diverge_are_an_error(castings: Path, tmp_path: Path) -> None:
    with _diverging("member-1", "member-2"):
        done = invoke("fit", str(castings), "--runs", str(tmp_path), *TINY, *OPTIONS)
    assert done.exit_code == 1
    assert "member-1, member-2 diverged" in done.stderr
    assert not (tmp_path / "two" / "model.safetensors").exists()


def test_its_report_has_each_network_and_their_average(averaged: FitResult) -> None:
    page = (averaged.folder / "report.html").read_text(encoding="utf-8")
    for folder in (averaged.folder / "member-1", averaged.folder / "member-2", averaged.folder):
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        assert f"<td>{metrics['valid']['f1']:.4f}</td>" in page
    assert "Report: " in averaged.output
