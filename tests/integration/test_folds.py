"""``fit --folds``: each photo is judged once by a model that never saw its part."""

import json
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import TINY, FitResult, invoke, run_fit
from helpers.compare import assert_same_run
from helpers.interrupts import interrupted_in_the_second_fit

from fastdefect.errors import DataError
from fastdefect.files import read_csv

OPTIONS = ("--folds", "2", "--epochs", "1", "--target", "f1=0", "--augment", "none")


@pytest.fixture(scope="module")
def crossed(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A cross-validation of two folds, an epoch each."""
    return run_fit(castings, tmp_path_factory.mktemp("crossed"), "--name", "cv", *OPTIONS)


def test_every_photo_outside_the_test_is_held_out_once(crossed: FitResult) -> None:
    folds = read_csv(crossed.folder / "folds.csv")
    held_out = read_csv(crossed.folder / "predictions-oof.csv")
    assert list(held_out[0]) == [
        *("path", "label", "predicted", "p_defect", "p_good", "fold", "part")
    ]
    expected = {row["path"]: (row["fold"], row["part"]) for row in folds if row["fold"]}
    assert {row["path"]: (row["fold"], row["part"]) for row in held_out} == expected
    assert len(held_out) == len(expected)
    assert {row["split"] for row in folds if not row["fold"]} == {"test"}


def test_what_a_fold_holds_out_neither_trained_nor_chose(crossed: FitResult) -> None:
    folds = {row["path"]: row["fold"] for row in read_csv(crossed.folder / "folds.csv")}
    for fold in ("1", "2"):
        rows = read_csv(crossed.folder / f"fold-{fold}" / "split.csv")
        unused = {row["path"] for row in rows if row["split"] == "unused"}
        assert unused == {path for path, of in folds.items() if of == fold}
        used_parts = {row["part"] for row in rows if row["split"] in ("train", "valid")}
        assert not used_parts & {row["part"] for row in rows if row["split"] == "unused"}
        assert Counter(row["split"] for row in rows).keys() == {"train", "valid", "test", "unused"}
        own = read_csv(crossed.folder / f"fold-{fold}" / "predictions-heldout.csv")
        assert {row["path"] for row in own} == unused


def test_metrics_are_by_fold_and_of_all(crossed: FitResult) -> None:
    metrics = crossed.json("metrics.json")
    assert metrics.keys() == {"oof", "fold-1", "fold-2", "folds"}
    rows = read_csv(crossed.folder / "predictions-oof.csv")
    right = [row["label"] == row["predicted"] for row in rows]
    assert metrics["oof"]["accuracy"] == pytest.approx(sum(right) / len(right))
    accuracies = [metrics[f"fold-{fold}"]["accuracy"] for fold in (1, 2)]
    assert metrics["folds"]["accuracy"]["mean"] == pytest.approx(sum(accuracies) / 2)
    assert metrics["oof"]["n"] == metrics["fold-1"]["n"] + metrics["fold-2"]["n"]
    low, high = metrics["oof"]["intervals"]["accuracy"]
    assert low <= metrics["oof"]["accuracy"] <= high
    # The report of the run has the same interval.
    page = (crossed.folder / "report.html").read_text(encoding="utf-8")
    assert f"<td>{low:.2%} to {high:.2%}</td>" in page
    for text in ("Cross-validation, 2 folds", "95 % interval", "min to max", "1 of 1 met"):
        assert text in crossed.output


def test_nothing_opens_the_test(crossed: FitResult) -> None:
    assert not list(crossed.folder.rglob("openings.json"))
    assert not list(crossed.folder.rglob("predictions-test.csv"))
    assert "opened" not in crossed.output
    assert "test photos are sealed. They were in no fold" in crossed.output


def test_the_screen_says_which_fold_it_is(crossed: FitResult) -> None:
    for fold in (1, 2):
        assert f"Fold {fold} of 2: train " in crossed.output
        assert (crossed.folder / "log.txt").read_text(encoding="utf-8").count(f"Fold {fold} ") == 1
    assert crossed.output.count("A plain split would have leaked") == 1


def test_the_whole_is_listed_and_its_folds_are_runs(crossed: FitResult, tmp_path: Path) -> None:
    runs = crossed.folder.parent
    listed = invoke("runs", "--runs", str(runs))
    assert "2 folds" in listed.output
    assert "finished" in listed.output
    refused = invoke("tta-eval", "--runs", str(runs))
    assert refused.exit_code == 1
    assert "has no single model" in refused.stderr
    assert "fold-1" in refused.stderr
    copy = shutil.copytree(crossed.folder, tmp_path / "cv")
    opened = invoke("tta-eval", str(copy / "fold-2"), "--split", "test", "--device", "cpu")
    assert opened.exit_code == 0, opened.output
    assert "test opened for the 1st time" in opened.output
    assert len(json.loads((copy / "openings.json").read_text(encoding="utf-8"))) == 1


@contextmanager
def _interrupted_while_the_first_is_finishing() -> Iterator[None]:
    from fastdefect.jobs import cross_validate

    def predict_and_interrupt(*args: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return predict(*args)

    predict = cross_validate._predict
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_validate, "_predict", predict_and_interrupt)
        yield


@pytest.mark.slow
@pytest.mark.parametrize(
    "interrupted", [interrupted_in_the_second_fit, _interrupted_while_the_first_is_finishing]
)
def test_ctrl_c_then_resume(
    interrupted: Callable[[], AbstractContextManager[None]],
    castings: Path,
    crossed: FitResult,
    tmp_path: Path,
) -> None:
    with interrupted():
        stopped = invoke(
            "fit", str(castings), "--runs", str(tmp_path), "--name", "cv", *TINY, *OPTIONS
        )
    run = tmp_path / "cv"
    assert stopped.exit_code == 130, stopped.output
    assert f"1 of 2 folds are done. Resume with: fastdefect fit --resume {run}" in stopped.output
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["status"] == "interrupted"
    assert not (run / "predictions-oof.csv").exists()
    first = (run / "fold-1" / "predictions-heldout.csv").stat().st_mtime_ns

    resumed = invoke("fit", "--resume", str(run))
    assert resumed.exit_code == 0, resumed.output
    assert "Fold 1 of 2 is finished" in resumed.output
    assert (run / "fold-1" / "predictions-heldout.csv").stat().st_mtime_ns == first
    for fold in ("fold-1", "fold-2"):
        assert_same_run(crossed.folder / fold, run / fold)
    for name in ("predictions-oof.csv", "metrics.json", "folds.csv"):
        assert (run / name).read_bytes() == (crossed.folder / name).read_bytes(), name


def test_a_fold_that_never_began_is_begun_and_a_finished_whole_only_reports(
    crossed: FitResult, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(crossed.folder, tmp_path / "cv"))
    before = {path: path.stat().st_mtime_ns for path in run.glob("fold-*/*")}
    again = invoke("fit", "--resume", str(run))
    assert again.exit_code == 0, again.output
    assert "nothing to train, reporting again" in again.output
    assert {path: path.stat().st_mtime_ns for path in run.glob("fold-*/*")} == before

    for name in ("checkpoint.safetensors", "predictions-heldout.csv", "model.safetensors"):
        (run / "fold-2" / name).unlink()  # as if killed before its first checkpoint
    resumed = invoke("fit", "--resume", str(run))
    assert resumed.exit_code == 0, resumed.output
    assert_same_run(crossed.folder / "fold-2", run / "fold-2")


@pytest.mark.slow
def test_settings_of_the_whole_repeat_it(crossed: FitResult, tmp_path: Path) -> None:
    repeated = invoke(
        "fit", "--config", str(crossed.folder / "config.toml"), "--runs", str(tmp_path)
    )
    assert repeated.exit_code == 0, repeated.output
    again = (tmp_path / "latest" / "predictions-oof.csv").read_bytes()
    assert again == (crossed.folder / "predictions-oof.csv").read_bytes()


def test_too_many_folds_leave_nothing_behind(castings: Path, tmp_path: Path) -> None:
    result = invoke("fit", str(castings), "--runs", str(tmp_path / "runs"), *TINY, "--folds", "12")
    assert result.exit_code == 1
    assert "12 folds need at least 12" in result.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [(KeyboardInterrupt(), 130, "interrupted"), (DataError("the disk is full"), 1, "failed")],
)
def test_what_ends_a_fold_is_noted_in_the_whole(
    castings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    status: str,
) -> None:
    from fastdefect.jobs import cross_validate

    def fail(*args: object) -> str:
        raise error

    monkeypatch.setattr(cross_validate, "_train_fold", fail)
    result = invoke("fit", str(castings), "--runs", str(tmp_path), "--name", "cv", *TINY, *OPTIONS)
    assert result.exit_code == code, result.output
    state = json.loads((tmp_path / "cv" / "run.json").read_text(encoding="utf-8"))
    assert state["status"] == status
    assert ("0 of 2 folds are done" in result.output) == (code == 130)


def test_its_report_has_the_figures_of_the_command(crossed: FitResult) -> None:
    page = (crossed.folder / "report.html").read_text(encoding="utf-8")
    assert f"Report: {crossed.folder / 'report.html'}" in crossed.output.replace("\n", "")
    metrics = crossed.json("metrics.json")
    for of in ("fold-1", "fold-2", "oof"):
        assert f"<td>{metrics[of]['accuracy']:.2%}</td>" in page
    assert f"On {metrics['oof']['n']} out-of-fold photos" in page
    assert not list(crossed.folder.rglob("openings.json"))
