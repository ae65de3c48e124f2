"""The tables and sentences of queue audit."""

from helpers.line_rates import ok, rates_of

from fastdefect.evaluation.statistics.agreement import Agreement
from fastdefect.evaluation.statistics.line_rates import Plan, Stratum
from fastdefect.reporting.tables.queue_audit import audit_lines, audit_tables

LOOK = Stratum("look", 50, 50, 50, 30)
REJECT = Stratum("reject", 40, 10, 10, 5)


def test_the_checks_and_the_rates() -> None:
    checks, rates = audit_tables(rates_of(ok(1000, 100, 2), LOOK, REJECT), {})
    assert checks.title == "1090 parts, 1020 shipped"
    assert checks.rows == (
        ("OK", "1000", "100", "100", "2", "98"),
        ("look", "50", "50", "50", "30", "20"),
        ("reject", "40", "10", "10", "5", "5"),
    )
    assert "14.7% of the parts" in checks.caption
    assert [row[:2] for row in rates.rows] == [
        ("escape rate", "28.57%"),
        ("defects per 10,000 shipped", "196"),
        ("overkill rate", "1.96%"),
        ("share of defects", "6.42%"),
    ]
    low, _, high = rates.rows[1][2].partition(" to ")
    assert 10 < float(low) < 196 < float(high) < 1000


def test_a_rate_without_checks_is_a_dash() -> None:
    _, rates = audit_tables(rates_of(ok(1000, 0), LOOK), {})
    assert [row[1] for row in rates.rows] == ["-"] * 4


def test_several_models_have_a_row_each() -> None:
    rates = rates_of(ok(1000, 100))
    *_, models = audit_tables(rates, {"first": rates, "second": rates_of(ok(10, 5, 1))})
    assert [row[:3] for row in models.rows] == [("first", "1000", "100"), ("second", "10", "5")]
    assert models.rows[0][3] == "- (0.00% to 100.00%)"
    assert models.rows[1][4].startswith("2000 (")


def test_what_no_escape_proves() -> None:
    lines = list(audit_lines(rates_of(ok(10_000, 300)), None, None))
    # 3 / 300, the rule of three, is 100 of 10,000.
    (line,) = lines
    assert line.startswith("No escape among 300 checks of 10000 passed parts: at 95 % confidence")
    assert 90 <= float(line.split("at most ")[1].split(" of")[0]) <= 101


def test_what_is_known_of_all_parts() -> None:
    (line,) = audit_lines(rates_of(ok(100, 100)), None, None)
    assert "at most 0 of 10,000" in line


def test_without_a_check_nothing_is_proven() -> None:
    assert list(audit_lines(rates_of(ok(100, 0), LOOK), None, None)) == []


def test_the_plan_in_words() -> None:
    rates = rates_of(ok(1000, 100, 2))
    plan = list(audit_lines(rates, None, Plan(0.0025, 1200, 12_000)))[1]
    assert plan == (
        "To show less than 25 of 10,000 at 95 %: 1200 more checks of passed parts without an "
        "escape (so far 2 escapes). At the present share of checks, these are 12000 passed parts."
    )
    reached = list(audit_lines(rates, None, Plan(0.5, 0, 0)))[1]
    assert reached == "The checks show less than 5000 of 10,000 at 95 %."


def test_agreement_in_words() -> None:
    line = list(audit_lines(rates_of(ok(10, 5)), Agreement(50, 15, 0.4, (0.14, 0.63)), None))[1]
    assert line == (
        "Two persons differ on 15 of 50 parts: Cohen's kappa 0.40, 95 % interval 0.14 to 0.63."
    )
