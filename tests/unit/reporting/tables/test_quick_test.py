"""The table of a quick test, against numbers that are worked out by hand."""

from typing import Any

import numpy as np
import pytest
from helpers.predictions import certain

from fastdefect.evaluation.compare import Answers, Comparison, SharedPhotos, compare
from fastdefect.evaluation.targets import LEGACY, judge
from fastdefect.metrics import score
from fastdefect.reporting.tables.quick_test import quick_table
from fastdefect.reporting.tables.table_data import TableData

CLASSES = ("defect", "good")
# 40 defects, then 40 good parts, a photo of each.
TRUTH = np.repeat([0, 1], 40)


def _said(escapes: int, overkills: int) -> Answers:
    """The first so many defects are passed, the first so many good parts are rejected."""
    guesses = TRUTH.copy()
    guesses[:escapes], guesses[40 : 40 + overkills] = 1, 0
    return Answers(0.8 * certain(guesses.tolist(), 2) + 0.1, guesses)


def _compared(before: Answers, after: Answers, good: str | None) -> Comparison:
    names = tuple(f"{i:02}.png" for i in range(80))
    return compare(
        SharedPhotos(names, names, TRUTH, CLASSES, (good,) if good else ()), before, after, seed=0
    )


def _table(
    before: Answers,
    after: Answers,
    train: tuple[float, float] = (0.65, 0.97),
    good: str | None = "good",
) -> TableData:
    metrics: dict[str, Any] = {
        name: {
            "train": {"accuracy": accuracy},
            "valid": score(TRUTH, said.y_prob, CLASSES, (good,) if good else ()).as_json(),
        }
        for name, said, accuracy in (("before", before, train[0]), ("after", after, train[1]))
    }
    verdicts = judge(LEGACY, metrics["after"])
    seconds = {"before": 12.4, "after": 99.6}
    return quick_table(metrics, _compared(before, after, good), verdicts, seconds)


def _rows(table: TableData) -> dict[str, dict[str, str]]:
    assert {len(row) for row in table.rows} == {len(table.columns)}
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_figures_by_hand() -> None:
    """Before: 12 escapes and 8 overkills of 40 each; after: 2 and 1.

    Before, precision 28 / 36, recall 28 / 40, F1 56 / 76; after, 38 / 39, 38 / 40 and 76 / 79.
    """
    table = _table(_said(12, 8), _said(2, 1))
    rows = _rows(table)
    assert table.title == "Before and after, on 80 validation photos of 80 parts"
    shown = {name: (row["before"], row["after"], row["difference"]) for name, row in rows.items()}
    assert shown["training accuracy"] == ("65.00%", "97.00%", "+32.00 pts")
    assert shown["validation accuracy"] == ("75.00%", "96.25%", "+21.25 pts")
    assert shown["F1"] == ("0.7368", "0.9620", "+0.2252")
    assert shown["precision"] == ("0.7778", "0.9744", "+0.1966")
    assert shown["recall"] == ("0.7000", "0.9500", "+0.2500")
    assert shown["escape rate"] == ("30.00%", "5.00%", "-25.00 pts")
    assert shown["overkill rate"] == ("20.00%", "2.50%", "-17.50 pts")
    # 65 - 75 and 97 - 96.25 points.
    assert shown["gap, train - valid"] == ("-10.00%", "0.75%", "+10.75 pts")
    assert shown["seconds"] == ("12", "100", "")


def test_the_evidence_is_the_comparisons() -> None:
    before, after = _said(12, 8), _said(2, 1)
    rows = _rows(_table(before, after))
    change = _compared(before, after, "good").figures["escape_rate"]
    assert change.difference.interval is not None
    low, high = (100 * end for end in change.difference.interval)
    assert rows["escape rate"]["evidence (95 %)"] == f"better, {low:+.2f} pts to {high:+.2f} pts"
    assert low < -25 < high < 0
    assert rows["validation accuracy"]["evidence (95 %)"].startswith("better, +")
    assert rows["training accuracy"]["evidence (95 %)"] == ""
    worse = _rows(_table(after, before))
    assert worse["F1"]["evidence (95 %)"].startswith("worse, -0.")
    same = _rows(_table(after, after))
    assert same["F1"]["evidence (95 %)"] == "no difference shown, +0.0000 to +0.0000"


def test_targets_are_the_missions_and_met_by_the_new_one() -> None:
    rows = _rows(_table(_said(12, 8), _said(2, 1)))
    told = {name: (row["target"], row["met"]) for name, row in rows.items()}
    assert told["training accuracy"] == ("75.00% to 85.00%", "met")
    assert told["validation accuracy"] == ("85.00% to 95.00%", "met")
    assert told["F1"] == ("0.8500 to 0.9500", "met")
    assert told["gap, train - valid"] == ("5.00% to 10.00%", "met")
    assert told["precision"] == told["escape rate"] == ("-", "-")
    missed = _rows(_table(_said(2, 1), _said(12, 8), train=(0.9, 0.6)))
    assert {name for name, row in missed.items() if row["met"] == "not met"} == {
        *("training accuracy", "validation accuracy", "F1", "AUC", "gap, train - valid")
    }


def test_what_is_not_defined_is_a_dash() -> None:
    rows = _rows(_table(_said(12, 8), _said(2, 1), good=None))
    row = rows["escape rate"]
    assert (row["before"], row["after"], row["difference"]) == ("-", "-", "-")
    assert row["evidence (95 %)"] == "can't tell"


@pytest.mark.parametrize("train", [(0.9, 0.9), (0.9, 0.78)])
def test_a_gap_is_judged_by_its_size(train: tuple[float, float]) -> None:
    """Validation is 96.25 %: gaps of -6.25 and -18.25 points."""
    rows = _rows(_table(_said(12, 8), _said(2, 1), train=train))
    assert rows["gap, train - valid"]["met"] == ("met" if train[1] == 0.9 else "not met")


def test_a_constant_prediction_is_reported() -> None:
    some, all_defect, all_good = _said(12, 8), _said(0, 40), _said(40, 0)
    assert "same class" not in _table(some, some).caption
    assert "After predicts the same class" in _table(some, all_defect).caption
    assert "Before predicts the same class" in _table(all_good, some).caption
    assert "Before and After predict the same class" in _table(all_good, all_defect).caption
