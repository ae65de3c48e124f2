"""Splits for learning from good parts alone: no defect in train."""

from collections import Counter
from dataclasses import replace

import pytest
from helpers.manifests import manifest, photo, plain
from helpers.splits import counts, split_by_parts

from fastdefect.data.photos import Manifest
from fastdefect.errors import DataError


def _only_good(photos: Manifest) -> Manifest:
    return replace(photos, good=("good",), only_good=True)


def test_defects_are_shared_by_valid_and_test_in_proportion() -> None:
    photos = _only_good(plain(good=100, defect=50))
    found = counts(photos, split_by_parts(photos, valid=0.1, test=0.15, seed=1))
    assert found == {
        "train": {"good": 75},
        "valid": {"good": 10, "defect": 20},
        "test": {"good": 15, "defect": 30},
    }


@pytest.mark.parametrize(("defects", "valid"), [(0, 0), (1, 1), (2, 1)])
def test_a_few_defects_or_none_are_enough(defects: int, valid: int) -> None:
    photos = _only_good(plain(good=30, defect=defects) if defects else plain(good=30))
    found = counts(photos, split_by_parts(photos, valid=0.2, test=0.2, seed=1))
    assert found["train"] == {"good": 18}
    assert found["valid"].get("defect", 0) == valid


def test_all_defects_are_for_validation_without_a_test() -> None:
    photos = _only_good(plain(good=30, defect=7))
    found = counts(photos, split_by_parts(photos, valid=0.2, test=0.0, seed=1))
    assert found["valid"] == {"good": 6, "defect": 7}


def test_a_part_with_good_photos_and_defects_stays_whole() -> None:
    mixed = [photo(f"p{i}/{c}", c, part=f"p{i}") for i in range(12) for c in ("good", "defect")]
    photos = _only_good(manifest([*mixed, *plain(good=20, defect=5).photos]))
    split = split_by_parts(photos, valid=0.2, test=0.2, seed=3)
    sides = Counter(split.parts[i] for i in split.train)
    assert all(n == 2 for part, n in sides.items() if part.startswith("p"))
    alone = [photos.photos[i] for i in split.train if photos.photos[i].part is None]
    assert {each.label for each in alone} == {"good"}


def test_good_photos_must_be_in_train() -> None:
    given = [photo(f"{i}", "good", split="test") for i in range(4)]
    bad = [photo(f"b{i}", "defect", split="train") for i in range(4)]
    with pytest.raises(DataError, match="no photo of good"):
        split_by_parts(_only_good(manifest([*given, *bad])), valid=0.2, test=0.0, seed=1)
