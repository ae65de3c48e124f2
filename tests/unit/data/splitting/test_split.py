from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from helpers.manifests import manifest, photo, plain
from helpers.splits import counts, given_split, named, split_by_parts
from sklearn.model_selection import StratifiedGroupKFold

from fastdefect.data.splitting.split import (
    SPLITS,
    group_parts,
)
from fastdefect.errors import DataError, UsageError

# ---- parts -------------------------------------------------------------------------------


def test_parts_are_joined_by_identical_bytes() -> None:
    photos = manifest(
        [
            photo("a", "good", part="p2", sha256="1"),
            photo("b", "good", part="p1", sha256="2"),
            photo("c", "good", sha256="2"),  # of b's part, since it is b
            photo("d", "bad", sha256="1"),
            photo("e", "bad", part="p3"),
            photo("f", "bad"),
        ]
    )
    assert group_parts(photos) == ("p2", "p1", "p1", "p2", "p3", "f")
    chained = manifest([*photos.photos, photo("g", "bad", part="p1", sha256="1")])
    assert group_parts(chained) == ("p1", "p1", "p1", "p1", "p3", "f", "p1")


def test_a_part_called_like_a_photo_is_not_that_photo() -> None:
    photos = manifest([photo("a", "good"), photo("b", "good", part="a"), photo("c", "bad")])
    parts = group_parts(photos)
    assert len(set(parts)) == 3
    assert parts[1] == "a"


# ---- shares ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("valid", "test", "expected"),
    [(0.15, 0.15, (70, 15, 15)), (0.2, 0.0, (80, 20, 0)), (0.25, 0.5, (25, 25, 50))],
)
def test_shares_of_single_photos_are_exact(
    valid: float, test: float, expected: tuple[int, int, int]
) -> None:
    photos = plain(good=200, crack=100)
    found = counts(photos, split_by_parts(photos, valid=valid, test=test, seed=3))
    for side, share in zip(SPLITS, expected, strict=True):
        want = {"crack": share, "good": 2 * share} if share else {}
        assert found[side] == want


def test_every_class_is_on_every_side_from_three_photos_on() -> None:
    photos = plain(good=100, crack=3)
    found = counts(photos, split_by_parts(photos, valid=0.1, test=0.1, seed=0))
    assert [found[side]["crack"] for side in SPLITS] == [1, 1, 1]


@pytest.mark.parametrize(
    ("n", "test", "says"),
    [
        (2, 0.1, "2 photos to be split into train, valid and test, but at least 3 are needed"),
        (1, 0.0, "1 photo to be split into train and valid, but at least 2 are needed"),
    ],
)
def test_too_few_photos_report_how_many_are_needed(n: int, test: float, says: str) -> None:
    with pytest.raises(DataError) as caught:
        split_by_parts(plain(good=50, crack=n), valid=0.1, test=test, seed=0)
    assert f"Class crack has {says}" in caught.value.message
    assert ("--test 0" in caught.value.hint) == (test > 0)


def test_too_few_parts_however_many_photos() -> None:
    cracks = [photo(f"crack/{i}", "crack", part=f"p{i % 2}") for i in range(40)]
    photos = manifest([*plain(good=50).photos, *cracks])
    with pytest.raises(DataError, match=r"Class crack has 2 parts in 40 photos .* least 3"):
        split_by_parts(photos, valid=0.1, test=0.1, seed=0)
    assert split_by_parts(photos, valid=0.1, test=0, seed=0)


def test_parts_of_two_classes_that_cannot_be_allocated() -> None:
    # Three parts of each class, but the same two of them show both.
    both = [photo(f"{p}{c}", c, part=p) for p in ("p", "q") for c in ("a", "b")]
    photos = manifest([*both, photo("ra", "a"), photo("sb", "b")])
    found = counts(photos, split_by_parts(photos, valid=0.2, test=0.2, seed=0))
    assert all(set(found[side]) == {"a", "b"} for side in SPLITS)  # r and s share a side
    chain = manifest(
        [
            *(photo(f"{p}{c}", c, part=p) for p, c in ["pa", "pb", "qa", "qc", "rb", "rc"]),
            *(photo(f"s{c}", c, part="s") for c in "abc"),
        ]
    )
    with pytest.raises(DataError, match="to train, valid and test, but they also show"):
        split_by_parts(chain, valid=0.2, test=0.2, seed=0)


@pytest.mark.parametrize(
    ("valid", "test"), [(0, 0.1), (-0.1, 0.1), (0.1, -0.1), (0.5, 0.5), (1, 0), (float("nan"), 0)]
)
def test_impossible_shares(valid: float, test: float) -> None:
    with pytest.raises(UsageError, match="a sum below 1, but got --valid"):
        split_by_parts(plain(good=9, crack=9), valid=valid, test=test, seed=0)


def test_the_seed_matters_and_nothing_else_does() -> None:
    photos = plain(good=60, crack=40)
    first = split_by_parts(photos, valid=0.2, test=0.2, seed=1)
    assert split_by_parts(photos, valid=0.2, test=0.2, seed=1) == first
    other = split_by_parts(photos, valid=0.2, test=0.2, seed=2)
    assert other.valid != first.valid
    assert counts(photos, other) == counts(photos, first)


def test_the_split_is_the_same_on_every_machine_and_version() -> None:
    """Written down once: if this changes, old runs and papers can't be repeated."""
    photos = plain(good=10, crack=6)
    split = split_by_parts(photos, valid=0.2, test=0.2, seed=7)
    assert (split.valid, split.test) == ((2, 9, 12), (1, 6, 15))


def test_wishes_are_met_as_closely_as_sklearn_meets_them() -> None:
    generator = np.random.default_rng(0)
    photos = []
    for p in range(120):
        label = "crack" if generator.random() < 0.3 else "good"
        for i in range(generator.integers(1, 9)):
            # One part in ten shows both classes.
            other = "crack" if p % 10 == 0 and i % 2 else label
            photos.append(photo(f"{p:03}/{i}", other, part=f"p{p}"))
    all_photos = manifest(photos)
    criteria = {name: 0.2 * n for name, n in all_photos.counts.items()}

    def worst(indices: Iterable[int]) -> float:
        found = Counter(photos[i].label for i in indices)
        return max(abs(found[name] - criteria[name]) for name in criteria)

    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    theirs = folds.split(np.zeros(len(photos)), all_photos.labels, group_parts(all_photos))
    best_of_sklearn = min(worst(test) for _, test in theirs)
    for seed in range(5):
        split = split_by_parts(all_photos, valid=0.2, test=0.2, seed=seed)
        assert worst(split.valid) <= max(best_of_sklearn, 1.5)
        assert worst(split.test) <= max(best_of_sklearn, 1.5)


def test_what_is_given_is_kept() -> None:
    photos = given_split(20, 5, 5)
    split = split_by_parts(photos, valid=0.4, test=0.3, seed=0)
    assert named(photos, split) == {p.name: p.split for p in photos.photos}


@pytest.mark.parametrize("test", [0.0, 0.5])
def test_a_missing_valid_is_split_off_from_train(test: float) -> None:
    photos = given_split(40, 0, 10)
    split = split_by_parts(photos, valid=0.25, test=test, seed=0)
    side = named(photos, split)
    assert all(side[p.name] == "test" for p in photos.photos if p.split == "test")
    assert counts(photos, split)["valid"] == {"crack": 10, "good": 10}  # a quarter of train


def test_a_missing_test_is_split_off_from_train_unless_unwanted() -> None:
    photos = given_split(40, 10)
    carved = counts(photos, split_by_parts(photos, valid=0.4, test=0.25, seed=0))
    assert carved["valid"] == {"crack": 10, "good": 10}
    assert carved["test"] == {"crack": 10, "good": 10}
    unwanted = counts(photos, split_by_parts(photos, valid=0.4, test=0, seed=0))
    assert unwanted["test"] == {}
    assert unwanted["train"] == {"crack": 40, "good": 40}


def test_train_alone_is_split_into_three() -> None:
    photos = given_split(40)
    found = counts(photos, split_by_parts(photos, valid=0.25, test=0.25, seed=0))
    assert [found[side]["good"] for side in SPLITS] == [20, 10, 10]


def test_rows_without_a_split_are_trained_on_where_nothing_is_missing() -> None:
    photos = manifest([*given_split(10, 5, 5).photos, photo("x", "good"), photo("y", "crack")])
    side = named(photos, split_by_parts(photos, valid=0.2, test=0.2, seed=0))
    assert (side["x"], side["y"]) == ("train", "train")


def test_rows_without_a_split_are_allocated_where_something_is_missing() -> None:
    photos = manifest([*given_split(0, 0, 10).photos, *plain(good=20, crack=20).photos])
    found = counts(photos, split_by_parts(photos, valid=0.25, test=0.1, seed=0))
    assert found["valid"] == {"crack": 5, "good": 5}
    assert found["train"] == {"crack": 15, "good": 15}


def test_a_row_without_a_split_follows_its_part() -> None:
    photos = manifest(
        [
            *given_split(10, 5, 5).photos,
            photo("t1", "good", part="p1", split="test"),
            photo("t2", "good", part="p1"),
            photo("v1", "good", part="p2", split="valid", sha256="same"),
            photo("v2", "good", sha256="same"),
            photo("w1", "good", part="p3", split="valid"),
            photo("w2", "good", part="p3", split="test"),
            photo("w3", "good", part="p3"),
        ]
    )
    side = named(photos, split_by_parts(photos, valid=0.2, test=0.2, seed=0))
    assert (side["t2"], side["v2"]) == ("test", "valid")
    assert (side["w1"], side["w2"], side["w3"]) == ("valid", "test", "train")


def test_a_part_given_on_two_sides_stays_and_is_not_allocated() -> None:
    pinned = [
        photo("p/train", "good", part="p", split="train"),
        photo("p/test", "good", part="p", split="test"),
    ]
    photos = manifest([*given_split(20, 0, 5).photos, *pinned])
    for seed in range(20):
        side = named(photos, split_by_parts(photos, valid=0.45, test=0.2, seed=seed))
        assert (side["p/train"], side["p/test"]) == ("train", "test")


def test_photos_that_must_stay_in_train_count_there() -> None:
    # Ten of good's twenty photos can't be moved: the valid share is still of all twenty.
    pinned = [photo(f"p{i}", "good", part="p", split="train") for i in range(10)]
    leak = [photo("leak", "good", part="p", split="test"), photo("t", "crack", split="test")]
    free = [photo(f"{c}/{i}", c, split="train") for c in ("good", "crack") for i in range(10)]
    photos = manifest([*pinned, *leak, *free])
    found = counts(photos, split_by_parts(photos, valid=0.2, test=0.2, seed=0))
    assert found["valid"] == {"good": 4, "crack": 2}


def test_a_class_that_is_never_trained_on() -> None:
    photos = manifest([*given_split(10, 5, 5).photos, photo("b", "burr", split="test")])
    with pytest.raises(DataError, match="train has no photo of burr"):
        split_by_parts(photos, valid=0.2, test=0.2, seed=0)


def test_an_unknown_side() -> None:
    split = split_by_parts(plain(good=9, crack=9), valid=0.2, test=0.2, seed=0)
    assert split.of("valid") == split.valid
    with pytest.raises(ValueError, match="Expected a split"):
        split.of("parts")
