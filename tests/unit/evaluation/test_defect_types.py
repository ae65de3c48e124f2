"""Escapes by the columns of a CSV: which columns sort defects, and what they count."""

import numpy as np

from fastdefect.evaluation.defect_types import columns_of, escapes_by_type
from fastdefect.evaluation.statistics.rates import rate_of

PARTS = list("abcdefg")
DEFECTIVE = np.array([True, True, True, True, False, False, True])
PASSED = np.array([False, True, False, False, True, False, True])


def test_columns_are_gathered_with_gaps() -> None:
    photos = [{"type": "pore"}, {"size": "2"}, {}]
    assert columns_of(photos) == {"type": ["pore", None, None], "size": [None, "2", None]}


def test_escapes_by_type_of_defect() -> None:
    # A good photo's type means nothing, and a defect without one is in no row.
    columns = {"type": ["pore", "pore", "crack", None, "dent", None, "crack"]}
    found = escapes_by_type(PASSED, DEFECTIVE, PARTS, columns)
    assert list(found) == ["type"]
    assert list(found["type"]) == ["crack", "pore"]
    pore = found["type"]["pore"]
    assert (pore.count, pore.photos, pore.parts) == (1, 2, 2)
    assert pore == rate_of(np.array([False, True]), ["a", "b"])


def test_columns_that_do_not_sort_defects_are_left_out() -> None:
    n = 40
    defective = np.ones(n, bool)
    columns = {
        "serial": [str(i) for i in range(n)],
        "camera": ["left"] * n,
        "size": ["1", "2"] * (n // 2),
    }
    found = escapes_by_type(np.zeros(n, bool), defective, [str(i) for i in range(n)], columns)
    assert list(found) == ["size"]


def test_a_value_for_each_photo_sorts_nothing_however_few_they_are() -> None:
    columns = {
        "corner": ["4", "47", "48", "5", "8", "5"],
        "kind": ["a", "b", "a", "b", "a", "b"],
    }
    found = escapes_by_type(np.zeros(6, bool), np.ones(6, bool), PARTS[:6], columns)
    assert list(found) == ["kind"]


def test_numbers_come_by_size_and_anything_else_by_name() -> None:
    columns = {"size": ["10", "2", "0.5"] * 2, "grade": ["10", "2", "nan?"] * 2}
    found = escapes_by_type(np.zeros(6, bool), np.ones(6, bool), PARTS[:6], columns)
    assert list(found["size"]) == ["0.5", "2", "10"]
    assert list(found["grade"]) == ["10", "2", "nan?"]
    columns = {"size": ["nan", "2", "10"] * 2}
    found = escapes_by_type(np.zeros(6, bool), np.ones(6, bool), PARTS[:6], columns)
    assert list(found["size"]) == ["2", "10", "nan"]


def test_a_photo_with_several_kinds_counts_in_each() -> None:
    columns = {"defect": ["pore|crack", "pore", "crack", None, None, None, "dent; crack"]}
    found = escapes_by_type(PASSED, DEFECTIVE, PARTS, columns, kinds="defect")["defect"]
    assert {kind: (rate.count, rate.photos) for kind, rate in found.items()} == {
        "crack": (1, 3),
        "dent": (1, 1),
        "pore": (1, 2),
    }
    # As any other column, too many values for seven photos.
    assert escapes_by_type(PASSED, DEFECTIVE, PARTS, columns) == {}
