"""Tables as plain values: figures, their counts, and what is better or worse."""

import math

import numpy as np
import pytest
from helpers.predictions import certain, predicted, random_predictions

from fastdefect.evaluation.robustness.background_swap import BackgroundSwap, Flips
from fastdefect.evaluation.statistics.intervals import bootstrap_intervals, spread_over_folds
from fastdefect.evaluation.targets import LEGACY, judge, parse_target
from fastdefect.metrics import Metrics, score
from fastdefect.reporting.tables.fit import (
    MeasuredOn,
    TableData,
    ViewsResult,
    change_text,
    folds_table,
    metric_text,
    metrics_table,
    runs_table,
    targets_table,
    tta_table,
)

# Three defects, one of which escapes; five good parts, two of which are rejected.
METRICS = score(
    np.array([0, 0, 0, 1, 1, 1, 1, 1]), certain([0, 0, 1, 0, 0, 1, 1, 1], 2), ("def", "ok"), ("ok",)
)
VALID = MeasuredOn("valid")


def _by_name(table: TableData) -> dict[str, tuple[str, ...]]:
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert all(isinstance(cell, str) for row in table.rows for cell in row)
    return {row[0]: row[1:] for row in table.rows}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("f1", 0.98765, "0.9877"),
        ("auc", 1.0, "1.0000"),
        ("accuracy", 0.98765, "98.77%"),
        ("escape_rate", 0.0, "0.00%"),
        ("gap", -0.1532, "-15.32%"),
        ("auc", math.nan, "-"),
        ("f1", None, "-"),
        ("f1", math.inf, "-"),
    ],
)
def test_a_value_is_written_as_its_kind_reads_best(
    name: str, value: float | None, text: str
) -> None:
    assert metric_text(name, value) == text


@pytest.mark.parametrize(
    ("name", "before", "after", "text"),
    [
        ("f1", 0.9, 0.95, "+0.0500"),
        ("accuracy", 0.95, 0.9, "-5.00 pts"),
        ("escape_rate", 0.0, 0.013, "+1.30 pts"),
        ("f1", None, 0.9, "-"),
        ("f1", 0.9, None, "-"),
        ("f1", math.nan, 0.9, "-"),
    ],
)
def test_a_change_is_after_minus_before(
    name: str, before: float | None, after: float | None, text: str
) -> None:
    assert change_text(name, before, after) == text


def test_metrics_by_split_show_the_counts_behind_the_rates() -> None:
    table = metrics_table({"train": METRICS, "valid": METRICS})
    rows = _by_name(table)
    assert table.columns == ("metric", "train", "valid")
    assert rows["escape rate"] == ("33.33% (1 of 3)",) * 2
    assert rows["overkill rate"] == ("40.00% (2 of 5)",) * 2
    assert rows["F1"][0] == f"{4 / 7:.4f}"
    assert rows["accuracy"][0] == "62.50%"
    assert rows["photos"] == ("8", "8")
    assert table.caption == "F1, precision and recall refer to the defect."


def test_many_classes_each_have_a_row_and_the_average_is_named() -> None:
    metrics = score(*random_predictions(60, 3), ("a", "b", "c"), ("b",))
    table = metrics_table({"valid": metrics})
    rows = _by_name(table)
    assert rows["F1 b"] == (f"{metrics.per_class['b'].f1:.4f}",)
    assert "macro averages" in table.caption


def test_confusions_among_good_classes_have_a_row() -> None:
    guesses, classes = certain([0, 0, 2, 1, 2, 1], 3), ("crack", "ok_back", "ok_front")
    metrics = score(np.array([0, 0, 0, 1, 1, 2]), guesses, classes, classes[1:])
    table = metrics_table({"valid": metrics})
    rows = _by_name(table)
    assert rows["one good class for another"] == ("2 of 3",)
    assert rows["escape rate"] == ("33.33% (1 of 3)",)
    assert rows["F1 ok_back"] == (f"{metrics.per_class['ok_back'].f1:.4f}",)
    assert table.caption == "F1, precision and recall refer to the defect."


def test_two_classes_without_a_good_one_are_not_called_the_defects() -> None:
    metrics = score(*random_predictions(40, 2), ("crack", "pore"), ())
    table = metrics_table({"valid": metrics})
    rows = _by_name(table)
    assert "macro averages" in table.caption
    assert {"F1 crack", "F1 pore"} <= rows.keys()
    assert rows["escape rate"] == ("-",)
    assert rows["overkill rate"] == ("-",)


def test_two_classes_are_the_defects_even_if_a_split_has_but_one() -> None:
    only_good = score(np.array([1, 1]), certain([1, 0], 2), ("def", "ok"), ("ok",))
    table = metrics_table({"valid": only_good})
    assert table.caption == "F1, precision and recall refer to the defect."
    for name in ("escape rate", "F1", "precision", "recall", "AUC"):
        assert _by_name(table)[name] == ("-",)
    assert _by_name(table)["overkill rate"] == ("50.00% (1 of 2)",)


def test_targets_show_previous_target_reached_and_change() -> None:
    content = {
        "train": {"accuracy": 0.9},
        "valid": {"accuracy": 0.88, "f1": 0.8, "auc": 0.9, "escape_rate": 0.02},
    }
    targets = [*LEGACY, parse_target("escape_rate=0.01"), parse_target("gap=0.1")]
    table = targets_table(judge(targets, content))
    rows = _by_name(table)

    assert table.columns == ("metric", "previous", "target", "this run", "change", "met")
    assert rows["F1"] == ("0.7700", "0.8500 to 0.9500", "0.8000", "+0.0300", "NOT met")
    assert rows["validation accuracy"] == (
        *("77.01%", "85.00% to 95.00%", "88.00%", "+10.99 pts", "met"),
    )
    assert rows["gap, train - valid"] == (
        *("-15.32%", "5.00% to 10.00%", "2.00%", "+17.32 pts", "met"),
    )
    assert rows["escape_rate"] == ("-", "<= 1.00%", "2.00%", "-", "NOT met")
    assert rows["gap"][1] == "<= 10.00%"
    assert table.caption == "5 of 7 met."
    assert table.marks == {
        index: "good" if row[-1] == "met" else "bad" for index, row in enumerate(table.rows)
    }


def test_a_target_from_below_has_its_sign() -> None:
    (row,) = targets_table(judge([parse_target("f1=0.95")], {"valid": {"f1": 0.9}})).rows
    assert row[2] == ">= 0.9500"


def _tta(
    plain: Metrics,
    averaged: Metrics,
    seconds: tuple[float, float],
    measured_on: MeasuredOn = VALID,
) -> TableData:
    before, after = ViewsResult(plain, seconds[0]), ViewsResult(averaged, seconds[1])
    return tta_table(before, after, views="flips", measured_on=measured_on)


def test_tta_shows_both_the_difference_and_the_price() -> None:
    better = score(
        np.array([0, 0, 0, 1, 1, 1, 1, 1]),
        certain([0, 0, 0, 0, 1, 1, 1, 1], 2),
        ("def", "ok"),
        ("ok",),
    )
    table = _tta(METRICS, better, (0.01, 0.039))
    rows = _by_name(table)
    assert table.columns == ("metric", "without", "views: flips", "difference")
    assert rows["escape rate"] == ("33.33% (1 of 3)", "0.00% (0 of 3)", "-33.33 pts")
    assert rows["recall"][2] == "+0.3333"
    assert rows["seconds per photo"] == ("0.0100", "0.0390", "x 3.9")
    assert "8 photos" in table.title


def test_tta_too_fast_to_time_is_no_error() -> None:
    table = _tta(METRICS, METRICS, (0.0, 0.1))
    assert _by_name(table)["seconds per photo"][2] == "-"


def test_runs_show_what_they_have() -> None:
    valid = {"f1": 0.9, "auc": None, "accuracy": 0.95, "escape_rate": 0.1, "overkill_rate": 0}
    row = {"name": "a", "status": "finished", "epochs": 3, "folds": None, "arch": "resnet18"}
    row["valid"] = valid
    table = runs_table([row, {**row, "name": "b", "valid": {}}, {**row, "name": "c", "folds": 5}])
    rows = _by_name(table)
    assert rows["a"] == ("finished", "3", "resnet18", "0.9000", "-", "95.00%", "10.00%", "0.00%")
    assert rows["b"][3:] == ("-",) * 5
    assert rows["c"][1] == "5 folds"
    assert "fastdefect fit" in runs_table([]).empty


def test_an_opening_of_the_test_is_in_the_title() -> None:
    table = _tta(METRICS, METRICS, (0.1, 0.1), MeasuredOn("test", 3))
    assert table.title.endswith("on test, 8 photos; test opened for the 3rd time")
    sealed = _tta(METRICS, METRICS, (0.1, 0.1))
    assert "opened" not in sealed.title


def test_folds_show_their_spread_and_the_whole_with_its_interval() -> None:
    y_true, classes = np.array([0, 0, 0, 1, 1, 1, 1, 1]), ("def", "ok")
    perfect = score(y_true, certain(y_true, 2), classes, ("ok",))
    whole_true = np.tile(y_true, 2)
    whole_prob = certain([0, 0, 1, 0, 0, 1, 1, 1, *y_true], 2)
    parts = [str(i) for i in range(16)]
    intervals = bootstrap_intervals(predicted(whole_true, whole_prob, classes, "ok"), parts, seed=0)
    table = folds_table(
        spread_over_folds([METRICS, perfect]),
        score(whole_true, whole_prob, classes, ("ok",)),
        {**intervals, "f1": None},
        folds=2,
        n_parts=9,
    )
    rows = _by_name(table)
    assert table.columns[1:4] == ("mean", "sd", "min to max")
    assert rows["accuracy"][:4] == ("81.25%", "26.52%", "62.50% to 100.00%", "81.25%")
    assert rows["escape rate"][2:4] == ("0.00% to 33.33%", "16.67% (1 of 6)")
    low, high = intervals["accuracy"] or (0, 0)
    assert rows["accuracy"][4] == f"{low:.2%} to {high:.2%}"
    assert rows["F1"][4] == "-"
    assert "2 folds" in table.title
    assert "16 photos of 9 parts" in table.caption
    assert "refer to the defect" in table.caption


def _swap(n: int, flips: int) -> BackgroundSwap:
    return BackgroundSwap(Flips(n, flips), None, None, 0, 0)


def test_the_background_swap_stands_in_the_validation_column_with_its_interval() -> None:
    table = metrics_table({"train": METRICS, "valid": METRICS}, _swap(182, 6))
    (row,) = [row for row in table.rows if row[0] == "flips on background swap"]
    # Wilson's interval of 6 of 182, by hand from Agresti and Coull's formula: 1.5 % to 7.0 %.
    assert row == ("flips on background swap", "-", "3.3% (6 of 182), 1.5% to 7.0%")
    plain = metrics_table({"valid": METRICS})
    assert "flips on background swap" not in [row[0] for row in plain.rows]


def test_both_background_swaps_stand_beside_test_time_augmentation() -> None:
    table = tta_table(
        ViewsResult(METRICS, 1.0, _swap(10, 5)), ViewsResult(METRICS, 4.0),
        views="flips", measured_on=VALID,
    )  # fmt: skip
    (row,) = [row for row in table.rows if row[0] == "flips on background swap"]
    assert row[1].startswith("50.0% (5 of 10)")
    assert row[2:] == ("-", "-")
