from collections import Counter
from random import Random

import pytest
from helpers.examples import examples
from helpers.manifests import manifest, photo
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdefect.data.reading.manifest import Manifest
from fastdefect.data.splitting.split import SPLITS, Split, group_parts, make_split
from fastdefect.errors import DataError

SHARES = st.tuples(st.floats(0.02, 0.45), st.floats(0.02, 0.45))
SEEDS = st.integers(0, 2**32)


@st.composite
def manifests(
    draw: st.DrawFn, *, mixed: bool, given_splits: bool = False, copies: bool = False
) -> Manifest:
    """Parts of 1 to 8 photos; of one class each unless ``mixed``."""
    classes = draw(st.sampled_from([("bad", "good"), ("a", "b", "c")]))
    splits = [None, "train", "valid", "test"] if given_splits else [None]
    photos = []
    for p in range(draw(st.integers(6, 25))):
        label = draw(st.sampled_from(classes))
        part = draw(st.sampled_from([f"part {p}", None]))
        split = draw(st.sampled_from(splits))
        for i in range(draw(st.integers(1, 8))):
            if mixed:
                label = draw(st.sampled_from(classes))
            digest = draw(st.sampled_from([f"{p}/{i}", "copy 1", "copy 2"])) if copies else None
            photos.append(photo(f"{p}/{i}", label, part, split, digest))
    # Enough of each for three sides, so that most examples can be split at all.
    photos += [photo(f"{c}/{i}", c) for c in classes for i in range(draw(st.integers(0, 4)))]
    return manifest(photos)


def split_or_none(
    photos: Manifest, shares: tuple[float, float], seed: int, unleak: bool = False
) -> Split | None:
    parts = group_parts(photos)
    try:
        return make_split(photos, parts, valid=shares[0], test=shares[1], seed=seed, unleak=unleak)
    except DataError:
        return None


def sides(split: Split) -> dict[int, str]:
    return {i: name for name in SPLITS for i in split.of(name)}


@examples(50)
@given(manifests(mixed=True, copies=True), SHARES, SEEDS)
def test_every_photo_is_used_once_and_every_part_lies_on_one_side(
    photos: Manifest, shares: tuple[float, float], seed: int
) -> None:
    split = split_or_none(photos, shares, seed)
    if split is None:
        return
    used = [*split.train, *split.valid, *split.test]
    assert sorted(used) == list(range(len(photos.photos)))
    assert all(list(split.of(name)) == sorted(split.of(name)) for name in SPLITS)
    assert split.parts == group_parts(photos)
    side = sides(split)
    by_part: dict[str, set[str]] = {}
    by_digest: dict[str, set[str]] = {}
    for i, one in enumerate(photos.photos):
        by_digest.setdefault(one.sha256, set()).add(side[i])
        if one.part is not None:
            by_part.setdefault(one.part, set()).add(side[i])
    assert all(len(found) == 1 for found in (*by_part.values(), *by_digest.values()))
    for name in SPLITS:
        assert {photos.photos[i].label for i in split.of(name)} == set(photos.classes)


@examples(40)
@given(manifests(mixed=True, copies=True), SHARES, SEEDS, st.randoms())
def test_neither_order_nor_repetition_matters(
    photos: Manifest, shares: tuple[float, float], seed: int, random: Random
) -> None:
    split = split_or_none(photos, shares, seed)
    shuffled = list(photos.photos)
    random.shuffle(shuffled)
    again = split_or_none(manifest(shuffled), shares, seed)
    if split is None or again is None:
        assert split is again
        return
    assert split_or_none(photos, shares, seed) == split
    side, other = sides(split), sides(again)
    before = {one.name: (side[i], split.parts[i]) for i, one in enumerate(photos.photos)}
    after = {one.name: (other[i], again.parts[i]) for i, one in enumerate(shuffled)}
    assert after == before


@examples(80)
@given(manifests(mixed=False), SHARES, SEEDS)
def test_no_class_is_further_from_its_share_than_its_largest_part(
    photos: Manifest, shares: tuple[float, float], seed: int
) -> None:
    split = split_or_none(photos, shares, seed)
    if split is None:
        return
    parts = group_parts(photos)
    sizes = Counter(zip((one.label for one in photos.photos), parts, strict=True))
    for name, share in zip(("valid", "test"), shares, strict=True):
        found = Counter(photos.photos[i].label for i in split.of(name))
        for label, total in photos.counts.items():
            largest = max(n for (other, _), n in sizes.items() if other == label)
            assert abs(found[label] - share * total) <= largest + 1e-9


@examples(50)
@given(manifests(mixed=True, given_splits=True, copies=True), SHARES, SEEDS)
def test_given_splits_stay_and_make_no_new_leak(
    photos: Manifest, shares: tuple[float, float], seed: int
) -> None:
    split = split_or_none(photos, shares, seed)
    if split is None:
        return
    side = sides(split)
    given_sides = {one.split for one in photos.photos}
    were: dict[str, set[str]] = {}
    are: dict[str, set[str]] = {}
    for i, one in enumerate(photos.photos):
        if one.split in ("valid", "test"):
            assert side[i] == one.split
        if one.split == "train" and {"valid", "test"} <= given_sides:
            assert side[i] == "train"
        if one.split is None and {"valid", "test"} <= given_sides:
            assert side[i] == "train" or side[i] in {
                other.split
                for j, other in enumerate(photos.photos)
                if split.parts[j] == split.parts[i]
            }
        were.setdefault(split.parts[i], set()).add(one.split or side[i])
        are.setdefault(split.parts[i], set()).add(side[i])
    for part, found in are.items():
        if len(found) > 1:  # only where the user said so, or joined parts did
            given_here = {
                one.split
                for one, p in zip(photos.photos, split.parts, strict=True)
                if p == part and one.split is not None
            }
            assert len(given_here) > 1


@examples(50)
@given(manifests(mixed=True, given_splits=True, copies=True), SHARES, SEEDS)
def test_unleaked_no_part_is_on_two_sides_and_the_test_is_as_given(
    photos: Manifest, shares: tuple[float, float], seed: int
) -> None:
    split = split_or_none(photos, shares, seed, unleak=True)
    if split is None:
        return
    by_side = [{split.parts[i] for i in split.of(name)} for name in SPLITS]
    assert sum(map(len, by_side)) == len(set.union(*by_side))
    side = sides(split)
    for i, one in enumerate(photos.photos):
        if one.split == "test":
            assert side[i] == "test"
        if i in split.unused:
            assert one.split != "test"
            given_here = {
                other.split
                for other, part in zip(photos.photos, split.parts, strict=True)
                if part == split.parts[i]
            }
            assert given_here & {"valid", "test"}
    assert {photos.photos[i].label for i in split.train} == set(photos.classes)


@pytest.mark.parametrize("test", [0.0, 0.2])
def test_the_properties_above_are_not_empty(test: float) -> None:
    """Most generated manifests can be split; a generator that never can would prove nothing."""
    split = 0

    @settings(max_examples=30, deadline=None, database=None, derandomize=True)
    @given(manifests(mixed=True, copies=True))
    def count(photos: Manifest) -> None:
        nonlocal split
        split += split_or_none(photos, (0.2, test), 0) is not None

    count()
    assert split > 15
