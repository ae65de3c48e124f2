"""Photos and parts by side and class."""

from fastdefect.reporting.tables.split import split_table

LABELS = ["bad", "bad", "good", "good", "good", "bad"]
PARTS = ["p", "p", "q", "r", "r", "s"]


def test_photos_and_parts_are_counted_by_side_and_class() -> None:
    sides = {"train": (0, 1, 2), "valid": (3, 4), "test": (5,), "unused": ()}
    table = split_table(sides, LABELS, PARTS, ("bad", "good"), kind="split")
    assert table.columns == ("split", "bad", "good", "all")
    assert table.rows == (
        ("train", "2 (1)", "1 (1)", "3 (2)"),
        ("valid", "0", "2 (1)", "2 (1)"),
        ("test", "1 (1)", "0", "1 (1)"),
        ("all", "3 (2)", "3 (2)", "6 (4)"),
    )
    assert table.caption == "Each part is in one split."
    assert not table.marks


def test_a_part_in_two_folds_is_reported_and_marked() -> None:
    table = split_table({"1": (0, 2), "2": (1,)}, LABELS, PARTS, ("bad", "good"), kind="fold")
    assert table.caption == "At least one part is in two folds."
    assert table.marks == {2: "bad"}


def test_what_is_unused_leaks_into_nothing() -> None:
    sides = {"train": (0, 2), "unused": (1,)}
    table = split_table(sides, LABELS, PARTS, ("bad", "good"), kind="split")
    assert table.caption == "Each part is in one split."
    assert table.rows[1] == ("unused", "1 (1)", "0", "1 (1)")
