"""A split that continues an earlier one: sides are kept, new photos are allocated."""

from collections import Counter
from dataclasses import replace

import pytest
from helpers.examples import examples
from helpers.manifests import manifest, photo
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.photos import Manifest, Photo
from fastdefect.data.splitting.earlier import (
    EarlierSides,
    FurtherSplit,
    KnownPhoto,
    split_further,
)
from fastdefect.data.splitting.split import SPLITS, UNUSED, group_parts
from fastdefect.errors import DataError, UsageError


def row(name: str, side: str, part: str | None = None) -> KnownPhoto:
    return KnownPhoto(f"sha of {name}", part, side)


NAMES = {
    f"{label}/{i}": side
    for label in ("crack", "good")
    for i, side in enumerate(["train"] * 6 + ["valid"] * 2 + ["test"] * 2)
}
EARLIER = [row(name, side) for name, side in NAMES.items()]


def known(**parts: str) -> list[Photo]:
    """The photos of EARLIER, with parts by name (``good_0="P"``)."""
    return [
        photo(name, name.partition("/")[0], parts.get(name.replace("/", "_"))) for name in NAMES
    ]


def further(photos: Manifest, rows: list[KnownPhoto], *, unleak: bool = False) -> FurtherSplit:
    return split_further(
        photos,
        group_parts(photos),
        EarlierSides.of("run", rows),
        shares={"valid": 0.2, "test": 0.2},
        seed=1,
        unleak=unleak,
    )


def warnings(found: FurtherSplit) -> list[str]:
    return [note.text for note in found.notes if note.level == "warning"]


def sides(photos: Manifest, found: FurtherSplit) -> dict[str, str]:
    named = {photos.photos[i].name: side for side in SPLITS for i in found.split.of(side)}
    return {each.name: named.get(each.name, UNUSED) for each in photos.photos}


def test_known_photos_keep_their_side_under_any_name() -> None:
    photos = manifest(replace(each, name=f"moved/{each.name}") for each in known())
    found = further(photos, EARLIER)
    assert sides(photos, found) == {f"moved/{name}": side for name, side in NAMES.items()}
    assert [note.text for note in found.notes] == [
        "20 photos of run keep their side (train 12, valid 4, test 4). 0 photos are new."
    ]


def test_new_photos_and_new_classes_are_on_every_side() -> None:
    new = [photo(f"new/{i}", "good") for i in range(10)]
    scratch = [photo(f"scratch/{i}", "scratch") for i in range(10)]
    photos = manifest([*known(), *new, *scratch])
    found = sides(photos, further(photos, EARLIER))
    for names in (new, scratch):
        assert Counter(found[each.name] for each in names) == {"train": 6, "valid": 2, "test": 2}


def test_few_new_photos_of_a_known_class_are_trained_on() -> None:
    photos = manifest([*known(), photo("good/new", "good")])
    found = further(photos, EARLIER)
    assert sides(photos, found)["good/new"] == "train"
    assert found.notes[0].text.endswith("(train 12, valid 4, test 4). 1 photo is new.")
    with pytest.raises(DataError, match="Class dent has 1 photo to be split"):
        further(manifest([*known(), photo("dent/new", "dent")]), EARLIER)


def test_a_part_that_was_sealed_stays_sealed() -> None:
    rows = [*EARLIER, row("good/a", "test", "7"), row("good/b", "train", "8")]
    photos = manifest([*known(), photo("good/c", "good", "7"), photo("good/d", "good", "8")])
    found = sides(photos, further(photos, rows))
    assert (found["good/c"], found["good/d"]) == ("test", "train")


def test_what_was_trained_on_is_unused_if_its_part_is_sealed() -> None:
    photos = manifest(known(good_0="P", good_9="P"))
    split = further(photos, EARLIER)
    found = sides(photos, split)
    assert (found["good/9"], found["good/0"]) == ("test", "unused")
    assert warnings(split) == [
        "run was trained on the parts of 1 photo of valid and test: the figures there are too good."
    ]


def test_a_class_whose_train_photos_are_all_sealed_now() -> None:
    parts = {f"crack_{i}": "P" for i in range(10)}
    photos = manifest(known(**parts))
    with pytest.raises(DataError, match="the split excludes all train photos of crack") as caught:
        further(photos, EARLIER)
    assert "--unleak" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("side", ["valid", "test"])
def test_new_photos_of_a_part_follow_the_side_that_the_user_gave_one_of_them(side: str) -> None:
    new = [photo("good/a", "good", "N", side), photo("good/b", "good", "N")]
    others = [photo(f"good/n{i}", "good", f"n{i}") for i in range(12)]
    photos = manifest([*known(), *new, *others])
    found = sides(photos, further(photos, EARLIER))
    assert (found["good/a"], found["good/b"]) == (side, side)


def test_a_given_side_that_no_photo_is_on_is_drawn() -> None:
    """All photos that the user calls valid were trained on: new ones must validate."""
    given = [replace(each, split="valid") for each in known() if NAMES[each.name] == "train"]
    new = [photo(f"{c}/n{i}", c, split="train") for c in ("crack", "good") for i in range(10)]
    photos = manifest([*given, *new])
    split = further(photos, EARLIER)
    found = sides(photos, split)
    assert Counter(found[each.name] for each in new) == {"train": 12, "valid": 4, "test": 4}
    assert {found[each.name] for each in given} == {"train"}
    assert warnings(split) == []


def test_a_given_side_that_the_part_cannot_be_on_is_reported() -> None:
    rows = [*EARLIER, row("good/x", "train", "P")]
    photos = manifest([*known(), photo("good/y", "good", "P", "test")])
    found = further(photos, rows)
    assert sides(photos, found)["good/y"] == "train"
    assert found.notes[1].text == (
        "1 new photo is not on the given side: run has the part on another side."
    )


def test_leaks_are_reported_and_unleak_removes_them() -> None:
    new = [photo("good/a", "good", "N", "test"), photo("good/b", "good", "N", "train")]
    photos = manifest([*known(good_0="P", good_6="P"), *new])
    found = further(photos, EARLIER)
    assert warnings(found) == [
        "The parts of 2 photos of train are also in valid or test: the figures there are too good. "
        "--unleak removes these photos.",
        "run was trained on the parts of 1 photo of valid and test: the figures there are too "
        "good.",
    ]
    unleaked = further(photos, EARLIER, unleak=True)
    removed = {name for name, side in sides(photos, unleaked).items() if side == UNUSED}
    assert removed == {"good/0", "good/b"}
    assert any(
        note.text.startswith("--unleak removes 2 photos of train") for note in unleaked.notes
    )


def test_without_other_photos_validation_is_taken_from_train_with_a_warning() -> None:
    rows = [row(name, "train") for name in NAMES]
    photos = manifest(known())
    found = further(photos, rows)
    assert Counter(sides(photos, found).values()) == {"train": 16, "valid": 4}
    assert warnings(found) == [
        "There are no other photos to validate on: validation is taken from train. run was trained "
        "on the parts of 4 of the 4 validation photos. The validation figures are too good."
    ]
    # The run after that one has validated on them, and was trained on them all the same.
    again = further(photos, [*(row(n, s) for n, s in sides(photos, found).items()), *rows])
    assert sides(photos, again) == sides(photos, found)
    assert "was trained on the parts of 4 photos of valid" in warnings(again)[0]


def test_new_photos_alone_are_not_called_trained_on() -> None:
    new = [photo(f"{c}/n{i}", c, split="train") for c in ("crack", "good") for i in range(10)]
    photos = manifest(new)
    found = further(photos, EARLIER)
    assert Counter(sides(photos, found).values()) == {"train": 12, "valid": 4, "test": 4}
    assert [note.text for note in found.notes] == ["None of these photos is of run."]


def test_validation_that_unleak_removes_is_taken_from_train_without_a_warning() -> None:
    given = [("train", f"t{i}") for i in range(6)] + [("test", "v"), ("valid", "v")]
    photos = manifest(
        photo(f"{c}/{i}", c, f"{c} {part}", side)
        for c in ("crack", "good")
        for i, (side, part) in enumerate(given)
    )
    found = further(photos, [], unleak=True)
    assert Counter(sides(photos, found).values()) == {
        "train": 10,
        "valid": 2,
        "test": 2,
        "unused": 2,
    }
    assert warnings(found) == []


def test_shares_that_leave_a_side_empty() -> None:
    photos, earlier = manifest(known()), EarlierSides.of("run", EARLIER)
    shares = {"valid": 0.5, "test": 0.5}
    with pytest.raises(UsageError, match="Expected --valid > 0"):
        split_further(photos, group_parts(photos), earlier, shares=shares, seed=1)


@examples(40)
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
        photo(f"{labels[i % 2]}/{i}", labels[i % 2], f"P{part}")
        for i, (_, part) in enumerate(zip(rows, part_of, strict=False))
    ]
    new = [photo(f"new/{i}", labels[i % 2]) for i in range(n_new)]
    photos = manifest([*known, *new])
    try:
        found = sides(photos, further(photos, rows))
    except DataError:  # too few parts for every side
        return
    was = {f"{labels[i % 2]}/{i}": side for i, side in enumerate(before)}
    sealed = {each.part for each in known if was[each.name] == "test"}
    for each in known:
        if was[each.name] == "train":
            assert found[each.name] != "test"
        if was[each.name] == "test":
            assert found[each.name] == "test"
        if each.part in sealed:
            assert found[each.name] in ("test", "unused")
