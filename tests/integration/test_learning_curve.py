"""``learning-curve``: several real trainings inside one run, interrupted and gone on with."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from helpers.cli import TINY_TRAINING, FitResult, invoke
from helpers.compare import assert_same_run
from helpers.interrupts import interrupted_in_the_second_fit

from fastdefect.files import read_csv

OPTIONS = (*TINY_TRAINING, "--epochs", "1", "--augment", "none", "--points", "3", "--repeats", "1")
MEMBERS = ("1-of-4-repeat-1", "1-of-2-repeat-1", "all-repeat-1")


@pytest.fixture(scope="module")
def curve(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """Three trainings of an epoch each."""
    runs = tmp_path_factory.mktemp("curve")
    result = invoke("learning-curve", str(castings), "--runs", str(runs), "--name", "lc", *OPTIONS)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return FitResult(runs / "lc", result.output)


@pytest.mark.slow
def test_a_training_for_each_share_and_what_twice_the_parts_would_bring(curve: FitResult) -> None:
    assert sorted(path.name for path in curve.folder.iterdir() if path.is_dir()) == sorted(MEMBERS)
    content = curve.json("learning_curve.json")
    assert [each["name"] for each in content["trainings"]] == list(MEMBERS)
    for each in content["trainings"]:
        rows = read_csv(curve.folder / each["name"] / "split.csv")
        train = [row for row in rows if row["split"] == "train"]
        assert (each["photos"], each["parts"]) == (len(train), len({row["part"] for row in train}))
        metrics = json.loads((curve.folder / each["name"] / "metrics.json").read_text("utf-8"))
        assert each["error"] == 1 - metrics["valid"]["f1"]
        assert metrics["valid"]["n"] == content["valid"]["photos"]
    assert (curve.folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    for text in (
        "Learning curve: error is 1 - F1",
        "Twice the parts, ",
        "1 in 4",
        "same number of epochs",
    ):
        assert text in curve.output
    assert "Training 3 of 3, all-repeat-1: train " in curve.output
    assert not list(curve.folder.rglob("openings.json"))


@pytest.mark.slow
def test_ctrl_c_in_the_second_training_then_resume(
    castings: Path, curve: FitResult, tmp_path: Path
) -> None:
    with interrupted_in_the_second_fit():
        stopped = invoke(
            "learning-curve", str(castings), "--runs", str(tmp_path), "--name", "lc", *OPTIONS
        )
    run = tmp_path / "lc"
    assert stopped.exit_code == 130, stopped.output
    assert "1 of 3 trainings are done" in stopped.output
    assert f"Resume with: fastdefect learning-curve --resume {run}" in stopped.output
    assert "No law yet" in stopped.output
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["status"] == "interrupted"
    before = {path: path.stat().st_mtime_ns for path in (run / MEMBERS[0]).iterdir()}

    resumed = invoke("learning-curve", "--resume", str(run))
    assert resumed.exit_code == 0, resumed.output + repr(resumed.exception)
    assert "1 of 3 trainings are finished and kept" in resumed.output
    assert {path: path.stat().st_mtime_ns for path in (run / MEMBERS[0]).iterdir()} == before
    for name in MEMBERS:
        assert_same_run(curve.folder / name, run / name)


@pytest.mark.slow
def test_a_finished_curve_only_reports_again(curve: FitResult, tmp_path: Path) -> None:
    run = Path(shutil.copytree(curve.folder, tmp_path / "lc"))
    again = invoke("learning-curve", "--resume", "lc", "--runs", str(tmp_path), "--json")
    assert again.exit_code == 0, again.output + repr(again.exception)
    events = [json.loads(line) for line in again.output.splitlines()]
    assert {event["event"] for event in events} == {"note", "learning-curve"}
    assert "nothing to train" in events[0]["text"]
    old, new = curve.json("learning_curve.json"), events[-1]
    assert new["trainings"] == old["trainings"]
    assert new["twice"] == old["twice"]
    assert Path(new["run"]) == run


@pytest.mark.slow
def test_a_member_is_a_run_to_evaluate_and_the_whole_is_not(curve: FitResult) -> None:
    runs = str(curve.folder.parent)
    listed = invoke("runs", "--runs", runs)
    assert "3 trainings" in listed.output
    refused = invoke("tta-eval", "--runs", runs)
    assert refused.exit_code == 1
    assert "has no single model" in refused.stderr
    opened = invoke("tta-eval", str(curve.folder / MEMBERS[2]), "--device", "cpu")
    assert opened.exit_code == 0, opened.output


@pytest.mark.parametrize(
    "extra", [["--epochs", "3"], ["--points", "3"], ["--name", "x"], ["--repeats", "2"]]
)
def test_resume_takes_no_other_settings(extra: list[str]) -> None:
    result = invoke("learning-curve", "--resume", "any", *extra)
    assert result.exit_code == 2
    assert f"also got {extra[0]}." in result.stderr


def test_no_budget_begins_nothing_and_says_so(castings: Path, tmp_path: Path) -> None:
    result = invoke(
        "learning-curve", str(castings), "--runs", str(tmp_path), *OPTIONS, "--budget", "0"
    )
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert "0 of 3 trainings are done; remaining: 1-of-4-repeat-1" in result.output


def test_folds_train_on_so_many_photos_of_each_class(castings: Path, tmp_path: Path) -> None:
    options = (*TINY_TRAINING, "--epochs", "1", "--augment", "none", "--folds", "2")
    result = invoke(
        "fit", str(castings), "--runs", str(tmp_path), "--photos-per-class", "4", *options
    )
    assert result.exit_code == 0, result.output + repr(result.exception)
    run = (tmp_path / "latest").resolve()
    for fold in ("fold-1", "fold-2"):
        rows = read_csv(run / fold / "split.csv")
        train = Counter(row["label"] for row in rows if row["split"] == "train")
        assert train == {"defect": 4, "good": 4}
    held_out = [row for row in read_csv(run / "folds.csv") if row["fold"]]
    assert len(read_csv(run / "predictions-oof.csv")) == len(held_out)
