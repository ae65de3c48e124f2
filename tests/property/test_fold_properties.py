from collections import Counter
from random import Random

import pytest
from helpers.examples import examples
from helpers.manifests import manifest, photo
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdefect.data.photos import Manifest
from fastdefect.data.splitting.folds import (
    Folds,
    folds_of_train,
    make_folds,
    split_for_fold,
    split_without,
)
from fastdefect.data.splitting.split import SPLITS, group_parts, make_split
from fastdefect.errors import DataError

SEEDS = st.integers(0, 2**32)
FOLDS = st.integers(2, 6)
TESTS = st.sampled_from([0.0, 0.1, 0.3])


@st.composite
def manifests(draw: st.DrawFn, *, mixed: bool) -> Manifest:
    """Parts of 1 to 6 photos, some given to a split; of one class each unless ``mixed``."""
    classes = draw(st.sampled_from([("bad", "good"), ("a", "b", "c")]))
    splits = draw(st.sampled_from([[None], [None, "train", "valid", "test"]]))
    photos = []
    for p in range(draw(st.integers(8, 30))):
        label = draw(st.sampled_from(classes))
        split = draw(st.sampled_from(splits))
        for i in range(draw(st.integers(1, 6))):
            if mixed:
                label = draw(st.sampled_from(classes))
            photos.append(photo(f"{p}/{i}", label, f"part {p}", split))
    photos += [photo(f"{c}/{i}", c) for c in classes for i in range(draw(st.integers(2, 8)))]
    return manifest(photos)


def folds_or_none(photos: Manifest, k: int, test: float, seed: int) -> Folds | None:
    try:
        split = make_split(photos, group_parts(photos), valid=0.2, test=test, seed=seed)
        return make_folds(photos, split, k, seed=seed)
    except DataError:
        return None


@examples(50)
@given(manifests(mixed=True), FOLDS, TESTS, SEEDS)
def test_every_part_and_every_photo_is_in_one_fold_or_sealed(
    photos: Manifest, k: int, test: float, seed: int
) -> None:
    folds = folds_or_none(photos, k, test, seed)
    if folds is None:
        return
    held_out = [folds.held_out(fold) for fold in range(1, k + 1)]
    assert sorted([*folds.test, *(i for fold in held_out for i in fold)]) == [
        *range(len(photos.photos))
    ]
    where = {
        part: {folds.fold[i] for i in range(len(photos.photos)) if folds.parts[i] == part}
        for part in set(folds.parts)
    }
    assert all(len(found - {0}) <= 1 for found in where.values())
    assert all(
        len(found) == 1  # unless the given splits show the part on two sides
        or {one.split for one, p in zip(photos.photos, folds.parts, strict=True) if p == part}
        >= {"test"}
        for part, found in where.items()
    )
    for fold in held_out:
        assert {photos.photos[i].label for i in fold} == set(photos.classes)


@examples(40)
@given(manifests(mixed=True), FOLDS, TESTS, SEEDS)
def test_in_each_fold_no_part_is_on_two_sides_nor_held_out_and_used(
    photos: Manifest, k: int, test: float, seed: int
) -> None:
    folds = folds_or_none(photos, k, test, seed)
    if folds is None:
        return
    for fold in range(1, k + 1):
        try:
            split = split_for_fold(photos, folds, fold, valid=0.2, seed=seed)
        except DataError:
            continue
        held_out = folds.held_out(fold)
        groups = [split.train, split.valid, held_out]
        assert sorted(i for group in groups for i in group) == list(folds.pool)
        parts = [{folds.parts[i] for i in group} for group in groups]
        assert sum(map(len, parts)) == len(set.union(*parts))
        assert split.test == folds.test
        for name in SPLITS[:2]:
            assert {photos.photos[i].label for i in split.of(name)} == set(photos.classes)


@examples(50)
@given(manifests(mixed=False), FOLDS, TESTS, SEEDS)
def test_folds_of_a_class_differ_by_no_more_than_its_largest_part(
    photos: Manifest, k: int, test: float, seed: int
) -> None:
    folds = folds_or_none(photos, k, test, seed)
    if folds is None:
        return
    sizes = Counter((photos.photos[i].label, folds.parts[i]) for i in folds.pool)
    for label in photos.classes:
        largest = max(n for (other, _), n in sizes.items() if other == label)
        found = [
            sum(photos.photos[i].label == label for i in folds.held_out(fold))
            for fold in range(1, k + 1)
        ]
        assert max(found) - min(found) <= largest


@examples(30)
@given(manifests(mixed=True), FOLDS, TESTS, SEEDS, st.randoms())
def test_the_order_of_the_photos_does_not_matter(
    photos: Manifest, k: int, test: float, seed: int, random: Random
) -> None:
    shuffled = list(photos.photos)
    random.shuffle(shuffled)
    folds = folds_or_none(photos, k, test, seed)
    again = folds_or_none(manifest(shuffled), k, test, seed)
    if folds is None or again is None:
        assert folds is again
        return
    before = {one.name: folds.fold[i] for i, one in enumerate(photos.photos)}
    assert {one.name: again.fold[i] for i, one in enumerate(shuffled)} == before


@pytest.mark.parametrize("k", [2, 4])
def test_the_properties_above_are_not_empty(k: int) -> None:
    found = 0

    @settings(max_examples=30, deadline=None, database=None, derandomize=True)
    @given(manifests(mixed=True))
    def count(photos: Manifest) -> None:
        nonlocal found
        found += folds_or_none(photos, k, 0.1, 0) is not None

    count()
    assert found > 15


@examples(50)
@given(manifests(mixed=True), FOLDS, TESTS, SEEDS)
def test_folds_of_train_hold_no_photo_of_valid_or_test(
    photos: Manifest, k: int, test: float, seed: int
) -> None:
    try:
        whole = make_split(photos, group_parts(photos), valid=0.2, test=test, seed=seed)
        folds = folds_of_train(photos, whole, k, seed=seed)
    except DataError:
        return
    assert folds.pool == whole.train
    held_out = []
    for fold in range(1, k + 1):
        split = split_without(folds, fold)
        assert not split.test
        assert sorted([*split.train, *split.valid]) == list(whole.train)
        assert {photos.photos[i].label for i in split.train} == set(photos.classes)
        assert {photos.photos[i].label for i in split.valid} == set(photos.classes)
        assert not {split.parts[i] for i in split.train} & {split.parts[i] for i in split.valid}
        held_out += split.valid
    assert sorted(held_out) == list(whole.train)
