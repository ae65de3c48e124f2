from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.manifests import manifest, photo, plain
from sklearn.model_selection import StratifiedGroupKFold

from fastdefect.data.reading.manifest import Manifest
from fastdefect.data.splitting.split import (
    SPLITS,
    Split,
    deal_again,
    group_parts,
    make_split,
    plain_leaks,
    read_split,
    run_rows,
    split_rows,
)
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.files import write_csv
from fastdefect.run_files import SPLIT_COLUMNS

Saved = tuple[Path, Manifest, Split]


def split_by_parts(photos: Manifest, **options: Any) -> Split:
    """The split by the parts that the photos name themselves."""
    return make_split(photos, group_parts(photos), **options)


def counts(photos: Manifest, split: Split) -> dict[str, dict[str, int]]:
    """Photos by split and class."""
    return {name: dict(Counter(photos.photos[i].label for i in split.of(name))) for name in SPLITS}


def named(photos: Manifest, split: Split) -> dict[str, str]:
    """The side of each photo, by its name."""
    return {photos.photos[i].name: side for side in SPLITS for i in split.of(side)}


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


# ---- given splits ------------------------------------------------------------------------


def given_split(train: int = 40, valid: int = 0, test: int = 0) -> Manifest:
    return manifest(
        photo(f"{side}/{c}/{i:03}", c, split=side)
        for side, n in (("train", train), ("valid", valid), ("test", test))
        for c in ("crack", "good")
        for i in range(n)
    )


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


def leaking() -> Manifest:
    """Given splits in which parts p (train, test), q (valid, test), r (train, valid) leak."""
    return manifest(
        [
            *given_split(10, 5, 5).photos,
            *(photo(f"p/{side}", "good", part="p", split=side) for side in ("train", "test")),
            *(photo(f"q/{side}", "good", part="q", split=side) for side in ("valid", "test")),
            *(photo(f"r/{side}", "good", part="r", split=side) for side in ("train", "valid")),
            photo("p/none", "good", part="p"),
        ]
    )


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


# ---- on disk -----------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    photos = manifest(
        [
            *plain(good=9, crack=9).photos,
            photo('bad, "very"/ü.png', "crack", part="7; 8"),
            photo("1.png", "good", sha256="sha of good/0000"),
        ]
    )
    split = split_by_parts(photos, valid=0.2, test=0.2, seed=0)
    path = tmp_path / "split.csv"
    write_csv(path, split_rows(photos, split), SPLIT_COLUMNS)
    return path, photos, split


def test_a_split_comes_back_as_it_was(saved: Saved) -> None:
    path, photos, split = saved
    assert read_split(path, photos) == split
    assert path.read_text(encoding="utf-8").splitlines()[0] == "path,label,part,split,sha256"
    assert len(split_rows(photos, split)) == len(photos.photos)


def test_a_run_keeps_the_parts_as_the_user_named_them() -> None:
    """Identical photos join the parts P and Q; both names may return with later photos."""
    photos = manifest([
        *plain(good=9, crack=9).photos,
        photo("good/p", "good", part="P", sha256="same"),
        photo("good/q", "good", part="Q", sha256="same"),
    ])  # fmt: skip
    split = split_by_parts(photos, valid=0.2, test=0.2, seed=0)
    rows = {row["path"]: (row["part"], row["given_part"]) for row in run_rows(photos, split)}
    assert (rows["good/p"], rows["good/q"]) == (("P", "P"), ("P", "Q"))
    assert rows["good/0000"] == ("good/0000", "")


def test_an_unused_photo_comes_back_unused(tmp_path: Path) -> None:
    photos = leaking()
    split = split_by_parts(photos, valid=0.2, test=0.2, seed=0, unleak=True)
    rows = split_rows(photos, split)
    assert Counter(row["split"] for row in rows)["unused"] == 4
    write_csv(tmp_path / "split.csv", rows, SPLIT_COLUMNS)
    assert read_split(tmp_path / "split.csv", photos) == split


def test_the_order_of_photos_does_not_matter_to_a_saved_split(saved: Saved) -> None:
    path, photos, split = saved
    turned = manifest(reversed(photos.photos))
    assert named(turned, read_split(path, turned)) == named(photos, split)


def test_other_photos_are_an_error_that_names_them(saved: Saved) -> None:
    path, photos, _ = saved
    kept = list(photos.photos)
    kept[3] = replace(kept[3], sha256="other")
    kept[4] = replace(kept[4], label="good")
    del kept[10:17]
    kept.append(photo("new.png", "good"))
    with pytest.raises(DataError) as caught:
        read_split(path, manifest(kept))
    message = caught.value.message
    gone = [p.name for p in photos.photos[10:17]]
    assert f"7 missing or unreadable: {', '.join(gone[:5])} and 2 more" in message
    assert "1 new: new.png" in message
    assert f"1 changed: {photos.photos[3].name}" in message
    assert f"1 relabelled: {photos.photos[4].name}" in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "Expected the split at"),
        ("", "is empty"),
        ("path,label\na,b\n", "line 2: expected path,label,part,split,sha256"),
        ("path,label,part,split,sha256\na,b,c,tran,e\n", "line 2: expected"),
        ("path,label,part,split,sha256\na,b,c\n", "line 2: expected"),
        ("path,label,part,split,sha256\na,b,c,test,e\na,b,c,test,e\n", "lists a photo twice"),
    ],
)
def test_a_damaged_split(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "split.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=says):
        read_split(path, plain(good=3, crack=3))


def test_a_split_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match="Cannot read the split"):
        read_split(path, plain(good=3, crack=3))


# ---- dealt again beside the same test ----------------------------------------------------


@pytest.mark.parametrize("test", [0.25, 0.0])
def test_dealt_again_the_test_stays_and_train_and_valid_change(test: float) -> None:
    photos = manifest(
        [photo(f"{i:03}", "bad" if i // 4 % 2 else "good", part=str(i // 4)) for i in range(320)]
    )
    base = split_by_parts(photos, valid=0.25, test=test, seed=1)
    again = deal_again(photos, base, valid=0.25, test=test, seed=2)
    assert again.test == base.test
    assert again.parts == base.parts
    assert again.valid != base.valid
    assert counts(photos, again) == counts(photos, base)  # as large, and as stratified
    assert not {base.parts[i] for i in again.train} & {base.parts[i] for i in again.valid}
    assert deal_again(photos, base, valid=0.25, test=test, seed=2) == again
    assert deal_again(photos, base, valid=0.25, test=test, seed=3) != again


@pytest.mark.parametrize("given", ["valid", "test"])
def test_dealt_again_what_is_given_stays(given: str) -> None:
    names = [f"{i:03}" for i in range(120)]
    photos = manifest(
        [
            photo(name, "good" if i % 2 else "bad", split=given if i < 30 else None)
            for i, name in enumerate(names)
        ]
    )
    base = split_by_parts(photos, valid=0.25, test=0.2, seed=1)
    again = deal_again(photos, base, valid=0.25, test=0.2, seed=2)
    assert again.of(given) == base.of(given) == tuple(range(30))
    assert again.test == base.test
    assert counts(photos, again) == counts(photos, base)
    assert (again.valid == base.valid) == (given == "valid")


def test_dealt_again_unleaked_photos_stay_out() -> None:
    sealed = [photo(f"t{i}", "good" if i % 2 else "bad", part=str(i), split="test") for i in (1, 2)]
    rest = [
        photo(f"{i:02}", "good" if i % 2 else "bad", part=str(i), split="train")
        for i in range(1, 41)
    ]
    photos = manifest([*rest, *sealed])
    shares = {"valid": 0.25, "test": 0.25, "unleak": True}
    base = make_split(photos, group_parts(photos), seed=1, **shares)
    again = deal_again(photos, base, seed=2, **shares)
    assert again.unused == base.unused
    assert len(base.unused) == 2
    assert again.test == base.test
