"""A split that continues an earlier one: sides are kept, new photos are allocated."""

from collections import Counter
from dataclasses import replace

import pytest
from helpers.manifests import manifest, photo
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdefect.data.photos import Manifest
from fastdefect.data.splitting.earlier import EarlierSides, FurtherSplit, given_parts, split_further
from fastdefect.data.splitting.split import SPLITS, UNUSED, group_parts
from fastdefect.errors import DataError


def row(name: str, split: str, part: str | None = None) -> dict[str, str]:
    return {
        "path": name,
        "label": name.partition("/")[0],
        "part": part or name,
        "split": split,
        "sha256": f"sha of {name}",
    }


EARLIER = [
    row(f"{label}/{i}", split)
    for label in ("crack", "good")
    for i, split in enumerate(["train"] * 6 + ["valid"] * 2 + ["test"] * 2)
]


def further(photos: Manifest, rows: list[dict[str, str]], test: float = 0.2) -> FurtherSplit:
    parts = group_parts(photos)
    return split_further(photos, parts, EarlierSides.of("run", rows), valid=0.2, test=test, seed=1)


def sides(photos: Manifest, found: FurtherSplit) -> dict[str, str]:
    named = {photos.photos[i].name: side for side in SPLITS for i in found.split.of(side)}
    return {each.name: named.get(each.name, UNUSED) for each in photos.photos}


def test_known_photos_keep_their_side_under_any_name() -> None:
    photos = manifest(
        replace(photo(f"moved/{each['path']}", each["label"]), sha256=each["sha256"])
        for each in EARLIER
    )
    found = further(photos, EARLIER)
    assert sides(photos, found) == {f"moved/{each['path']}": each["split"] for each in EARLIER}
    assert [note.text for note in found.notes] == [
        "20 photos of run keep their side (train 12, valid 4, test 4). 0 photos are new."
    ]


def test_new_photos_and_new_classes_are_on_every_side() -> None:
    new = [photo(f"new/{i}", "good") for i in range(10)]
    scratch = [photo(f"scratch/{i}", "scratch") for i in range(10)]
    known = [photo(each["path"], each["label"]) for each in EARLIER]
    photos = manifest([*known, *new, *scratch])
    found = sides(photos, further(photos, EARLIER))
    for names in (new, scratch):
        assert Counter(found[each.name] for each in names) == {"train": 6, "valid": 2, "test": 2}


def test_few_new_photos_of_a_known_class_are_trained_on() -> None:
    known = [photo(each["path"], each["label"]) for each in EARLIER]
    photos = manifest([*known, photo("good/new", "good")])
    assert sides(photos, further(photos, EARLIER))["good/new"] == "train"
    with pytest.raises(DataError, match="Class dent has 1 photo to be split"):
        further(manifest([*known, photo("dent/new", "dent")]), EARLIER)


def test_a_part_that_was_sealed_stays_sealed() -> None:
    rows = [*EARLIER, row("good/a", "test", "7"), row("good/b", "train", "8")]
    known = [photo(each["path"], each["label"]) for each in EARLIER]
    photos = manifest([*known, photo("good/c", "good", "7"), photo("good/d", "good", "8")])
    found = sides(photos, further(photos, rows))
    assert (found["good/c"], found["good/d"]) == ("test", "train")


def test_what_was_trained_on_is_unused_if_its_part_is_sealed() -> None:
    known = [
        photo(each["path"], each["label"], "P" if each["path"] in ("good/0", "good/9") else None)
        for each in EARLIER
    ]
    found = sides(manifest(known), further(manifest(known), EARLIER))
    assert (found["good/9"], found["good/0"]) == ("test", "unused")


def test_a_found_part_is_no_name_to_compare() -> None:
    rows = [row("good/1", "test", "good/0"), row("good/2", "train", "./good/0")]
    rows += [row("good/0", "test", "good/0"), row("good/3", "train", "P7")]
    assert given_parts(rows) == {"P7"}


def test_without_other_photos_validation_is_taken_from_train_with_a_warning() -> None:
    rows = [{**each, "split": "train"} for each in EARLIER]
    photos = manifest(photo(each["path"], each["label"]) for each in EARLIER)
    found = further(photos, rows)
    assert Counter(sides(photos, found).values()) == {"train": 16, "valid": 4}
    assert found.notes[-1].level == "warning"
    assert "was not trained on" in found.notes[-1].text


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(["train", "valid", "test", "unused"]), min_size=12, max_size=24),
    st.lists(st.integers(0, 11), min_size=12, max_size=24),
    st.integers(6, 20),
)
def test_nothing_trained_on_is_tested_and_no_part_is_on_two_sides(
    before: list[str], part_of: list[int], n_new: int
) -> None:
    """Whatever the earlier sides were, and whatever parts are found now."""
    labels = ["crack", "good"]
    rows = [row(f"{labels[i % 2]}/{i}", side) for i, side in enumerate(before)]
    known = [
        photo(each["path"], each["label"], f"P{part}")
        for each, part in zip(rows, part_of, strict=False)
    ]
    new = [photo(f"new/{i}", labels[i % 2]) for i in range(n_new)]
    photos = manifest([*known, *new])
    try:
        found = sides(photos, further(photos, rows))
    except DataError:  # too few parts for every side
        return
    was = {each["path"]: each["split"] for each in rows}
    sealed = {each.part for each in known if was[each.name] == "test"}
    for each in known:
        if was[each.name] == "train":
            assert found[each.name] != "test"
        if was[each.name] == "test":
            assert found[each.name] == "test"
        if each.part in sealed:
            assert found[each.name] in ("test", "unused")
