"""The background swap: models with known habits, and shares worked out by hand."""

from collections import Counter
from collections.abc import Sequence
from math import nan, sqrt

import numpy as np
import pytest
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastdefect.data.augment.background import measure_border
from fastdefect.evaluation.robustness.background_swap import (
    BackgroundSwap,
    Flips,
    LabelledPhotos,
    choose_donors,
    compare,
    swap_background,
)

SIDE = 32
BACKGROUNDS = (220, 120, 60)  # by class
METALS = (90, 170, 240)


def photos_of(y_true: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Photos whose class is predictable from the background as well as from the part."""
    photos = np.empty((len(y_true), SIDE, SIDE, 3), np.uint8)
    for photo, label in zip(photos, y_true, strict=True):
        photo[:] = BACKGROUNDS[label]
        photo[10:-10, 10:-10] = METALS[label]
    return photos


def certain(guesses: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    return np.asarray(np.eye(n_classes)[guesses] * 0.8 + 0.2 / n_classes)


def nearest(values: NDArray[np.float64], to: tuple[int, ...]) -> NDArray[np.float64]:
    guesses = np.abs(values[:, None] - np.array(to)[None]).argmin(axis=1)
    return certain(guesses, len(to))


def uses_the_background(photos: NDArray[np.uint8], at: Sequence[int] = ()) -> NDArray[np.float64]:
    return nearest(photos[:, :2, :2].mean(axis=(1, 2, 3)), BACKGROUNDS)


def uses_the_part(photos: NDArray[np.uint8], at: Sequence[int] = ()) -> NDArray[np.float64]:
    return nearest(photos[:, 14:18, 14:18].mean(axis=(1, 2, 3)), METALS)


def labelled(photos: NDArray[np.uint8], y_true: NDArray[np.int64], good: int = 1) -> LabelledPhotos:
    return LabelledPhotos(photos, range(len(photos)), y_true, (good,))


LABELS = np.array([0, 1, 2, 0, 0, 1, 2, 1, 0, 2])


def test_a_model_that_uses_the_background_always_flips() -> None:
    photos = photos_of(LABELS)
    found = swap_background(
        uses_the_background, labelled(photos, LABELS), uses_the_background(photos), seed=0
    )
    assert found is not None
    assert (found.all.n, found.all.flips, found.all.share) == (10, 10, 1.0)
    assert found.good == Flips(3, 3)
    assert found.defective == Flips(7, 7)
    assert found.to_overkill == 3
    # The donors of a defect are good or of the other defect in turn.
    assert 2 <= found.to_escape <= 5


def test_a_model_that_uses_the_part_never_flips() -> None:
    photos = photos_of(LABELS)
    found = swap_background(uses_the_part, labelled(photos, LABELS), uses_the_part(photos), seed=0)
    assert found == BackgroundSwap(Flips(10, 0), Flips(3, 0), Flips(7, 0), 0, 0)


def test_rows_of_the_store_are_not_positions() -> None:
    photos = photos_of(LABELS)
    shuffled = np.random.default_rng(1).permutation(10)
    store = np.concatenate([np.zeros_like(photos[:2]), photos])
    y_true = LABELS[shuffled]
    seen: list[NDArray[np.uint8]] = []

    def predict(batch: NDArray[np.uint8], at: Sequence[int]) -> NDArray[np.float64]:
        seen.extend(batch)
        return uses_the_background(batch)

    before = uses_the_background(photos[shuffled])
    rows = (shuffled + 2).tolist()
    found = swap_background(predict, LabelledPhotos(store, rows, y_true, ()), before, seed=3)
    assert found is not None
    assert found.all == Flips(10, 10)
    assert (found.good, found.defective) == (None, None)
    donors = choose_donors(y_true, 3)
    for photo, label, donor in zip(seen, y_true, donors, strict=True):
        assert measure_border(photo).level[0] == pytest.approx(BACKGROUNDS[y_true[donor]], abs=1)
        assert photo[15, 15, 0] == METALS[label]  # the part is still its own


def test_photos_come_in_batches_and_progress_is_reported() -> None:
    y_true = np.arange(150) % 2
    sizes, places, told = [], [], []

    def predict(batch: NDArray[np.uint8], at: Sequence[int]) -> NDArray[np.float64]:
        sizes.append(len(batch))
        places.extend(at)
        return uses_the_part(batch)

    photos = photos_of(y_true)
    swap_background(
        predict, labelled(photos, y_true, good=0), uses_the_part(photos),
        seed=0, on_batch=told.append,
    )  # fmt: skip
    assert sizes == [64, 64, 22]
    assert places == list(range(150))
    assert told == [64, 128, 150]


def test_photos_of_one_class_have_no_other_background() -> None:
    y_true = np.ones(4, np.int64)
    photos = photos_of(y_true)
    assert (
        swap_background(
            uses_the_background, labelled(photos, y_true), uses_the_background(photos), seed=0
        )
        is None
    )


# Donors


@examples(30)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.integers(0, 2**32 - 1))
def test_donors_are_of_other_classes_all_alike_often(labels: list[int], seed: int) -> None:
    y_true = np.array(labels)
    if len(np.unique(y_true)) < 2:
        return
    donors = choose_donors(y_true, seed)
    assert (y_true[donors] != y_true).all()
    for label in np.unique(y_true):
        classes = Counter(y_true[donors[y_true == label]].tolist())
        turns = [classes[int(other)] for other in np.unique(y_true) if other != label]
        assert max(turns) - min(turns) <= 1
        uses = Counter(donors.tolist())
        often = [uses[int(i)] for i in np.flatnonzero(y_true == label)]
        assert max(often) - min(often) <= 1


def test_donors_follow_from_the_seed() -> None:
    y_true = np.random.default_rng(0).integers(0, 3, 100)
    np.testing.assert_array_equal(choose_donors(y_true, 7), choose_donors(y_true, 7))
    assert (choose_donors(y_true, 7) != choose_donors(y_true, 8)).mean() > 0.5


# Counting


def test_flips_are_counted_by_hand() -> None:
    #                  truth  before after
    decisions = np.array([
        [0, 0, 0],  # a defect, as before
        [0, 0, 1],  # an escape made
        [0, 1, 0],  # an escape mended
        [0, 0, 2],  # another defect: flipped, but rejected all the same
        [1, 1, 0],  # an overkill made
        [1, 0, 1],  # one mended
        [1, 1, 1],
        [2, 0, 1],  # the wrong defect, then an escape
    ])  # fmt: skip
    found = compare(*decisions.T, good=(1,))
    assert found.all == Flips(8, 6)
    assert found.good == Flips(3, 2)
    assert found.defective == Flips(5, 4)
    assert (found.to_escape, found.to_overkill) == (2, 1)
    assert compare(*decisions.T, good=()) == BackgroundSwap(Flips(8, 6), None, None, 0, 0)


@pytest.mark.parametrize(("flips", "n"), [(0, 20), (3, 20), (20, 20), (37, 180)])
def test_the_interval_is_wilsons(flips: int, n: int) -> None:
    # Wilson (1927), written out.
    p, z = flips / n, 1.959963984540054
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert Flips(n, flips).interval == pytest.approx((centre - half, centre + half), abs=1e-9)


def test_no_photo_no_share() -> None:
    empty = Flips(0, 0)
    assert empty.interval is None
    assert np.isnan(empty.share)
    assert empty.as_json() == {"n": 0, "flips": 0, "share": pytest.approx(nan, nan_ok=True),
                               "interval": None}  # fmt: skip


def test_json_holds_counts_shares_and_intervals() -> None:
    found = BackgroundSwap(Flips(20, 3), Flips(8, 1), Flips(12, 2), 2, 1).as_json()
    assert set(found) == {
        "n", "flips", "share", "interval", "good", "defective", "to_escape", "to_overkill",
    }  # fmt: skip
    assert (found["n"], found["flips"], found["share"]) == (20, 3, 0.15)
    assert found["interval"][0] < 0.15 < found["interval"][1]
    assert found["defective"]["share"] == pytest.approx(1 / 6)
    assert (found["to_escape"], found["to_overkill"]) == (2, 1)
    without = BackgroundSwap(Flips(20, 3), None, None, 0, 0).as_json()
    assert without["good"] is None
    assert without["defective"] is None


def test_a_flip_among_good_classes_is_no_mistake() -> None:
    # crack, ok_back, ok_front: one good for another, an overkill made, an escape made.
    decisions = np.array([[1, 1, 2], [2, 1, 0], [0, 0, 2], [0, 1, 2]])
    found = compare(*decisions.T, good=(1, 2))
    assert (found.all, found.good, found.defective) == (Flips(4, 4), Flips(2, 2), Flips(2, 2))
    assert (found.to_escape, found.to_overkill) == (1, 1)
