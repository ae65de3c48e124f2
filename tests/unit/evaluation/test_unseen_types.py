"""What tells the types of defects apart, and the figures of a type that a training lacks."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fastdefect.errors import DataError
from fastdefect.evaluation.defect_types import BY_CLASS, TypesOf, find_types
from fastdefect.evaluation.statistics.rates import Rate, rate_of
from fastdefect.evaluation.unseen_types import (
    Scored,
    TypeFigures,
    UnseenType,
    UnseenTypes,
    figures_of_type,
)
from fastdefect.reporting.tables.unseen import unseen_tables


def test_several_defect_classes_are_the_types() -> None:
    types = find_types(["ok", "crack", "pore"], [{}, {"defect": "deep"}, {}], ("ok",))
    assert types == TypesOf(BY_CLASS, ("ok",))
    assert types("pore", {}) == {"pore"}
    assert types("ok", {}) == frozenset()


def test_else_a_column_that_names_types_in_words() -> None:
    labels = ["ok", "bad", "bad", "bad", "bad"]
    sizes = ["", "1", "2", "1", "2"]
    kinds = ["", "crack|pore", "pore", "crack", "pore"]
    columns = [{"size": s, "sort": k} for s, k in zip(sizes, kinds, strict=True)]
    types = find_types(labels, columns, ("ok",))
    assert types.column == "sort"
    assert types("bad", columns[1]) == {"crack", "pore"}
    assert types("bad", {}) == frozenset()


def test_the_column_defect_is_preferred_and_two_others_are_refused() -> None:
    labels, kinds = ["bad"] * 4, ["crack", "pore", "crack", "pore"]
    both = [{"defect": k, "lot": f"L{k}"} for k in kinds]
    assert find_types(labels, both, ("ok",)).column == "defect"
    with pytest.raises(DataError, match="several columns that could be the type: lot, sort") as e:
        find_types(labels, [{"sort": k, "lot": f"L{k}"} for k in kinds], ("ok",))
    assert "Call the column with the type defect" in e.value.hint
    with pytest.raises(DataError, match="found neither"):
        find_types(labels, [{}] * 4, ("ok",))


def _scored(score: list[float], threshold: float, parts: str) -> Scored:
    values = np.array(score)
    return Scored(values < threshold, values, np.array(list(parts)))


def test_the_figures_of_a_type_agree_with_scikit_learn() -> None:
    bad = _scored([0.2, 0.45, 0.7, 0.9], 0.4, "aabc")
    good = _scored([0.1, 0.3, 0.45, 0.2, 0.05], 0.4, "defgh")
    found = figures_of_type(bad, good)
    assert found.escape == rate_of(np.array([1, 0, 0, 0], bool), list("aabc"))
    assert (found.at_half.count, found.at_half.photos, found.at_half.parts) == (2, 4, 3)
    expected = roc_auc_score([1] * 4 + [0] * 5, [*bad.score, *good.score])
    assert found.auc == pytest.approx(expected)
    assert found.auc_interval is not None
    assert found.auc_interval[0] < found.auc < found.auc_interval[1]


def test_without_good_photos_there_is_no_auc() -> None:
    none = _scored([], 0.5, "")
    found = figures_of_type(_scored([0.2], 0.5, "a"), none)
    assert math.isnan(found.auc)
    assert found.auc_interval is None


def _figures(count: int, auc: float) -> TypeFigures:
    rate = Rate(count, 4, 4, (0.1, 0.9))
    return TypeFigures(rate, Rate(1, 4, 4, (0.0, 0.8)), auc, (0.4, 1.0))


FOUND = UnseenTypes(
    *("class", "valid", 9, "threshold 0.3", 3),
    (
        UnseenType("crack", "valid", 20, _figures(4, 0.6), _figures(1, 0.9)),
        UnseenType("dent", "train", 8, _figures(2, 0.5), None),
        UnseenType("pore", "valid", 30, _figures(2, 0.8), _figures(0, 1.0)),
        UnseenType("rust", "valid", 30, None, _figures(0, 1.0)),
    ),
)


def test_the_mean_is_of_the_types_with_both_figures() -> None:
    assert FOUND.means() == {
        "unseen": {
            "escape": 0.75, "escape_at_half": 0.25, "auc": pytest.approx(0.7)
        },
        "known": {"escape": 0.125, "escape_at_half": 0.25, "auc": pytest.approx(0.95)},
    }  # fmt: skip


def test_they_are_read_as_they_were_written() -> None:
    assert UnseenTypes.from_json(json.loads(json.dumps(FOUND.as_json()))) == FOUND


def test_the_table_has_a_row_for_each_type_and_says_what_was_measured() -> None:
    table, half = unseen_tables(FOUND)
    assert [row[0] for row in table.rows] == ["crack", "dent", "pore", "rust", "mean"]
    assert table.rows[0] == (
        *("crack", "4 photos, 4 parts", "100.00% (10.00% to 90.00%)"),
        *("25.00% (10.00% to 90.00%)", "0.6000 (0.4000 to 1.0000)", "0.9000 (0.4000 to 1.0000)"),
    )
    assert table.rows[1][1:4] == ("4 photos, 4 parts, of train", "50.00% (10.00% to 90.00%)", "-")
    assert table.rows[3][2] == "-"
    assert table.rows[-1][2:] == ("75.00%", "12.50%", "0.7000", "0.9500")
    assert half.rows[-1][2:] == ("25.00%", "25.00%")
    assert "valid has no photo of dent" in table.caption
    assert "averages 3 networks" in table.caption


def test_the_escapes_of_each_half_of_a_joint_model() -> None:
    bad = _scored([0.2, 0.45, 0.7, 0.9], 0.4, "aabc")
    by_half = {"classifier": bad.score < 0.8, "memory": bad.score < 0.4}
    figures = figures_of_type(replace(bad, by_half=by_half), _scored([0.1, 0.3], 0.4, "de"))
    assert {name: rate.count for name, rate in figures.by_half.items()} == {
        "classifier": 3,
        "memory": 1,
    }
    assert TypeFigures.from_json(json.loads(json.dumps(figures.as_json()))) == figures
    each = UnseenType("burr", "valid", 3, figures, None)
    *_, table = unseen_tables(replace(FOUND, types=(each,)))
    assert table.title == "Types not seen in training, escapes by half"
    assert table.rows[-1] == ("mean", "", "75.00%", "25.00%", "25.00%")
