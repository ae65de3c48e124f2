"""What averaging gained, against numbers that are worked out by hand."""

from fastdefect.reporting.tables.ensemble import MemberFigures, members_table


def _member(number: int, f1: float, auc: float | None, accuracy: float) -> MemberFigures:
    figures = {"f1": f1, "auc": auc, "accuracy": accuracy, "n": 9.0}
    return MemberFigures(f"member-{number}", 6 + number, figures)


def test_each_network_their_mean_and_the_gain() -> None:
    members = [_member(1, 0.5, 0.75, 0.6), _member(2, 0.7, 0.85, 0.8)]
    table = members_table(members, {"f1": 0.75, "auc": 0.9, "accuracy": 0.65})
    assert table.columns == ("network", "F1", "AUC", "accuracy")
    assert table.rows == (
        ("member-1, seed 7", "0.5000", "0.7500", "60.00%"),
        ("member-2, seed 8", "0.7000", "0.8500", "80.00%"),
        ("mean of these", "0.6000", "0.8000", "70.00%"),
        ("ensemble", "0.7500", "0.9000", "65.00%"),
        ("gain", "+0.1500", "+0.1000", "-5.00 pts"),
    )


def test_a_figure_without_a_value_has_no_gain() -> None:
    members = [_member(1, 0.5, None, 0.6), _member(2, 0.7, None, 0.8)]
    table = members_table(members, {"f1": 0.75, "auc": None, "accuracy": 0.65})
    assert [row[2] for row in table.rows] == ["-", "-", "-", "-", "-"]


def test_only_what_is_shown_goes_to_programs() -> None:
    told = _member(1, 0.5, None, 0.6).as_json()
    assert told == {
        "name": "member-1",
        "seed": 7,
        "valid": {"f1": 0.5, "auc": None, "accuracy": 0.6},
    }
