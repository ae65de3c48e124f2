"""The table of a stress test, from reports written down by hand."""

from dataclasses import replace

import pytest

from fastdefect.evaluation.robustness.background_swap import Flips
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES
from fastdefect.evaluation.robustness.stress import (
    Limits,
    Mistakes,
    StressLine,
    StressPoint,
    StressReport,
)
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.reporting.tables.stress import break_lines, stress_table
from fastdefect.reporting.tables.table_data import TableData

N = 200
DECISION = DecisionRule("none", 1.0, 0.3, None, "the rule of the day")


def point(strength: float, flips: int, *, parts: int | None = None, **changes: int) -> StressPoint:
    """100 defective photos of which ``escapes`` escape, 100 good ones."""
    mistakes = Mistakes(100, changes.get("escapes", 1), 100, changes.get("overkills", 2))
    of_parts = Flips(N, flips) if parts is None else Flips(50, parts)
    return StressPoint(
        strength, Flips(N, flips), of_parts, mistakes, 0, 0, changes.get("unchanged", 0)
    )


# Blur flips 0, 0, 4, 20 and 12 photos; turns -5, -10, -15, +5, +10, +15 flip 0, 6, 8, 0, 0, 1.
BLUR = StressLine(
    replace(DISTURBANCES["blur"], strengths=(0.5, 1, 2, 3, 4)),
    (
        point(0.5, 0, unchanged=N),
        point(1, 0),
        point(2, 4),
        point(3, 20, escapes=9),
        point(4, 12, escapes=3),
    ),
)
TURN = StressLine(
    replace(DISTURBANCES["turn"], strengths=(-5, -10, -15, 5, 10, 15)),
    tuple(
        point(strength, flips)
        for strength, flips in zip((-5, -10, -15, 5, 10, 15), (0, 6, 8, 0, 0, 1), strict=True)
    ),
)
COLOUR = StressLine(
    replace(DISTURBANCES["colour temperature"], strengths=(5500,)),
    (point(5500, 0, unchanged=N),),
)
REPORT = StressReport(N, N, 0, Mistakes(100, 1, 100, 2), (BLUR, TURN, COLOUR))


def table(
    report: StressReport = REPORT, limits: Limits | None = None, **changes: object
) -> TableData:
    options = {"split": "valid", "available": N, "opening": None, "decision": DECISION, **changes}
    decision = options.pop("decision")
    return stress_table(report, limits or Limits(), decision, **options)  # type: ignore[arg-type]


def test_a_row_for_each_strength_under_the_undisturbed() -> None:
    made = table()
    assert made.title == "Stress on valid: 200 photos of 200 parts"
    assert made.columns == (
        *("disturbance", "strength", "flips", "95 % interval", "escape rate", "overkill rate"),
    )
    assert made.rows[0] == (
        *("undisturbed", "-", "-", "-", "1.00% (1 of 100)", "2.00% (2 of 100)"),
    )
    assert made.rows[4] == (
        # Wilson's interval of 20 of 200.
        *("", "3 px", "10.0% (20 of 200)", "6.6% to 14.9%", "9.00% (9 of 100)"),
        "2.00% (2 of 100)",
    )
    assert [row[0] for row in made.rows if row[0]] == [
        *("undisturbed", "blur", "turn", "colour temperature"),
    ]
    assert [row[1] for row in made.rows[6:9]] == ["-5 degrees", "-10 degrees", "-15 degrees"]
    assert made.marks == {}
    assert made.caption.startswith("Decided by the rule of the day; ")


def test_what_leaves_the_photos_as_they_are_has_dashes() -> None:
    made = table(limits=Limits(max_flips=0.5))
    assert made.rows[1] == ("blur", "0.5 px", *"-----")
    assert made.rows[-1] == ("colour temperature", "any", *"-----")
    assert len(made.rows) == 1 + 5 + 6 + 1
    assert "A dash: the disturbance does not change the photos" in made.caption


def test_the_first_strength_that_breaks_a_limit_is_marked() -> None:
    limits = Limits(max_flips=0.025, max_escape=0.05)
    made = table(limits=limits)
    assert made.columns[-1] == "breaks"
    # x4 is beyond the limit, too, but not the first.
    assert {row[1]: row[-1] for row in made.rows if row[-1] not in ("", "-")} == {
        "3 px": "flips, escape",
        "-10 degrees": "flips",
    }
    assert made.marks == {4: "bad", 7: "bad"}
    assert "Limits: flips at most 2.5%, escape at most 5%;" in made.caption
    assert break_lines(REPORT, limits) == [
        "blur:               holds to 2 px, breaks at 3 px: flips 10.0%, escape 9.00%",
        "turn:               holds to -5 degrees, breaks at -10 degrees: flips 3.0%; "
        "holds to +15 degrees, the strongest tried",
        "colour temperature: no effect on these photos",
    ]


def test_one_that_breaks_at_once() -> None:
    report = replace(REPORT, lines=(replace(BLUR, points=BLUR.points[2:]),))
    report = replace(
        report,
        lines=(StressLine(replace(BLUR.disturbance, strengths=(2, 3, 4)), report.lines[0].points),),
    )
    (line,) = break_lines(report, Limits(max_flips=0.01))
    assert line == "blur: breaks at 2 px, the weakest tried: flips 2.0%"


def test_limits_that_the_undisturbed_break_break_nowhere_else() -> None:
    limits = Limits(max_flips=0.01, max_overkill=0.01)
    made = table(limits=limits)
    assert made.rows[0][-1] == "overkill"
    assert made.marks == {0: "bad"}
    assert all(row[-1] in ("", "-") for row in made.rows[1:])
    assert break_lines(REPORT, limits) == [
        "The undisturbed photos already exceed a limit: overkill 2.00%."
    ]


def test_no_limits_no_lines() -> None:
    assert break_lines(REPORT, Limits()) == []


def test_parts_of_several_photos_have_the_interval_of_parts() -> None:
    line = StressLine(replace(BLUR.disturbance, strengths=(3,)), (point(3, 20, parts=6),))
    made = table(StressReport(N, 50, 0, REPORT.undisturbed, (line,)))
    assert made.title == "Stress on valid: 200 photos of 50 parts"
    assert made.columns[3] == "parts with a flip (95 %)"
    assert made.rows[1][2:4] == ("10.0% (20 of 200)", "6 of 50 (5.6% to 23.8%)")
    assert "A part flips if any of its photos does" in made.caption


def test_without_a_good_class_there_are_no_rates() -> None:
    nobody = Mistakes(N, 0, 0, 0, has_good=False)
    line = StressLine(
        replace(BLUR.disturbance, strengths=(3,)), (replace(point(3, 20), mistakes=nobody),)
    )
    made = table(StressReport(N, N, 0, nobody, (line,)))
    assert made.columns == ("disturbance", "strength", "flips", "95 % interval")
    assert made.rows[0] == ("undisturbed", "-", "-", "-")
    assert {len(row) for row in made.rows} == {4}


@pytest.mark.parametrize(
    ("changes", "title", "caption"),
    [
        ({"available": 900}, "Stress on valid: 200 of 900 photos of 200 parts", ""),
        ({"split": "test", "opening": 2}, "; test opened for the 2nd time", ""),
        ({"decision": replace(DECISION, views="flips")}, "", "the day, views: flips; "),
        (
            {"decision": replace(DECISION, high=0.8)},
            "",
            "Photos sent to review count as rejected",
        ),
    ],
)
def test_what_it_was_measured_on(changes: dict[str, object], title: str, caption: str) -> None:
    made = table(**changes)
    assert title in made.title
    assert caption in made.caption
