"""Tables of decisions."""

from typing import Any

import pytest

from fastdefect.reporting.tables.predict import part_table, photo_table, row_line, summary_line


def _photo(path: str, decision: str, p: float | None, **more: Any) -> dict[str, Any]:
    row = {"path": path, "decision": decision, "p_defective": p, "label": "crack"}
    return {**row, "unlike": False, "error": None, **more}


def _part(name: str, decision: str, p: float | None) -> dict[str, Any]:
    counts = {"photos": 2, "n_ok": 1, "n_look": 0, "n_reject": 1}
    return {"part": name, "decision": decision, "p_defective": p, "path": f"{name}.png", **counts}


def test_photos_have_a_remark_and_a_mark() -> None:
    rows = [
        _photo("a", "look", None, error="empty file", label=None),
        _photo("b", "reject", 0.9),
        _photo("c", "look", 0.5, unlike=True),
        _photo("d", "OK", 0.1),
    ]
    table = photo_table("m", rows, 300)
    assert table.title == "Decisions of m: the 4 most suspicious of 300 photos"
    assert table.rows[0] == ("a", "look", "", "", "empty file")
    assert table.rows[1] == ("b", "reject", "0.9000", "crack", "")
    assert table.rows[2][-1] == "unlike the training photos"
    assert table.marks == {1: "bad", 3: "good"}


def test_of_many_parts_the_most_suspicious_are_shown() -> None:
    parts = [_part(f"p{n}", "OK", n / 100) for n in range(30)] + [_part("x", "reject", 0.2)]
    table = part_table("m", iter(parts), len(parts))
    assert table.title == "Decisions of m by part: the 20 most suspicious of 31 parts"
    assert [row[0] for row in table.rows[:3]] == ["x", "p29", "p28"]
    assert table.rows[0] == ("x", "reject", "0.2000", "2", "1", "0", "1", "x.png")


def test_a_part_with_an_unreadable_photo_is_the_most_suspicious() -> None:
    unreadable = {**_part("y", "look", 0.1), "n_unreadable": 1}
    table = part_table("m", [_part("x", "reject", 0.9), unreadable], 2)
    assert [row[0] for row in table.rows] == ["y", "x"]


def test_the_summary_counts_decisions_and_earlier_ones() -> None:
    counts = {"photos": 3, "OK": 1, "look": 1, "reject": 1, "unlike": 1, "unreadable": 0}
    assert summary_line(counts, 12.34, 0) == (
        "3 photos: 1 OK, 1 look, 1 reject. Unlike the training photos: 1; unreadable: 0. "
        "12.3 photos/s."
    )
    assert summary_line(counts, None, 0).endswith("unreadable: 0.")
    assert summary_line(counts, 1, 2).endswith("2 of them were decided before this run continued.")


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (_photo("a", "OK", 0.25), "a: OK, P(defect) 0.2500"),
        (
            _photo("a", "look", 0.5, unlike=True),
            "a: look, P(defect) 0.5000, unlike the training photos",
        ),
        (_photo("a", "look", None), "a: look, P(defect) unknown"),
        (_photo("a", "look", None, error="empty file"), "a: look (empty file)"),
    ],
)
def test_a_row_is_a_line_as_it_arrives(row: dict[str, Any], line: str) -> None:
    assert row_line(row) == line
