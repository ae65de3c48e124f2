"""``fit --final``: measured by networks that never trained on the part, shipped with all parts."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import TINY, FitResult, invoke, run_fit
from helpers.interrupts import interrupted_in_the_second_fit
from safetensors.numpy import load_file

from fastdefect.evaluation.predictions import Predictions, read_predictions
from fastdefect.files import read_csv
from fastdefect.jobs import final
from fastdefect.run import Run

# Networks whose answers differ from photo to photo after two epochs.
SMALL = "--arch small-cnn --image-size 32 --weight-average 0 --epochs 2 --folds 2".split()
AUTO = (*SMALL[: SMALL.index("--folds")], "--final", "auto")
SAME = (
    "model.safetensors model.json metrics.json predictions-valid.csv predictions-train.csv "
    "split.csv folds.csv calibration.json background_swap.json"
).split()
FOLDS = ("fold-1", "fold-2")


@pytest.fixture(scope="module")
def mean(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """The mean of two folds' networks; tests that write to it take a copy.

    By what ``auto`` makes of so few photos, but with two folds.
    """
    folder = tmp_path_factory.mktemp("mean")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(final, "FOLDS", 2)
        return run_fit(castings, folder, *AUTO, "--name", "f")


@pytest.fixture(scope="module")
def refitted(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A network trained on all photos, judged by the same two."""
    folder = tmp_path_factory.mktemp("refitted")
    return run_fit(castings, folder, *SMALL, "--final", "refit", "--name", "r")


@pytest.fixture
def copy(mean: FitResult, tmp_path: Path) -> Path:
    return Path(shutil.copytree(mean.folder, tmp_path / "runs" / "f"))


def _read(folder: Path, split: str = "valid", views: str = "none") -> Predictions:
    path = Run(folder).predictions_path(split, views)
    return read_predictions(path, ("defect", "good"), ("good",))


def _by_name(predictions: Predictions) -> dict[str, float]:
    return dict(zip(predictions.names, predictions.y_prob[:, 0], strict=True))


def _sides(folder: Path) -> dict[str, set[str]]:
    rows = read_csv(folder / "split.csv")
    return {
        side: {row["path"] for row in rows if row["split"] == side}
        for side in ("train", "valid", "test")
    }


def test_every_photo_is_judged_by_the_network_that_never_saw_its_part(mean: FitResult) -> None:
    judged, test = _by_name(_read(mean.folder)), _sides(mean.folder)["test"]
    folds = [_sides(mean.folder / name) for name in FOLDS]
    assert folds[0]["train"] == folds[1]["valid"]
    assert folds[1]["train"] == folds[0]["valid"]
    assert set(judged) == folds[0]["valid"] | folds[1]["valid"]
    assert test
    assert not set(judged) & test
    parts = {row["path"]: row["part"] for row in read_csv(mean.folder / "split.csv")}
    for name, sides in zip(FOLDS, folds, strict=True):
        assert not {parts[p] for p in sides["train"]} & {parts[p] for p in sides["valid"]}
        for path, p in _by_name(_read(mean.folder / name)).items():
            assert judged[path] == p
    # The mean of those that learned from a photo, here of one.
    known = _by_name(_read(mean.folder, "train"))
    assert all(known[p] == q for p, q in _by_name(_read(mean.folder / FOLDS[0], "train")).items())
    metrics = mean.json("metrics.json")["valid"]
    assert metrics["auc"] == _read(mean.folder).metrics().auc
    assert metrics["n"] == len(judged)


def test_the_last_epoch_is_kept_and_nothing_is_chosen(mean: FitResult) -> None:
    for name in FOLDS:
        config = Run(mean.folder / name).read_config().training
        assert (config.keep, config.patience, config.final) == ("last", 0, "none")
        assert Run(mean.folder / name).read_state()["best_epoch"] == 2


@pytest.mark.slow
def test_what_ships_is_the_mean_or_a_network_of_its_own(
    mean: FitResult, refitted: FitResult, tmp_path: Path
) -> None:
    assert mean.json("model.json")["members"] == 2
    assert refitted.json("model.json")["members"] == 1
    own = load_file(refitted.folder / "all" / "model.safetensors")
    shipped = load_file(refitted.folder / "model.safetensors")
    assert all(np.array_equal(own[name], shipped[name]) for name in own)
    sides = _sides(refitted.folder / "all")
    assert sides["train"] | sides["valid"] == _sides(refitted.folder)["valid"]
    answers = []
    for run in (mean.folder, *(mean.folder / name for name in FOLDS)):
        copied = Path(shutil.copytree(run, tmp_path / run.name))
        done = invoke("evaluate", str(copied), "--split", "test", "--device", "cpu")
        assert done.exit_code == 0, done.output
        answers.append(_read(copied, "test").y_prob)
    np.testing.assert_allclose(answers[0], (answers[1] + answers[2]) / 2, atol=1e-6)
    assert np.abs(answers[1] - answers[2]).max() > 1e-3  # else this would prove nothing


@pytest.mark.slow
def test_both_are_judged_by_the_same_networks(mean: FitResult, refitted: FitResult) -> None:
    for name in ("predictions-valid.csv", "calibration.json", "split.csv"):
        assert (mean.folder / name).read_bytes() == (refitted.folder / name).read_bytes(), name


@pytest.mark.parametrize("run", ["mean", pytest.param("refitted", marks=pytest.mark.slow)])
def test_asked_again_each_photo_gets_the_same_answer(
    run: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    made: FitResult = request.getfixturevalue(run)
    copied = Path(shutil.copytree(made.folder, tmp_path / "again"))
    before = _read(copied)
    Run(copied).predictions_path("valid").unlink()
    done = invoke("evaluate", str(copied), "--device", "cpu")
    assert done.exit_code == 0, done.output + repr(done.exception)
    after = _read(copied)
    assert after.names == before.names
    np.testing.assert_allclose(after.y_prob, before.y_prob, atol=1e-6)


@pytest.mark.slow
def test_photos_are_explained_by_the_network_that_judged_them(copy: Path) -> None:
    """Two commands, by the stored folds and by the photos': both have the same evidence."""
    for command in (["explain", str(copy), "--show", "2"], ["evaluate", str(copy), "--attention"]):
        done = invoke(*command, "--device", "cpu")
        assert done.exit_code == 0, done.output + repr(done.exception)
    explained = json.loads((copy / "explain-valid" / "explain.json").read_text(encoding="utf-8"))
    measured = Run(copy).read("evaluation-valid.json")["attention"]
    assert measured.pop("method") == explained["method"]
    assert measured == explained["attention"]
    assert measured["photos"] + measured["unclear"] > 0


@pytest.mark.parametrize(
    ("command", "written"),
    [
        (("tta-eval", "--views", "flips"), "predictions-valid-flips.csv"),
        (("threshold",), "operating_point.json"),
        (("stress", "--only", "noise"), "stress-valid.json"),
        (("label-check",), "label-check.csv"),
        (("gate", "--min", "f1=0"), ""),
    ],
)
def test_every_command_takes_it(command: tuple[str, ...], written: str, copy: Path) -> None:
    name, *options = command
    done = invoke(name, str(copy), *options, "--device", "cpu")
    assert done.exit_code == 0, done.output + repr(done.exception)
    assert (copy / written).exists()
    assert "can be checked" not in done.output


def test_stress_asks_the_network_that_never_saw_the_part(copy: Path) -> None:
    """Undisturbed, as many are wrong as the predictions say."""
    done = invoke("stress", str(copy), "--only", "gamma", "--device", "cpu")
    assert done.exit_code == 0, done.output
    stressed = json.loads((copy / "stress-valid.json").read_text("utf-8"))
    metrics = json.loads((copy / "metrics.json").read_text("utf-8"))["valid"]
    assert stressed["undisturbed"]["escapes"] == metrics["escapes"]
    assert stressed["undisturbed"]["overkills"] == metrics["overkills"]


def test_what_it_cannot_do_is_said(copy: Path, castings: Path, tmp_path: Path) -> None:
    refused = invoke("tta-eval", str(copy), "--views", "random:2", "--device", "cpu")
    assert refused.exit_code == 2
    assert "Choose fixed views" in refused.stderr
    shutil.rmtree(copy / "fold-2")
    lost = invoke("evaluate", str(copy), "--device", "cpu")
    assert lost.exit_code == 1
    assert "Expected the network trained without fold 2" in lost.stderr
    for flags, said in (
        (("--members", "2"), "--final folds and --members 2 exclude each other"),
        (("--photos-per-class", "3"), "--final folds and --photos-per-class 3 exclude each"),
    ):
        runs = str(tmp_path / "none")
        made = invoke("fit", str(castings), "--runs", runs, "--final", "folds", *flags)
        assert made.exit_code == 2, made.output
        assert said in made.stderr
        assert not Path(runs).exists()


def test_few_photos_are_all_learned_from_and_the_run_says_so(mean: FitResult) -> None:
    said = " ".join(mean.output.split())
    assert (
        ": 2 trainings, so that the model learns from all of them; --final none trains once, "
        "in about 1/2" in said
    )
    assert 'final = "folds"' in (mean.folder / "config.toml").read_text(encoding="utf-8")


def test_with_too_few_parts_to_deal_out_there_is_one_training(
    castings: Path, tmp_path: Path
) -> None:
    # Five folds want more parts of a class than these seven or eight leave outside the test.
    own = ("--test", "0.4", "--name", "one")
    done = run_fit(castings, tmp_path, *AUTO, *own)
    assert "One training, without folds:" in done.output
    assert Run(done.folder).read_kind() == "training"


@pytest.mark.slow
def test_ctrl_c_in_the_second_fold_then_resume(
    castings: Path, mean: FitResult, tmp_path: Path
) -> None:
    own = (*TINY, *SMALL, "--final", "folds", "--name", "f", "--json")
    with interrupted_in_the_second_fit():
        stopped = invoke("fit", str(castings), "--runs", str(tmp_path), *own)
    run = tmp_path / "f"
    assert stopped.exit_code == 130, stopped.output + repr(stopped.exception)
    told = json.loads(stopped.output.splitlines()[-1])
    assert (told["reason"], told["left"], told["metrics"]) == ("interrupted", ["fold-2"], {})
    assert not (run / "model.safetensors").exists()
    resumed = invoke("fit", "--resume", str(run))
    assert resumed.exit_code == 0, resumed.output + repr(resumed.exception)
    assert "all held out" in resumed.output
    for name in SAME:
        assert (run / name).read_bytes() == (mean.folder / name).read_bytes(), name
    again = invoke("fit", "--resume", str(run))
    assert again.exit_code == 0, again.output
    assert "nothing to train, reporting again" in again.output


def test_its_report_is_of_the_photos_that_no_network_knew(mean: FitResult) -> None:
    page = (mean.folder / "report.html").read_text(encoding="utf-8")
    assert "decided by the network that never trained on its part" in page
    assert "Report: " in mean.output
