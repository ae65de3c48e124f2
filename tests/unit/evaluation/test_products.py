"""Figures by product, the worst of them, and the table."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fastdefect.evaluation.products import (
    UNKNOWN,
    DecidedPhotos,
    figures_by_product,
    worst_of,
)
from fastdefect.evaluation.statistics.rates import rate_of
from fastdefect.reporting.tables.products import product_table

# product, defective, passed, score, part
ROWS = [
    ("cover", 1, 0, 0.9, "a"),
    ("cover", 1, 1, 0.2, "a"),
    ("cover", 0, 1, 0.1, "b"),
    ("cover", 0, 0, 0.7, "c"),
    ("axle", 1, 0, 0.8, "d"),
    ("axle", 1, 0, 0.8, "e"),
    ("axle", 0, 1, 0.3, "f"),
    (None, 0, 1, 0.3, "g"),
]
PRODUCTS = [row[0] for row in ROWS]
PHOTOS = DecidedPhotos(
    np.array([row[1] for row in ROWS], bool),
    np.array([row[2] for row in ROWS], bool),
    np.array([row[3] for row in ROWS]),
    np.array([row[4] for row in ROWS]),
)


def test_each_product_has_its_own_figures() -> None:
    axle, cover, unknown = figures_by_product(PRODUCTS, PHOTOS, {"cover": 9})
    assert [axle.name, cover.name, unknown.name] == ["axle", "cover", UNKNOWN]
    assert cover.escape == rate_of(np.array([False, True]), ["a", "a"])
    assert (cover.overkill.count, cover.overkill.photos, cover.parts) == (1, 2, 3)
    assert cover.auc == pytest.approx(roc_auc_score([1, 1, 0, 0], [0.9, 0.2, 0.1, 0.7]))
    assert (axle.escape.count, axle.auc, axle.auc_interval) == (0, 1.0, None)
    assert math.isnan(unknown.auc)
    assert (axle.trained, cover.trained, unknown.trained) == (0, 9, None)


def test_without_a_known_product_there_are_none() -> None:
    assert figures_by_product([None] * len(ROWS), PHOTOS, None) == ()


def test_the_worst_product_has_the_most_escapes() -> None:
    figures = figures_by_product(PRODUCTS, PHOTOS, {"cover": 9})
    worst = worst_of(figures)
    assert worst is not None
    assert worst.name == "cover"
    assert worst_of([each for each in figures if each.name != "axle"]) is None


def test_the_table_names_the_worst_and_what_train_lacks() -> None:
    table = product_table(figures_by_product(PRODUCTS, PHOTOS, {"cover": 9}))
    axle, cover, unknown = table.rows
    assert cover[:3] == ("cover", "4 photos, 3 parts", "1 of 2, 50.00% (0.04% to 99.96%)")
    assert axle[4:] == ("1.0000", "0")
    assert unknown[2:] == ("-", "0 of 1, 0.00% (0.00% to 97.50%)", "-", "-")
    assert table.caption == (
        "Most escapes: cover, 50.00% of its defective photos. Train has no photo of axle: the "
        "model has not seen this product."
    )
