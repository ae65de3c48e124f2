"""The probe of photos in tiles: which tile is taken, and what a photo's label says of its tiles."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fastdefect.data.store import PhotoStore
from fastdefect.training.bag_probe import Tiles, fit_bag_probe

MOST, WIDTH = 12, 16


def bags(n: int, seed: int, kinds: int = 1) -> tuple[np.ndarray, Tiles, np.ndarray, np.ndarray]:
    """Photos of 8 to 12 tiles; every second has one tile that differs in one feature by kind.

    Returns features (m, d), tiles, labels (0 is good) and the defective tile of each photo.
    """
    rng = np.random.default_rng(seed)
    counts = rng.integers(8, MOST + 1, n)
    photo = np.repeat(np.arange(n), counts)
    place = np.concatenate([np.arange(count) for count in counts])
    features = rng.normal(3, 1, (len(photo), WIDTH)).astype(np.float32)
    labels = np.where(np.arange(n) % 2 == 1, 1 + np.arange(n) // 2 % kinds, 0)
    bad = rng.integers(0, counts)
    for index in np.flatnonzero(labels):
        features[(photo == index) & (place == bad[index]), labels[index]] += 6
    return features, Tiles(np.arange(len(photo)), photo, place, MOST), labels, bad


def names(n: int) -> list[str]:
    return [str(index) for index in range(n)]


def test_one_bad_tile_of_many_is_found_from_the_labels_of_photos() -> None:
    features, tiles, labels, _ = bags(60, 0)
    found = fit_bag_probe([features], tiles, labels, names(60), (0,), seed=0)
    new, of_new, truth, bad = bags(40, 1)
    logits = new @ found.weight.T + found.bias
    pooled = of_new.pooled(logits, (0,))
    assert roc_auc_score(truth, pooled[:, 1] - pooled[:, 0]) > 0.97
    worst = [
        int(of_new.place[of_new.photo == i][(logits[of_new.photo == i] @ [-1, 1]).argmax()])
        for i in np.flatnonzero(truth)
    ]
    assert np.mean(np.array(worst) == bad[truth == 1]) > 0.9
    assert found.held_out is not None
    assert roc_auc_score(labels, found.held_out[:, 1]) > 0.9
    # The worst of many good tiles is not taken for a defect: half of the photos are good.
    assert 0.35 < (pooled[:, 1] > pooled[:, 0]).mean() < 0.65


def test_kinds_of_defects_are_told_apart() -> None:
    features, tiles, labels, _ = bags(90, 0, kinds=2)
    found = fit_bag_probe([features, features], tiles, labels, names(90), (0,), seed=0)
    new, of_new, truth, _ = bags(60, 1, kinds=2)
    decided = of_new.pooled(new @ found.weight.T + found.bias, (0,)).argmax(axis=1)
    assert np.mean(decided == truth) > 0.85


def test_without_a_good_class_each_tile_has_the_class_of_its_photo() -> None:
    rng = np.random.default_rng(0)
    photo, place = (each.ravel() for each in np.indices((24, MOST)))
    labels = np.arange(24) % 2
    features = rng.normal(0, 1, (24 * MOST, WIDTH)).astype(np.float32)
    features[:, 0] += 2 * labels[photo]
    tiles = Tiles(np.arange(len(photo)), photo, place, MOST)
    found = fit_bag_probe([features], tiles, labels, names(24), (), seed=0)
    decided = tiles.pooled(features @ found.weight.T + found.bias, ()).argmax(axis=1)
    assert np.mean(decided == labels) > 0.9


def test_few_parts_are_fitted_without_folds() -> None:
    features, tiles, labels, _ = bags(6, 0)
    found = fit_bag_probe([features], tiles, labels, names(6), (0,), seed=0)
    assert found.held_out is None
    assert np.isfinite(found.weight).all()


def test_the_tiles_of_a_store_are_those_with_content_and_of_these_the_kept_ones() -> None:
    store = PhotoStore(3, 8, "squish", tiles=4, limit_mb=1)
    rng = np.random.default_rng(0)
    for row, width in enumerate((8, 20, 29)):
        store.put(row, rng.integers(0, 256, (8, width, 3), np.uint8))
    tiles = Tiles.of(store, [2, 0])
    assert tiles.photo.tolist() == [0, 0, 0, 0, 1]
    assert tiles.place.tolist() == [0, 1, 2, 3, 0]
    assert tiles.rows.tolist() == [8, 9, 10, 11, 0]
    kept = np.array([[False, True, False, False], [False, True, False, False]])
    # Of the second photo the kept tile is empty: all of its tiles count.
    assert Tiles.of(store, [2, 0], kept).rows.tolist() == [9, 0]
    own, mine = tiles.only(np.array([1]))
    assert own.rows.tolist() == [0]
    assert own.photo.tolist() == [0]
    assert mine.tolist() == [False] * 4 + [True]


def test_the_pooled_logits_of_photos_are_those_of_their_worst_tiles() -> None:
    tiles = Tiles(np.arange(3), np.array([0, 0, 1]), np.array([0, 2, 1]), 4)
    logits = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    found = tiles.pooled(logits, (0,))
    assert (found[:, 1] - found[:, 0]).tolist() == pytest.approx([2, -3])
