"""A threshold for each product that has enough parts."""

import numpy as np
import pytest

from fastdefect.errors import DataError
from fastdefect.evaluation.decisions.by_product import FEWEST_PARTS, choose_by_product
from fastdefect.evaluation.decisions.operating_point import (
    OperatingPoint,
    ScoredPhotos,
    choose_by_f1,
    choose_by_max_overkill,
)
from fastdefect.reporting.tables.products import product_points_table

N = FEWEST_PARTS


def _photos() -> tuple[ScoredPhotos, list[str | None]]:
    """Axles score low and covers high, both separable; of lids there are few, of none no name."""
    defective, score, products, parts = [], [], [], []
    sets: list[tuple[str | None, int, float]] = [("axle", N, 0.0), ("cover", N, 0.5), ("lid", 3, 0)]
    for name, n, offset in [*sets, (None, 2, 0.0)]:
        for bad in (True, False):
            for i in range(n):
                defective.append(bad)
                score.append(offset + (0.3 if bad else 0.1) + i / 1000)
                products.append(name)
                parts.append(f"{name} {bad} {i}")
    return ScoredPhotos(np.array(defective), np.array(score), parts), products


def test_each_product_gets_the_threshold_of_its_own_photos() -> None:
    photos, products = _photos()
    axle, cover, lid = choose_by_product(photos, products, 0.4, choose_by_f1)
    assert 0.109 < axle.threshold < 0.3
    assert 0.609 < cover.threshold < 0.8
    assert (axle.own, cover.own, lid.own) == (True, True, False)
    for each in (axle, cover):
        assert each.tally is not None
        assert (each.tally.escapes, each.tally.overkills, each.tally.n_good) == (0, 0, N)
    assert (lid.threshold, lid.reason) == (0.4, f"3 defective parts, {N} are needed")
    assert lid.tally is not None
    assert (lid.tally.escapes, lid.tally.n_defective) == (3, 3)  # by the common threshold


def test_what_its_photos_do_not_support_is_the_common_threshold() -> None:
    photos, products = _photos()

    def unsupported(of_product: ScoredPhotos) -> OperatingPoint:
        if of_product.score.max() < 0.5:
            raise DataError("Too few axles.")
        return choose_by_max_overkill(of_product, 0.1)

    axle, cover, _ = choose_by_product(photos, products, 0.4, unsupported)
    assert (axle.threshold, axle.reason) == (0.4, "Too few axles.")
    assert cover.own


def test_a_product_without_defects_has_no_tally() -> None:
    photos = ScoredPhotos(np.array([True, False]), np.array([0.9, 0.1]), ["a", "b"])
    bad, good = choose_by_product(photos, ["x", "y"], 0.5, choose_by_f1)
    assert (bad.tally, good.tally) == (None, None)
    assert good.reason == f"0 defective parts, {N} are needed"


def test_the_table_says_which_threshold_decides() -> None:
    photos, products = _photos()
    axle, _, lid = product_points_table(choose_by_product(photos, products, 0.4, choose_by_f1)).rows
    assert axle[2:] == ("its own", f"0 of {N} (0.00%)", f"0 of {N} (0.00%)")
    assert lid == (
        *("lid", "0.4", f"the common one: 3 defective parts, {N} are needed"),
        *("3 of 3 (100.00%)", "0 of 3 (0.00%)"),
    )


def test_products_are_counted_by_parts_not_photos() -> None:
    photos = ScoredPhotos(
        np.repeat([True, False], 40), np.linspace(0, 1, 80), ["a", "b"] * 20 + ["c", "d"] * 20
    )
    (only,) = choose_by_product(photos, ["x"] * 80, 0.5, choose_by_f1)
    assert only.reason == f"2 defective parts, {N} are needed"
    assert only.tally is not None
    assert only.tally.n_defective == pytest.approx(40)
