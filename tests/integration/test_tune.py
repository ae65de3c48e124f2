"""``tune`` with real trainings, tiny ones: to its end, killed, and reported again."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import FitResult, invoke
from helpers.compare import assert_same_run
from helpers.interrupts import interrupted_in_the_second_fit

from fastdefect.files import read_csv

TINY = (
    "--arch small-cnn --weights none --image-size 32 --epochs 1 --batch-size 8 --device cpu "
    "--workers 0 --seed 7 --tiles none --search-folds 2 --trials 2 "
    "--space learning_rate,mixup_alpha"
).split()


def _events(output: str) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=pytest.fail) for line in output.splitlines()]


def _without_seconds(trials: list[dict[str, Any]]) -> list[Any]:
    return [
        {**trial, "trainings": [{**each, "seconds": 0} for each in trial["trainings"]]}
        for trial in trials
    ]


@pytest.fixture(scope="module")
def tuned(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """Two trials of one epoch, two folds; as JSON lines."""
    runs = tmp_path_factory.mktemp("tuned")
    result = invoke("tune", str(castings), "--runs", str(runs), "--name", "t", "--json", *TINY)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return FitResult(runs / "t", result.output)


@pytest.mark.slow
def test_a_search_ends_with_a_run_and_a_figure_that_chose_nothing(tuned: FitResult) -> None:
    closing = _events(tuned.output)[-1]
    assert closing["event"] == "tune"
    assert closing["reason"] == "finished"
    assert [trial["known"] for trial in closing["trials"]] == ["your settings", ""]
    assert closing["best"] == str(tuned.folder / "best")
    metrics = json.loads((tuned.folder / "best" / "metrics.json").read_text(encoding="utf-8"))
    assert closing["valid"]["figures"]["auc"] == metrics["valid"]["auc"]
    assert closing["valid"]["n"] == metrics["valid"]["n"]
    sides = [read_csv(folder / "split.csv") for folder in (tuned.folder, tuned.folder / "best")]
    assert sides[0] == sides[1]
    train = {row["path"] for row in sides[0] if row["split"] == "train"}
    assert {row["path"] for row in read_csv(tuned.folder / "folds.csv")} == train
    assert [path.name for path in tuned.folder.iterdir() if path.is_dir()] == ["best"]
    assert not list(tuned.folder.rglob("openings.json"))


@pytest.mark.slow
def test_a_finished_search_is_only_reported_again(tuned: FitResult, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (tuned.folder / "best").iterdir()}
    again = invoke("tune", "--resume", str(tuned.folder), "--json")
    assert again.exit_code == 0, again.output + repr(again.exception)
    events = _events(again.output)
    assert {event["event"] for event in events} == {"note", "tune"}
    assert events[-1] == _events(tuned.output)[-1]
    assert {path: path.stat().st_mtime_ns for path in (tuned.folder / "best").iterdir()} == before

    shown = invoke("tune", "--resume", str(tuned.folder))
    words = " ".join(shown.output.split())
    for text in (
        *("No table of effects", "The 2 trials"),
        *("In the search: AUC ", "so too optimistic", "The unbiased result, on the "),
        *("The search did not use photos of these parts", "test photos are sealed"),
    ):
        assert text in words, text


@pytest.mark.slow
def test_ctrl_c_in_the_second_training_then_resume(
    castings: Path, tuned: FitResult, tmp_path: Path
) -> None:
    given = ("--runs", str(tmp_path), "--name", "t", *TINY)
    with interrupted_in_the_second_fit():
        stopped = invoke("tune", str(castings), *given)
    # No signal came, so the search takes it for the end of its budget, and trains what it has.
    assert stopped.exit_code == 0, stopped.output + repr(stopped.exception)
    run = tmp_path / "t"
    assert (run / "trial-1-rung-2-fold-2" / "checkpoint.safetensors").exists()
    shutil.rmtree(run / "best")

    resumed = invoke("tune", "--resume", str(run), "--budget", "30m")
    assert resumed.exit_code == 0, resumed.output + repr(resumed.exception)
    one, other = (
        json.loads((folder / "study.json").read_text(encoding="utf-8"))["trials"]
        for folder in (tuned.folder, run)
    )
    assert _without_seconds(one) == _without_seconds(other)
    assert_same_run(tuned.folder / "best", run / "best")


@pytest.mark.parametrize("extra", [["--epochs", "3"], ["--space", "balance"], ["--archs", "a,b"]])
def test_resume_takes_no_other_settings(extra: list[str]) -> None:
    result = invoke("tune", "--resume", "any", *extra)
    assert result.exit_code == 2
    assert f"also got {extra[0]}." in result.stderr


@pytest.mark.slow
def test_fit_does_not_resume_a_search(tuned: FitResult) -> None:
    result = invoke("fit", "--resume", str(tuned.folder))
    assert result.exit_code != 0
    assert "fastdefect tune --resume" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--space", "balance,"], "expected names separated by commas"),
        (["--space", "epochs"], "expected a setting that can be searched"),
        (["--budget", "soon"], "expected minutes"),
        (["--keep", "best"], "--keep best"),
    ],
)
def test_what_can_not_be_is_refused(
    castings: Path, tmp_path: Path, extra: list[str], message: str
) -> None:
    result = invoke("tune", str(castings), "--runs", str(tmp_path / "runs"), *extra)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "runs").exists()
