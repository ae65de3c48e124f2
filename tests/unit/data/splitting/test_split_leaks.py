"""Splits with parts from elsewhere, and parts on two sides."""

import pytest
from helpers.manifests import manifest, photo
from helpers.splits import counts, given_split, leaking, named, split_by_parts

from fastdefect.data.splitting.split import (
    SPLITS,
    group_parts,
    make_split,
    plain_leaks,
)
from fastdefect.errors import DataError

# ---- parts from elsewhere, leaks ---------------------------------------------------------


def test_the_parts_that_are_handed_over_count_and_no_others() -> None:
    photos = manifest(photo(f"{c}/{i:02}", c, part="all one") for c in "ab" for i in range(12))
    parts = tuple(f"{p.label}{i // 2}" for i, p in enumerate(photos.photos))
    split = make_split(photos, parts, valid=0.25, test=0.25, seed=0)
    assert split.parts == parts
    for name in SPLITS:
        assert all(parts.count(parts[i]) == sum(parts[j] == parts[i] for j in split.of(name))
                   for i in split.of(name))  # fmt: skip
    with pytest.raises(ValueError, match="Expected 24 parts, got 1"):
        make_split(photos, ("one",), valid=0.25, test=0.25, seed=0)


def test_unleak_takes_the_offenders_out_and_nothing_else() -> None:
    photos = leaking()
    kept = split_by_parts(photos, valid=0.2, test=0.2, seed=0)
    assert kept.unused == ()
    assert named(photos, kept)["p/train"] == "train"
    split = split_by_parts(photos, valid=0.2, test=0.2, seed=0, unleak=True)
    unused = {photos.photos[i].name for i in split.unused}
    assert unused == {"p/train", "p/none", "q/valid", "r/train"}
    rest = named(photos, split)
    assert rest == {p.name: p.split for p in photos.photos if p.name not in unused}


def test_unleak_changes_nothing_where_nothing_leaks() -> None:
    photos = given_split(40, 0, 10)
    options = {"valid": 0.25, "test": 0.1, "seed": 0}
    plainly = split_by_parts(photos, **options)
    assert split_by_parts(photos, **options, unleak=True) == plainly


def test_unleak_with_a_drawn_valid() -> None:
    leak = [photo(f"p/{side}", "good", part="p", split=side) for side in ("train", "test")]
    photos = manifest([*given_split(40, 0, 10).photos, *leak])
    split = split_by_parts(photos, valid=0.25, test=0.1, seed=0, unleak=True)
    assert [photos.photos[i].name for i in split.unused] == ["p/train"]
    assert counts(photos, split)["valid"] == {"crack": 10, "good": 10}


def test_unleak_that_leaves_a_class_untrained() -> None:
    burrs = [photo(f"b/{side}", "burr", part="b", split=side) for side in ("train", "test")]
    photos = manifest([*given_split(10, 5, 5).photos, *burrs])
    with pytest.raises(DataError, match="--unleak removes all train photos of burr"):
        split_by_parts(photos, valid=0.2, test=0.2, seed=0, unleak=True)


def test_unleak_that_leaves_nothing_to_validate_on() -> None:
    leak = [photo(f"p/{side}", "good", part="p", split=side) for side in ("valid", "test")]
    photos = manifest([*given_split(10, 0, 5).photos, *leak])
    with pytest.raises(DataError, match="Expected photos in valid, but --unleak removes all"):
        split_by_parts(photos, valid=0.2, test=0.2, seed=0, unleak=True)


def test_a_plain_split_leaks_nearly_every_held_out_photo_of_large_parts() -> None:
    photos = manifest(photo(f"{c}/{i:03}", c) for c in "ab" for i in range(100))
    parts = tuple(f"{p.label}{i // 10}" for i, p in enumerate(photos.photos))
    leaks = plain_leaks(photos, parts, valid=0.2, test=0.2, seed=1)
    assert leaks.held_out == 80
    assert leaks.leaked > 76  # a part of ten with all ten held out is next to impossible
    alone = tuple(str(i) for i in range(200))
    assert plain_leaks(photos, alone, valid=0.2, test=0.2, seed=1).leaked == 0


def test_a_plain_split_is_counted_photo_by_photo() -> None:
    photos = manifest(photo(f"{c}/{i:03}", c) for c in "ab" for i in range(30))
    parts = tuple(f"{p.label}{i // 3}" for i, p in enumerate(photos.photos))
    alone = tuple(p.name for p in photos.photos)
    split = make_split(photos, alone, valid=0.2, test=0.1, seed=4)
    trained = [parts[i] for i in split.train]
    expected = sum(trained.count(parts[i]) > 0 for i in (*split.valid, *split.test))
    leaks = plain_leaks(photos, parts, valid=0.2, test=0.1, seed=4)
    assert (leaks.leaked, leaks.held_out) == (expected, 18)


def test_a_given_side_is_no_split_of_ours_to_leak() -> None:
    photos = leaking()
    leaks = plain_leaks(photos, group_parts(photos), valid=0.2, test=0.2, seed=0)
    assert (leaks.leaked, leaks.held_out) == (0, 0)
