"""Predictions as values, and as the CSV that other tools read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fastdefect.errors import RunError
from fastdefect.evaluation.predictions import (
    Predictions,
    pooled,
    predictions_of,
    read_predictions,
)
from fastdefect.files import read_csv, write_csv
from fastdefect.metrics import score

CLASSES = ("def front", "ök")
Y_PROB = np.array([[0.9, 0.1], [1 / 3, 2 / 3], [0.5, 0.5]])


@dataclass(frozen=True)
class Named:
    name: str
    label: str


def _predictions() -> Predictions:
    photos = [Named("a, b.png", "def front"), Named("x/c.png", "def front"), Named("d.png", "ök")]
    return predictions_of(photos, CLASSES, ("ök",), Y_PROB)


def test_photos_are_joined_to_their_probabilities() -> None:
    predictions = _predictions()
    assert predictions.names == ("a, b.png", "x/c.png", "d.png")
    assert predictions.y_true.tolist() == [0, 0, 1]
    assert predictions.y_true.dtype == np.int64


def test_metrics_are_those_of_the_one_implementation() -> None:
    assert _predictions().metrics().as_json() == (
        score(np.array([0, 0, 1]), Y_PROB, CLASSES, ("ök",)).as_json()
    )


def test_the_csv_has_the_columns_of_the_contract(tmp_path: Path) -> None:
    predictions = _predictions()
    write_csv(tmp_path / "p.csv", predictions.rows(), predictions.columns())

    text = (tmp_path / "p.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == "path,label,predicted,p_def front,p_ök"
    rows = read_csv(tmp_path / "p.csv")
    assert [row["predicted"] for row in rows] == ["def front", "ök", "def front"]
    assert [row["label"] for row in rows] == ["def front", "def front", "ök"]
    found = [[float(row["p_def front"]), float(row["p_ök"])] for row in rows]
    np.testing.assert_array_equal(found, Y_PROB)


def test_a_count_that_does_not_fit_is_an_error() -> None:
    photos = [Named("a", "ök"), Named("b", "ök")]
    with pytest.raises(ValueError, match="zip"):
        predictions_of(photos, CLASSES, ("ök",), Y_PROB).rows()


def test_predictions_come_back_to_the_bit(tmp_path: Path) -> None:
    predictions = _predictions()
    path = tmp_path / "predictions.csv"
    write_csv(path, predictions.rows(), predictions.columns())
    again = read_predictions(path, CLASSES, ("ök",))
    assert (again.names, again.classes, again.good) == (predictions.names, CLASSES, ("ök",))
    assert again.y_true.tolist() == predictions.y_true.tolist()
    assert again.y_prob.tobytes() == predictions.y_prob.tobytes()


@pytest.mark.parametrize(
    "text",
    [
        None,
        "path,label\na,ök\n",
        "path,label,p_def front,p_ök\na,unknown,1,0\n",
        "path,label,p_def front,p_ök\na,ök,1,x\n",
        "path,label,p_def front,p_ök\na,ök,1\n",
    ],
)
def test_damaged_predictions_are_named(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"predictions\.csv can't be read"):
        read_predictions(path, CLASSES, ())


def test_pooled_predictions_are_all_of_them() -> None:
    one = _predictions()
    both = pooled([one, one])
    assert both.names == one.names * 2
    assert both.rows() == one.rows() * 2
    assert both.metrics().n == 6
