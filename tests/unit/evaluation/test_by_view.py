"""The figures of each camera, by hand."""

import math

import numpy as np
import pytest
from helpers.predictions import predicted

from fastdefect.evaluation.by_part import Shown
from fastdefect.evaluation.by_view import ByView, measure_views

PARTS = ("a", "a", "b", "b", "c", "c", "d", "d")
Y_TRUE = np.array([0, 0, 0, 0, 1, 1, 1, 1])  # a and b are defective
SCORES = np.array([0.9, 0.2, 0.8, 0.9, 0.1, 0.3, 0.2, 0.1])


def views_of(*views: str | None, good: str | None = "good") -> ByView | None:
    predictions = predicted(Y_TRUE, np.stack([SCORES, 1 - SCORES], 1), ("crack", "good"), good)
    of = Shown(PARTS, (True,) * 8, views)
    return measure_views(predictions, of, predictions.y_prob.argmax(axis=1))


def test_each_view_has_its_rates_and_the_worst_is_named() -> None:
    found = views_of(*("left", "right") * 4)
    assert found is not None
    left, right = found.views
    assert (left.view, left.escape.count, left.overkill.count, left.auc) == ("left", 0, 0, 1.0)
    assert (right.escape.count, right.escape.photos, right.overkill.count) == (1, 2, 0)
    assert right.auc == pytest.approx(0.75)
    assert (right.photos, right.parts) == (4, 4)
    assert found.worst == right
    assert found.as_json()["worst"] == "right"


def test_photos_without_a_view_are_counted() -> None:
    found = views_of("left", "right", None, "right", "left", None, "left", "right")
    assert found is not None
    assert found.unknown == 2
    assert [each.photos for each in found.views] == [3, 3]


def test_a_view_of_one_class_is_not_the_worst() -> None:
    found = views_of(*("top",) * 2, *("left",) * 6)
    assert found is not None
    assert found.worst is not None
    assert found.worst.view == "left"
    top = found.views[1]
    assert math.isnan(top.overkill.value)
    assert found.as_json()["views"][1]["auc"] is None


def test_without_two_views_or_a_good_class_there_is_nothing_to_compare() -> None:
    assert views_of(*("left",) * 8) is None
    assert views_of(*(None,) * 8) is None
    assert views_of(*("left", "right") * 4, good=None) is None
