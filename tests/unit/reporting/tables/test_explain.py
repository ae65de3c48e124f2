"""The tables of heat maps."""

import pytest

from fastdefect.explain.attention import Attention
from fastdefect.explain.checks import MapChecks, Pointing
from fastdefect.reporting.tables.explain import attention_table, checks_table, explain_tables

ROW = {
    "path": "defect/a.png",
    "label": None,
    "decided": "reject",
    "p_defect": 0.91,
    "where": "middle, 3 % of the photo",
    "log_odds_lost": 2.0,
    "log_odds_lost_elsewhere": 3.0,
    "confirmed": False,
}
GAMES = {"map": Pointing(1, 4, 0.2), "edges (Sobel)": Pointing(2, 4, 0.1)}


def test_photos_without_checks_are_one_table() -> None:
    (table,) = explain_tables([("Photos", [ROW])], None, None, method="m", target="defect")
    assert table.rows[0][1:4] == ("-", "reject", "0.910")
    assert table.marks == {0: "bad"}


def test_long_groups_are_shortened() -> None:
    (table,) = explain_tables([("Photos", [ROW] * 40)], None, None, method="m", target="defect")
    assert len(table.rows) == 15
    assert "15 of 40" in table.title


def test_a_check_that_fails_is_marked_and_named() -> None:
    table = checks_table(MapChecks(0.7, 12, GAMES, 3, 4), None, "m")
    assert table.marks == {0: "bad"}
    assert "do not pass" in table.caption
    assert "random weights" in table.caption
    assert "edges" in table.caption


def test_attention_has_its_interval_and_the_area() -> None:
    attention = Attention(0.63, (0.5, 0.7), 0.45, 20, 12, 1)
    table = checks_table(MapChecks(0.1, 12, {}, 3, 4), attention, "m")
    assert table.rows[-1][1] == "63% (50% to 70%), 20 photos (1 unclear); the part covers 45%"
    assert table.caption == "The maps pass their checks."
    bare = checks_table(MapChecks(None, 0, {}, 0, 0), Attention(0.6, None, 0.4, 1, 1, 0), "m")
    assert "60%, 1 photo;" in bare.rows[-1][1]


UNCLEAR = Attention(None, None, None, 7, 5, 24)


def test_attention_that_can_not_be_told_says_why() -> None:
    row = checks_table(MapChecks(0.1, 12, {}, 3, 4), UNCLEAR, "m").rows[-1]
    why = "the outline of the part is unclear in 24 of 31 photos"
    assert row == ("evidence on the part", f"can't be told: {why}")
    table = attention_table(UNCLEAR, "m")
    assert table.rows == (("share of the evidence on the part", "-", "-", ""),)
    assert table.caption == f"It can't be told: {why}."


@pytest.mark.parametrize(
    ("interval", "mark", "words"),
    [
        ((0.5, 0.7), {0: "good"}, "More of the evidence is on the part"),
        ((0.2, 0.44), {0: "bad"}, "a sign of a shortcut"),
        ((0.4, 0.7), {}, "no preference for the part is proved"),
        (None, {}, "Too few parts"),
    ],
)
def test_the_figure_of_evaluate_is_beside_the_area(
    interval: tuple[float, float] | None, mark: dict[int, str], words: str
) -> None:
    table = attention_table(Attention(0.6, interval, 0.45, 20, 12, 1), "m")
    assert [row[1] for row in table.rows] == ["60%", "45%"]
    assert table.rows[0][3] == "20 photos of 12 parts (1 unclear)"
    assert table.marks == mark
    assert words in table.caption
