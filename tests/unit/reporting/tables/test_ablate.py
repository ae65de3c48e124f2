"""The table of an ablation, against figures that are worked out by hand."""

import math
from typing import Any

import pytest
from helpers.ablations import figures_of

from fastdefect.evaluation.ablation import OLD, Gain, Step, gains, ladder, leave_one_out
from fastdefect.reporting.tables.ablate import ablation_table, gain_text
from fastdefect.reporting.tables.table_data import TableData

LEGACY = {
    **OLD,
    **{"arch": "resnet50", "weights": "auto", "balance": "sampler", "augment": "manufacturing"},
    **{"label_smoothing": 0.1, "mixup_alpha": 0.3, "scheduler": "onecycle", "clip": 1.0},
    **{"weight_decay": 5e-4, "epochs": 8, "image_size": 100},
}
STEPS = (
    Step("old", "old one", {}, None),
    Step("arch", "new one", {"arch": 1}, "old", "accuracy +5 to 8"),
    Step("loss", "another", {"arch": 2}, "arch", aside=True),
    Step("regularised", "decay", {"arch": 3}, "arch", "gap 5 to 10 less"),
    Step("tta", "views", {"arch": 3}, "regularised", views="flips", aside=True),
)
ACCURACY = {
    "old": (0.70, 0.72, 0.74),
    "arch": (0.80, 0.83, 0.83),
    "loss": (0.80, 0.83, 0.83),
    "regularised": (0.82, 0.82, 0.82),
    "tta": (0.84, 0.84, 0.84),
}


def _table(steps: tuple[Step, ...], accuracy: dict[str, Any]) -> TableData:
    figures = figures_of(accuracy)
    return ablation_table(steps, figures, gains(steps, figures), title="T")


def _cells(table: TableData) -> dict[str, dict[str, str]]:
    assert {len(row) for row in table.rows} == {len(table.columns)}
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_a_row_by_hand() -> None:
    """Gains 10, 11 and 9 points: mean 10, sd 1, t(2) 4.30265, so 10 +- 2.484."""
    row = _cells(_table(STEPS, ACCURACY))["new one"]
    assert row["accuracy and gain (95 %)"] == "82.00%\n+10.0 (+7.5 to +12.5) pts"
    # F1 is half of the accuracy here, and the gap what is missing to 0.9.
    assert row["F1 and gain (95 %)"] == "0.4100\n+0.050 (+0.038 to +0.062)"
    assert row["gap"] == "+8.0 pts"
    assert (row["claimed"], row["evidence"]) == ("accuracy +5 to 8", "better")
    assert (row["seeds"], row["s"]) == ("3", "20")


def test_the_first_is_compared_with_nothing_and_asides_are_in_brackets() -> None:
    cells = _cells(_table(STEPS, ACCURACY))
    assert list(cells) == ["old one", "new one", "(another)", "decay", "(views)", "all of it"]
    first = cells["old one"]
    assert (first["accuracy and gain (95 %)"], first["F1 and gain (95 %)"]) == ("72.00%", "0.3600")
    assert (first["claimed"], first["evidence"]) == ("-", "-")
    assert cells["(views)"]["s"] == "-"


def test_a_gap_that_was_not_measured_is_a_dash() -> None:
    figures = figures_of(ACCURACY)
    for of in figures["tta"].values():
        of["gap"] = math.nan
    table = ablation_table(STEPS, figures, gains(STEPS, figures), title="T")
    assert _cells(table)["(views)"]["gap"] == "-"


def test_verdicts_in_words() -> None:
    cells = _cells(_table(STEPS, ACCURACY))
    assert cells["(another)"]["evidence"] == "spans zero"
    assert cells["(another)"]["accuracy and gain (95 %)"] == "82.00%\n+0.0 (+0.0 to +0.0) pts"
    # Two points with each of three seeds: Student sees no spread.
    assert cells["(views)"]["evidence"] == "no interval"
    assert cells["(views)"]["accuracy and gain (95 %)"] == "84.00%\n+2.0 pts"
    worse = {**ACCURACY, "arch": (0.60, 0.63, 0.63)}
    assert _cells(_table(STEPS, worse))["new one"]["evidence"] == "worse"


def test_a_claim_about_the_gap_is_judged_by_the_gap() -> None:
    """Gaps are 0.9 less the accuracy: +2, -1 and -1 points of accuracy are the reverse of gap."""
    row = _cells(_table(STEPS, ACCURACY))["decay"]
    mean, half = 0.0, 4.30265 * 3**0.5 / 3**0.5
    assert row["evidence"] == f"spans zero\n{mean:+.1f} ({-half:+.1f} to {half:+.1f}) pts"
    less = {**ACCURACY, "regularised": (0.85, 0.881, 0.879)}
    assert _cells(_table(STEPS, less))["decay"]["evidence"].startswith("less gap\n-5.0 (")
    more = {**ACCURACY, "regularised": (0.75, 0.781, 0.779)}
    assert _cells(_table(STEPS, more))["decay"]["evidence"].startswith("more gap\n+5.0 (")


def test_all_of_it_is_the_last_rung_over_the_first() -> None:
    row = _cells(_table(STEPS, ACCURACY))["all of it"]
    gain = Gain((0.82 - 0.70, 0.82 - 0.72, 0.82 - 0.74))
    assert row["accuracy and gain (95 %)"] == gain_text(gain, points=True)
    assert row["accuracy and gain (95 %)"].startswith("+10.0 (")
    assert (row["claimed"], row["evidence"]) == ("accuracy 77 % to 85 to 95 %", "better")
    assert (row["gap"], row["seeds"], row["s"]) == ("-", "3", "-")


def _together(**changes: Any) -> list[str]:
    steps = ladder({**LEGACY, **changes})
    figures = {step.name: (0.8, 0.9) for step in steps}
    return [row[0] for row in _table(steps, figures).rows[len(steps) :]]


def test_what_was_claimed_together_is_shown_where_it_is_what_was_claimed() -> None:
    both = ["smoothing, MixUp and one-cycle together", "all of it"]
    assert _together() == both
    assert _together(balance="none") == both
    assert _together(mixup_alpha=0.0) == both[1:]
    assert _together(scheduler="cosine") == both[1:]
    assert _together(augment="steady") == both
    assert _together(**OLD) == []


def test_a_row_of_several_steps_is_their_difference() -> None:
    steps = ladder(LEGACY)
    accuracy: dict[str, Any] = {step.name: (0.8, 0.9) for step in steps}
    accuracy["onecycle"] = (0.86, 0.98)
    cells = _cells(_table(steps, accuracy))
    row = cells["smoothing, MixUp and one-cycle together"]
    assert row["accuracy and gain (95 %)"].startswith("+7.0 (")
    assert row["evidence"] == "spans zero"  # t(1) is 12.7


def test_steps_with_a_model_of_constant_prediction_are_named() -> None:
    figures = figures_of(ACCURACY)
    assert "same class" not in ablation_table(STEPS, figures, {}, title="T").caption
    for name, seed in (("old", 1), ("loss", 0)):
        by_seed = figures[name]
        which = sorted(by_seed)[seed]
        by_seed[which] = {**by_seed[which], "blind": 1.0}
    note = ablation_table(STEPS, figures, {}, title="T").caption
    assert "these predict the same class for every photo" in note
    assert note.endswith("whether they separate the classes: old one, another.")


def test_steps_without_figures_are_omitted_and_fewer_seeds_are_shown() -> None:
    accuracy: dict[str, Any] = {"old": (0.7, 0.8, 0.8), "arch": (0.8, 0.8)}
    cells = _cells(_table(STEPS, accuracy))
    assert list(cells) == ["old one", "new one"]
    assert (cells["old one"]["seeds"], cells["new one"]["seeds"]) == ("3", "2")
    assert cells["new one"]["accuracy and gain (95 %)"].startswith("80.00%\n+5.0 (")


def test_one_seed_has_no_interval() -> None:
    cells = _cells(_table(STEPS, {"old": (0.7,), "arch": (0.8,)}))
    assert cells["new one"]["accuracy and gain (95 %)"] == "80.00%\n+10.0 pts"
    assert cells["new one"]["evidence"] == "one seed"


@pytest.mark.parametrize(
    ("gain", "points", "text"),
    [
        (None, True, "-"),
        (Gain(()), True, "-"),
        (Gain((0.031,)), True, "+3.1 pts"),
        (Gain((-0.0312,)), False, "-0.031"),
        (Gain((0.0, 0.0)), True, "+0.0 (+0.0 to +0.0) pts"),
    ],
)
def test_gains_in_words(gain: Gain | None, points: bool, text: str) -> None:
    assert gain_text(gain, points=points) == text


def test_the_note_explains_the_comparison_and_the_evidence() -> None:
    table = _table(STEPS, ACCURACY)
    assert table.caption.startswith("Each step is compared with the last step above it that")
    assert "'Spans zero'" in table.caption
    assert "'No interval'" in table.caption
    steps = leave_one_out(LEGACY)
    plain = _table(steps, {step.name: (0.8,) for step in steps})
    assert plain.caption.startswith("Each step is compared with the improved pipeline. ")
    assert "'" not in plain.caption.replace("Student's", "")
