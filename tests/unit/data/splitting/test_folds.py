from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.manifests import manifest, photo, plain
from sklearn.model_selection import StratifiedGroupKFold

from fastdefect.data.photos import Manifest
from fastdefect.data.splitting.folds import (
    FOLD_COLUMNS,
    Folds,
    fold_rows,
    make_folds,
    read_folds,
    split_for_fold,
)
from fastdefect.data.splitting.split import Split, group_parts, make_split
from fastdefect.errors import DataError, RunError
from fastdefect.files import read_csv, write_csv

Saved = tuple[Path, Manifest, Folds]


def split_of(photos: Manifest, *, test: float = 0.2, seed: int = 0, unleak: bool = False) -> Split:
    parts = group_parts(photos)
    return make_split(photos, parts, valid=0.2, test=test, seed=seed, unleak=unleak)


def folds_of(photos: Manifest, k: int, *, test: float = 0.2, seed: int = 0) -> Folds:
    return make_folds(photos, split_of(photos, test=test, seed=seed), k, seed=seed)


def counts(photos: Manifest, indices: Iterable[int]) -> dict[str, int]:
    return dict(Counter(photos.photos[i].label for i in indices))


def test_folds_are_equal_where_they_can_be() -> None:
    photos = plain(good=100, crack=50)
    folds = folds_of(photos, 5, test=0.2)
    for fold in range(1, 6):
        assert counts(photos, folds.held_out(fold)) == {"good": 16, "crack": 8}
    assert folds.test == split_of(photos).test
    assert folds.unused == ()


def test_odd_photos_of_several_classes_do_not_gather_in_one_fold() -> None:
    folds = folds_of(plain(a=17, b=17, c=17, d=17), 4, test=0)
    assert [len(folds.held_out(fold)) for fold in (1, 2, 3, 4)] == [17] * 4


def test_the_test_is_the_one_that_is_sealed_without_folds() -> None:
    photos = plain(good=40, crack=40)
    for seed in range(3):
        folds = folds_of(photos, 4, seed=seed)
        assert folds.test == split_of(photos, seed=seed).test
        assert all(folds.fold[i] == 0 for i in folds.test)


def test_folds_are_the_same_on_every_machine_and_version() -> None:
    """Written down once: if this changes, old runs can't be repeated."""
    assert folds_of(plain(good=7, crack=5), 3, test=0.1, seed=7).fold == (
        *(0, 2, 1, 1, 3),
        *(3, 2, 0, 1, 3, 1, 2),
    )


def test_a_given_test_stays_sealed_and_given_train_and_valid_are_allocated() -> None:
    photos = manifest(
        photo(f"{side}/{c}/{i}", c, split=side)
        for side in ("train", "valid", "test")
        for c in "ab"
        for i in range(6)
    )
    folds = folds_of(photos, 3)
    assert {photos.photos[i].split for i in folds.test} == {"test"}
    assert {photos.photos[i].split for i in folds.pool} == {"train", "valid"}
    assert len(folds.pool) == 24


def test_only_what_leaks_into_the_test_stays_out() -> None:
    photos = manifest(
        [
            *(
                photo(f"{side}/{c}/{i}", c, split=side)
                for side in ("train", "valid", "test")
                for c in "ab"
                for i in range(6)
            ),
            *(photo(f"p/{side}", "a", part="p", split=side) for side in ("train", "test")),
            *(photo(f"q/{side}", "a", part="q", split=side) for side in ("train", "valid")),
        ]
    )
    names = [p.name for p in photos.photos]
    folds = make_folds(photos, split_of(photos, unleak=True), 3, seed=0)
    assert [names[i] for i in folds.unused] == ["p/train"]
    assert folds.fold[names.index("q/train")] == folds.fold[names.index("q/valid")] > 0
    kept = make_folds(photos, split_of(photos), 3, seed=0)  # as given, without unleak
    assert kept.fold[names.index("p/train")] > 0


def parted(generator: np.random.Generator, n_parts: int) -> Manifest:
    photos = []
    for p in range(n_parts):
        label = "crack" if generator.random() < 0.3 else "good"
        for i in range(generator.integers(1, 9)):
            other = "crack" if p % 10 == 0 and i % 2 else label
            photos.append(photo(f"{p:03}/{i}", other, part=f"p{p}"))
    return manifest(photos)


def test_proportions_are_kept_as_well_as_sklearn_keeps_them() -> None:
    photos = parted(np.random.default_rng(0), 120)
    criteria = {name: n / 5 for name, n in photos.counts.items()}

    def worst(indices: Iterable[int]) -> float:
        found = counts(photos, indices)
        return max(abs(found.get(name, 0) - criteria[name]) for name in criteria)

    theirs = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(
        np.zeros(len(photos.photos)), photos.labels, group_parts(photos)
    )
    sklearns = max(worst(held_out) for _, held_out in theirs)
    for seed in range(3):
        folds = folds_of(photos, 5, test=0, seed=seed)
        assert max(worst(folds.held_out(fold)) for fold in range(1, 6)) <= max(sklearns, 2)


@pytest.mark.parametrize(
    ("parts", "k", "needed"), [(4, 5, 5), (2, 3, 3), (3, 2, 4), (1, 2, 4), (9, 10, 10)]
)
def test_too_few_parts_report_how_many_are_needed(parts: int, k: int, needed: int) -> None:
    cracks = [photo(f"crack/{i}", "crack", part=f"p{i % parts}") for i in range(20)]
    photos = manifest([*plain(good=60).photos, *cracks])
    split = Split(tuple(range(80)), (), (), group_parts(photos))
    with pytest.raises(DataError) as caught:
        make_folds(photos, split, k, seed=0)
    have = "1 part" if parts == 1 else f"{parts} parts"
    assert f"Class crack has {have} in 20 photos outside the test" in caught.value.message
    assert f"{k} folds need at least {needed}" in caught.value.message


@pytest.mark.parametrize("k", [2, 3, 5])
def test_as_many_parts_as_are_needed_are_enough(k: int) -> None:
    needed = 4 if k == 2 else k
    photos = plain(good=needed, crack=needed)
    folds = make_folds(
        photos, Split(tuple(range(2 * needed)), (), (), group_parts(photos)), k, seed=0
    )
    for fold in range(1, k + 1):
        split = split_for_fold(photos, folds, fold, valid=0.2, seed=0)
        assert set(counts(photos, split.train)) == set(counts(photos, split.valid)) == {
            "good", "crack"
        }  # fmt: skip


def test_a_number_that_is_no_fold() -> None:
    photos = plain(good=9, crack=9)
    with pytest.raises(ValueError, match="2 or more folds"):
        make_folds(photos, split_of(photos), 1, seed=0)
    for number in (0, 4):
        with pytest.raises(ValueError, match="from 1 to 3"):
            folds_of(photos, 3).held_out(number)


# ---- the split of one fold ---------------------------------------------------------------


def test_what_a_fold_holds_out_is_on_no_side() -> None:
    photos = plain(good=60, crack=60)
    folds = folds_of(photos, 4)
    for fold in range(1, 5):
        split = split_for_fold(photos, folds, fold, valid=0.25, seed=0)
        assert split.unused == folds.held_out(fold)
        assert split.test == folds.test
        assert counts(photos, split.valid) == {"good": 9, "crack": 9}  # a quarter of 36
        assert set(split.train) | set(split.valid) == set(folds.pool) - set(split.unused)


def test_the_folds_do_not_all_validate_on_the_same_photos() -> None:
    photos = plain(good=60, crack=60)
    folds = folds_of(photos, 4)
    valid = [
        set(split_for_fold(photos, folds, fold, valid=0.2, seed=0).valid) for fold in range(1, 5)
    ]
    assert len(set.intersection(*valid)) == 0
    assert split_for_fold(photos, folds, 2, valid=0.2, seed=0).valid == tuple(sorted(valid[1]))


# ---- on disk -----------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    photos = manifest([*plain(good=12, crack=12).photos, photo("x, 1", "good", part="7; 8")])
    folds = folds_of(photos, 3)
    path = tmp_path / "folds.csv"
    write_csv(path, fold_rows(photos, folds), FOLD_COLUMNS)
    return path, photos, folds


def test_folds_come_back_as_they_were(saved: Saved) -> None:
    path, photos, folds = saved
    assert read_folds(path, photos) == folds
    assert path.read_text(encoding="utf-8").startswith("path,label,part,split,sha256,fold\n")
    assert {(row["split"], row["fold"]) for row in read_csv(path)} == {
        ("train", "1"), ("train", "2"), ("train", "3"), ("test", "")
    }  # fmt: skip


def test_photos_that_changed_are_refused(saved: Saved) -> None:
    path, photos, _ = saved
    kept = list(photos.photos)
    kept[3] = replace(kept[3], sha256="other")
    with pytest.raises(DataError, match="1 changed"):
        read_folds(path, manifest(kept))


@pytest.mark.parametrize(
    "harm",
    [
        lambda row: {**row, "fold": ""},
        lambda row: {**row, "fold": "one"},
        lambda row: {**row, "fold": "9"},
        lambda row: {**row, "split": "valid"},
        lambda row: {**row, "split": "test"},
    ],
)
def test_damaged_folds(saved: Saved, harm: Callable[[dict[str, str]], dict[str, str]]) -> None:
    path, photos, folds = saved
    rows = fold_rows(photos, folds)
    at = folds.held_out(1)[0]
    rows[at] = harm(rows[at])
    write_csv(path, rows, FOLD_COLUMNS)
    with pytest.raises(RunError, match="expected a fold from 1 on"):
        read_folds(path, photos)
