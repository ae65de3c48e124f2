"""The tables of drift: one day with its quantities, several days with a row each."""

import numpy as np

from fastdefect.evaluation.drift import Day, DriftReport, drift
from fastdefect.inference.baseline import Sample
from fastdefect.reporting.tables.drift import drift_tables


def report_of(*shifts: float) -> DriftReport:
    """Days of 30 passed parts each, further away by ``shifts``."""

    def sample(shift: float) -> Sample:
        n = 30
        steps = np.linspace(0, 1, n)
        return Sample(np.arange(n), np.ones(n, bool), steps / 10, 1 + steps + shift)

    days = [Day(f"day{i}.csv", sample(each), 2, 3) for i, each in enumerate(shifts)]
    return drift(sample(0), days)


def test_one_day_has_a_row_for_each_quantity() -> None:
    (table,) = drift_tables(report_of(2.0))
    assert [row[0] for row in table.rows] == [
        "distance, all photos",
        "P(defect), passed photos",
        "rejected",
    ]
    assert table.rows[0][1:4] == ("1.5", "3.5", "100.0%")
    assert table.rows[0][-1] == "drift"
    assert table.rows[1][-1] == "not shown"
    assert table.rows[2][-1] == "not tested"
    assert table.marks == {0: "bad"}
    assert "unreadable: 2" in table.caption


def test_several_days_have_a_row_each_in_order() -> None:
    (table,) = drift_tables(report_of(0.0, 2.0))
    assert [(row[0], row[-1]) for row in table.rows] == [
        ("day0.csv", "not shown"),
        ("day1.csv", "drift"),
    ]
    assert table.marks == {1: "bad"}
    assert all(len(row) == len(table.columns) for row in table.rows)
