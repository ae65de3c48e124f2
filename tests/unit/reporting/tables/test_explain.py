"""The tables of heat maps."""

from fastdefect.explain.attention import Attention
from fastdefect.explain.checks import MapChecks, Pointing
from fastdefect.reporting.tables.explain import checks_table, explain_tables

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
    attention = Attention(0.63, (0.5, 0.7), 0.45, 20, 1)
    table = checks_table(MapChecks(0.1, 12, {}, 3, 4), attention, "m")
    assert table.rows[-1][1] == "63% (50% to 70%), 20 photos (1 unclear); the part covers 45%"
    assert table.caption == "The maps pass their checks."
    bare = checks_table(MapChecks(None, 0, {}, 0, 0), Attention(0.6, None, 0.4, 1, 0), "m")
    assert "60%, 1 photos" in bare.rows[-1][1]
