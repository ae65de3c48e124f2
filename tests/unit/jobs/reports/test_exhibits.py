"""The photos on the page of an audit, side by side."""

from dataclasses import replace

from helpers.audits import made_audit, made_photo

from fastdefect.data.audit.quality_checks import OUT_OF_FOCUS
from fastdefect.data.parts.search import Link
from fastdefect.data.reading.checks import UNREADABLE
from fastdefect.jobs.reports.exhibits import groups_of, pairs_of, singles_of


def _link(one: int, other: int, evidence: float = 8.0, *, copy: bool = False) -> Link:
    return Link(one, other, evidence, False, copy)


def test_a_leak_shows_the_held_out_photo_beside_the_most_similar_one_in_training() -> None:
    photos = [
        (made_photo("a", "good", "train"), "p"),
        (made_photo("b", "good", "test"), "p"),
        (made_photo("c", "good", "train"), "p"),
    ]
    (pair,) = pairs_of(made_audit(photos, [_link(0, 1, 5.0), _link(1, 2, 9.0)]))
    assert [(shot.name, shot.marked) for shot in pair.shots] == [("b", True), ("c", False)]
    assert (pair.kinds, pair.severity, pair.alike) == (("leak",), "error", 9.0)
    assert pair.text == "one part, log odds +9.0"
    assert pair.shots[0].lines == ("good, test",)


def test_a_leak_of_a_given_part_has_a_pair_without_a_measure() -> None:
    photos = [(made_photo("a", "good", "train"), "p"), (made_photo("b", "good", "valid"), "p")]
    (pair,) = pairs_of(made_audit(photos))
    assert [shot.name for shot in pair.shots] == ["b", "a"]
    assert pair.alike is None


def test_labels_in_conflict_copies_and_contradicted_parts_are_pairs() -> None:
    photos = [
        (made_photo("a", "good"), "p"),
        (made_photo("b", "crack"), "p"),
        (made_photo("c", "good", same_file="a"), "p"),
        (replace(made_photo("d", "good"), part="1"), "q"),
        (replace(made_photo("e", "good"), part="2"), "r"),
        (made_photo("f", "good"), "s"),
        (made_photo("g", "good"), "s"),
    ]
    links = [_link(0, 1, copy=True), _link(3, 4), _link(5, 6, 7.0)]
    pairs = {
        tuple(shot.name for shot in each.shots): each
        for each in pairs_of(made_audit(photos, links))
    }
    assert set(pairs) == {("a", "b"), ("a", "c"), ("d", "e")}  # f and g are only one part
    assert pairs["a", "b"].kinds == ("label_conflict", "near_duplicate")
    assert pairs["a", "b"].text == (
        "one shot, recompressed or resized, log odds +8.0, difference 0.0"
    )
    assert pairs["a", "c"].kinds == ("duplicate",)
    assert pairs["a", "c"].text == "identical files"
    assert pairs["d", "e"].kinds == ("same_part",)
    assert pairs["d", "e"].shots[0].lines == ("good", "part 1")


def test_groups_show_every_class_and_side_of_a_part() -> None:
    several = [(made_photo(f"a{i}", "good", "train"), "p") for i in range(9)]
    bad = (made_photo("b", "crack", "test"), "p")
    alone = (made_photo("c", "good", "train"), "q")
    (group,) = groups_of(made_audit([*several, bad, alone]))
    assert group.text == "Part p: 10 photos (9 good, 1 crack; 9 train, 1 test; 6 are shown)."
    assert len(group.shots) == 6
    assert "b" in [shot.name for shot in group.shots]
    assert group.kinds == ("leak", "label_conflict", "same_part")


def test_identical_files_are_no_group() -> None:
    photos = [(made_photo("a", "good"), "p"), (made_photo("b", "good", same_file="a"), "p")]
    assert groups_of(made_audit(photos)) == []


def test_a_photo_with_two_findings_is_shown_once_with_its_measure() -> None:
    found = [
        UNREADABLE.finding("1 of 2", 1, ["wreck.jpg"]),
        OUT_OF_FOCUS.finding("1 of 2", 1, ["a"]),
    ]
    wreck, soft = singles_of(made_audit([(made_photo("a", "good"), "p")], found=found))
    assert wreck.shots[0].lines == ("cannot be read",)
    assert soft.kinds == ("out_of_focus",)
    assert soft.shots[0].lines == ("sharpness 1.00", "usual 1.00", "good")
