"""``fastdefect label-check`` on a tiny cross-validation, and on one of its folds."""

import json
from pathlib import Path

import pytest
from helpers.cli import FitResult, invoke, run_fit

from fastdefect.evaluation.label_check import label_suspects
from fastdefect.evaluation.predictions import read_predictions
from fastdefect.files import read_csv


@pytest.fixture(scope="module")
def crossed(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """Two folds, an epoch each: a model that knows nothing doubts many labels."""
    options = ("--folds", "2", "--epochs", "1", "--augment", "none")
    return run_fit(castings, tmp_path_factory.mktemp("crossed"), "--name", "cv", *options)


def test_all_photos_outside_the_test_are_asked_about(crossed: FitResult) -> None:
    result = invoke("label-check", str(crossed.folder), "--show", "7", "--json")
    assert result.exit_code == 0, result.output
    closing = json.loads(result.stdout.splitlines()[-1])
    path = crossed.folder / "predictions-oof.csv"
    predictions = read_predictions(path, ("defect", "good"), ("good",))
    parts = [row["part"] for row in read_csv(path)]
    expected = label_suspects(predictions.y_true, predictions.y_prob, parts)
    assert expected
    assert [row["path"] for row in closing["suspects"]] == [
        predictions.names[suspect.index] for suspect in expected
    ]
    assert closing["photos"] == len(parts)
    assert closing["source"] == "oof"
    listed = read_csv(crossed.folder / "label-check.csv")
    assert [row["path"] for row in listed] == [row["path"] for row in closing["suspects"]]
    assert (crossed.folder / "label-check.png").stat().st_size > 0
    assert not list(crossed.folder.rglob("openings.json"))


def test_the_table(crossed: FitResult) -> None:
    result = invoke("label-check", str(crossed.folder))
    assert result.exit_code == 0, result.output
    first = read_csv(crossed.folder / "label-check.csv")[0]
    for text in (
        "Labels to check",
        first["path"],
        "suspects in part",
        "label-check.png",
    ):
        assert text in result.output
    assert "Only the" not in result.output


def test_a_fold_has_its_validation_photos_only(crossed: FitResult) -> None:
    fold = crossed.folder / "fold-1"
    result = invoke("label-check", str(fold), "--device", "cpu")
    assert result.exit_code == 0, result.output
    n = sum(row["split"] == "valid" for row in read_csv(fold / "split.csv"))
    assert f"Only the {n} validation photos of fold-1" in result.output
    assert (fold / "label-check.csv").exists()
