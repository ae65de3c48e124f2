"""Findings about parts: repeats, conflicts, leaks and small classes, each planted by hand."""

import pytest
from helpers.manifests import photo

from fastdefect.data.audit.part_checks import FEW_PARTS, check_parts
from fastdefect.data.findings import Finding
from fastdefect.data.parts.search import Link
from fastdefect.data.photos import Photo

CLASSES = ("crack", "good")


def link(one: int, other: int, *, copy: bool = False) -> Link:
    return Link(one, other, 4.0, False, copy)


def found(
    photos: list[Photo], parts: list[str] | None = None, links: tuple[Link, ...] = ()
) -> dict[tuple[str, str], Finding]:
    """The findings by kind and severity, those on small classes left out."""
    parts = parts or [p.part or p.name for p in photos]
    findings = check_parts(photos, CLASSES, parts, links)
    return {(f.kind, f.severity): f for f in findings if f.kind != "small_class"}


def test_single_photos_have_no_finding() -> None:
    assert found([photo("a", "good"), photo("b", "crack")]) == {}


def test_given_parts_are_no_finding() -> None:
    photos = [photo("a", "good", "p"), photo("b", "good", "p"), photo("c", "crack", "q")]
    assert found(photos) == {}


def test_parts_that_a_search_found_are_reported() -> None:
    photos = [photo(name, "good") for name in "abcde"]
    said = found(photos, ["a", "b", "a", "b", "e"], (link(0, 2), link(1, 3)))
    repeat = said.pop(("same_part", "warning"))
    assert said == {}
    assert repeat.value == 4
    assert repeat.paths == ("a", "c", "b", "d")
    assert "4 of 5 photos" in repeat.message
    assert "2 parts of 3, such as a = c" in repeat.message


def test_identical_files_alone_are_no_second_photo_of_a_part() -> None:
    photos = [photo("a", "good", sha256="x"), photo("b", "good", sha256="x"), photo("c", "crack")]
    assert found(photos, ["a", "a", "c"]) == {}


def test_found_parts_that_contradict_the_given_ones() -> None:
    photos = [photo("a", "good", "p"), photo("b", "good", "q"), photo("c", "good", "q")]
    said = found(photos, links=(link(0, 1), link(1, 2)))
    assert said["same_part", "warning"].value == 1
    assert said["same_part", "warning"].paths == ("a", "b")
    assert "different given parts: a = b" in said["same_part", "warning"].message


def test_copies_of_one_shot() -> None:
    photos = [photo(name, "good") for name in "abc"]
    said = found(photos, ["a", "a", "a"], (link(0, 1), link(1, 2, copy=True)))
    assert said["near_duplicate", "warning"].value == 2
    assert said["near_duplicate", "warning"].paths == ("b", "c")


def test_copies_under_two_classes_are_an_error() -> None:
    photos = [photo("a", "good"), photo("b", "crack")]
    said = found(photos, ["a", "a"], (link(0, 1, copy=True),))
    assert said["label_conflict", "error"].paths == ("a", "b")
    assert "a (good) = b (crack)" in said["label_conflict", "error"].message
    assert ("label_conflict", "warning") not in said


def test_a_part_with_photos_of_two_classes_is_a_warning() -> None:
    photos = [photo("a", "good", "p"), photo("b", "crack", "p"), photo("c", "good", "q")]
    said = found(photos)
    assert said["label_conflict", "warning"].value == 1
    assert said["label_conflict", "warning"].paths == ("a", "b")


def test_a_part_can_have_photos_of_several_good_classes() -> None:
    front, back = photo("a", "ok_front", "p"), photo("b", "ok_back", "p")
    classes, good = ("crack", "ok_back", "ok_front"), ("ok_back", "ok_front")

    def conflicts(photos: list[Photo], good: tuple[str, ...]) -> int:
        found = check_parts(photos, classes, ["p"] * len(photos), (), good)
        return sum(each.kind == "label_conflict" for each in found)

    assert conflicts([front, back], good) == 0
    assert conflicts([front, back], ("ok_back",)) == 1
    assert conflicts([front, back, photo("c", "crack", "p")], good) == 1


def test_one_file_under_two_classes_is_reported_elsewhere() -> None:
    photos = [photo("a", "good", sha256="x"), photo("b", "crack", sha256="x")]
    assert found(photos, ["a", "a"]) == {}


def test_parts_on_two_sides_leak() -> None:
    photos = [
        photo("a", "good", "p1", "train"),
        photo("b", "good", "p1", "test"),  # a part that is trained on
        photo("c", "crack", "p2", "train"),
        photo("d", "crack", "p2", "test"),
        photo("e", "crack", "p4", "valid"),
        photo("f", "good", "p4", "test"),  # a part that is tuned on
        photo("g", "good", "p5", "test"),
        photo("h", "good", "p6", "train"),
        photo("i", "crack", "p6", "valid"),  # valid leaks from train
        photo("j", "crack", "p7", "test"),
        photo("k", "crack", "p5"),  # not given a side yet: no leak
    ]
    leak = found(photos)["leak", "error"]
    assert leak.value == pytest.approx(3 / 5)
    assert leak.paths == ("b", "d", "f", "i")
    assert "3 of 5 test photos (60.0%)" in leak.message
    assert "1 of 2 valid photos (50.0%)" in leak.message


def test_a_leak_that_only_a_search_can_see() -> None:
    photos = [photo("a", "good", split="train"), photo("b", "good", split="test")]
    assert found(photos, ["a", "a"], (link(0, 1),))["leak", "error"].value == 1.0
    assert ("leak", "error") not in found(photos)


def test_small_classes_are_counted_in_parts_not_photos() -> None:
    many = [photo(f"g{i}", "good", f"p{i}") for i in range(FEW_PARTS)]
    few = [photo(f"c{i}", "crack", f"q{i % 2}") for i in range(50)]
    photos = many + few
    parts = [p.part or p.name for p in photos]
    (small,) = (f for f in check_parts(photos, CLASSES, parts, ()) if f.kind == "small_class")
    assert small.value == 2
    assert "crack 2 parts" in small.message
    assert "good" not in small.message
