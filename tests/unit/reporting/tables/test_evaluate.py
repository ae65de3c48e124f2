"""The tables of evaluate, threshold and gate, with their texts worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.predictions import certain, predicted

from fastdefect.evaluation.decisions.operating_point import (
    NONE_REJECTED,
    OperatingPoint,
    ScoredPhotos,
    Tally,
)
from fastdefect.evaluation.decisions.review_band import choose_band, load
from fastdefect.evaluation.decisions.sent import sent_to_people
from fastdefect.evaluation.evaluate import Estimate, Evaluation, evaluate
from fastdefect.evaluation.gate import Check, check_limits, parse_limit
from fastdefect.evaluation.statistics.rates import rate_of
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.metrics import METRICS, score
from fastdefect.reporting.tables.evaluate import (
    band_table,
    claim_lines,
    evaluation_tables,
    gate_table,
    interval_text,
    threshold_table,
)
from fastdefect.reporting.tables.fit import MeasuredOn
from fastdefect.reporting.tables.table_data import TableData

# Two defective parts of two photos and four good ones of one; one escape, one overkill.
Y_TRUE = np.array([0, 0, 0, 0, 1, 1, 1, 1])
P_DEFECT = np.array([0.9, 0.8, 0.7, 0.2, 0.1, 0.3, 0.4, 0.6])
Y_PROB = np.stack([P_DEFECT, 1 - P_DEFECT], axis=1)
PARTS = list("aabbcdef")
ARGMAX = DecisionRule("none", 1.0, None, None, "the most probable class")


def _evaluated(
    y_true: np.ndarray = Y_TRUE,
    y_prob: np.ndarray = Y_PROB,
    classes: tuple[str, ...] = ("def", "ok"),
    good: str | None = "ok",
) -> Evaluation:
    parts = PARTS[: len(y_true)]
    return evaluate(predicted(y_true, y_prob, classes, good), parts, draws=50, seed=0)


def _tables(
    evaluation: Evaluation | None = None, decision: DecisionRule = ARGMAX, **changes: object
) -> list[TableData]:
    evaluation = evaluation or _evaluated()
    options = {"split": "valid", "opening": None, "by_type": {}, "sent": None, **changes}
    tables = evaluation_tables(
        evaluation,
        evaluation.metrics,
        options["by_type"],
        decision,
        options["sent"],
        measured_on=MeasuredOn(options["split"], options["opening"]),  # type: ignore[arg-type]
    )
    for table in tables:
        _check(table)
    return tables


def _check(table: TableData) -> None:
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert all(isinstance(cell, str) and "nan" not in cell for row in table.rows for cell in row)


def _rows(table: TableData) -> dict[str, tuple[str, ...]]:
    _check(table)
    return {row[0]: row[1:] for row in table.rows}


# ---- evaluate ----------------------------------------------------------------------------


def test_every_figure_has_its_value_interval_and_count() -> None:
    figures, calibration = _tables()
    assert figures.title == "valid: 8 photos of 6 parts"
    assert figures.columns == ("metric", "value", "95 % interval", "count")
    assert figures.caption == "Decided by the most probable class."
    rows = _rows(figures)
    assert len(rows) == len(METRICS)
    # 1 of 4 good parts of one photo each: Clopper and Pearson, 0.63 % to 80.59 %.
    assert rows["overkill rate"] == ("25.00%", "0.63% to 80.59%", "1 of 4 photos, 4 parts")
    value, _, counts = rows["escape rate"]
    assert (value, counts) == ("25.00%", "1 of 4 photos, 2 parts")
    # 3 found of 4 found and 1 wrong: F1 6/8. No count where it is no rate of photos.
    assert rows["F1"][0] == "0.7500"
    assert rows["F1"][2] == ""
    # 13 of the 16 pairs of a defect and a good one are in order.
    assert rows["AUC"][0] == "0.8125"
    # (0.01 + 0.04 + 0.09 + 0.64) + (0.01 + 0.09 + 0.16 + 0.36) = 1.40 over 8 photos
    assert rows["Brier"][0] == "0.1750"
    assert calibration.title == "Calibration"


def test_the_caption_has_views_review_opening_and_averages() -> None:
    decision = DecisionRule("flips", 1.0, 0.25, 0.75, "escapes at most 1%, people between")
    sent = sent_to_people(decision, P_DEFECT, Y_TRUE == 0, PARTS)
    figures = _tables(decision=decision, sent=sent, split="test", opening=2)[0]
    assert figures.title == "test: 8 photos of 6 parts; test opened for the 2nd time"
    assert figures.caption == (
        "Decided by escapes at most 1%, people between, views: flips; photos sent to review "
        "count as rejected here."
    )
    assert "macro averages over the classes" in _tables(_evaluated(good=None))[0].caption


def test_what_is_not_defined_is_a_dash() -> None:
    # Good photos only: a shift that made no scrap.
    rows = _rows(_tables(_evaluated(Y_TRUE[4:], Y_PROB[4:]))[0])
    assert rows["escape rate"] == ("-", "-", "0 of 0 photos, 0 parts")
    assert rows["overkill rate"][0] == "25.00%"
    assert rows["AUC"] == ("-", "-", "")
    # And no good class at all: no rate, no count.
    rows = _rows(_tables(_evaluated(good=None))[0])
    assert rows["escape rate"] == ("-", "-", "")


def test_classes_have_a_table_where_there_are_many() -> None:
    y_true = np.array([0, 0, 1, 1, 2, 2])
    y_prob = np.eye(4)[[0, 1, 1, 1, 2, 2]]
    tables = _tables(_evaluated(y_true, y_prob, ("crack", "good", "pore", "[red]"), "good"))
    assert [table.title for table in tables] == [
        "valid: 6 photos of 4 parts",
        "By class",
        "Calibration",
    ]
    rows = _rows(tables[1])
    # The parts are a a b b c d: cracks are of one, good ones of one, pores of two.
    precision, recall, f1, photos, parts = rows["crack"]
    assert precision.startswith("1.0000 (")
    assert recall.startswith("0.5000 (")
    assert f1.startswith("0.6667 (")
    assert (photos, parts) == ("2", "1")
    assert rows["pore"][3:] == ("2", "2")
    # Right both times, of two parts: sqrt(0.025) is the exact bound.
    assert rows["pore"][1] == "1.0000 (0.1581 to 1.0000)"
    # No photo: nothing to say, and no crash.
    assert rows["[red]"] == ("-", "-", "-", "0", "0")


def test_types_of_defects_have_a_table_each() -> None:
    hits, parts = np.array([True, False]), ["a", "b"]
    by_type = {
        "type": {"crack": rate_of(hits, parts), "pore": rate_of(hits[1:], parts[1:])},
        "size": {"2": rate_of(hits, parts)},
    }
    titles = [table.title for table in _tables(by_type=by_type)]
    assert titles[1:3] == ["Escapes by type", "Escapes by size"]
    types = _tables(by_type=by_type)[1]
    assert types.columns[0] == "type"
    # 1 of 2 and 0 of 1 parts, exactly.
    assert _rows(types) == {
        "crack": ("50.00%", "1.26% to 98.74%", "1 of 2 photos, 2 parts"),
        "pore": ("0.00%", "0.00% to 97.50%", "0 of 1 photo, 1 part"),
    }


@pytest.mark.parametrize(
    ("temperature", "said"),
    [
        (1.0, "At temperature 1 the probabilities do not change."),
        (0.52, "The temperature fitted on validation is 0.52: the model is underconfident."),
        (1.93, "The temperature fitted on validation is 1.93: the model is overconfident."),
    ],
)
def test_calibration_shows_before_and_after(temperature: float, said: str) -> None:
    before = score(Y_TRUE, Y_PROB, ("def", "ok"), ("ok",))
    decision = replace(ARGMAX, temperature=temperature)
    evaluation = _evaluated(y_prob=decision.calibrated(Y_PROB))
    table = evaluation_tables(
        evaluation, before, {}, decision, None, measured_on=MeasuredOn("valid")
    )[-1]
    assert table.caption == said
    rows = _rows(table)
    assert list(rows) == ["log loss", "Brier", "calibration error"]
    assert rows["Brier"][0] == "0.1750"
    assert rows["Brier"] == (f"{before.brier:.4f}", f"{evaluation.metrics.brier:.4f}")
    assert (rows["Brier"][0] == rows["Brier"][1]) == (temperature == 1)


def test_photos_sent_to_review() -> None:
    decision = DecisionRule("none", 1.0, 0.25, 0.75, "a band")
    sent = sent_to_people(decision, P_DEFECT, Y_TRUE == 0, PARTS)
    rows = _rows(_tables(decision=decision, sent=sent)[-1])
    # 0.2 is passed; 0.7 and 0.3, 0.4, 0.6 are looked at; 0.8 and 0.9 rejected.
    assert rows["defective photos sent to review"][0] == "25.00%"
    assert rows["good photos sent to review"][::2] == ("75.00%", "3 of 4 photos, 4 parts")
    assert rows["escapes without review"][::2] == ("25.00%", "1 of 4 photos, 2 parts")
    assert rows["overkill without review"][0] == "0.00%"


def test_intervals_read_as_their_figures() -> None:
    assert interval_text("escape_rate", (0, 0.1234)) == "0.00% to 12.34%"
    assert interval_text("f1", (0.5, 1)) == "0.5000 to 1.0000"
    assert interval_text("f1", None) == "-"


# ---- what it proves ----------------------------------------------------------------------


def _claims(escapes: int, parts: int) -> list[str]:
    """Of ``parts`` defective parts of one photo; one good photo beside them."""
    y_true = np.array([0] * parts + [1])
    y_prob = np.eye(2)[[1] * escapes + [0] * (parts - escapes) + [1]]
    names = [str(i) for i in range(parts + 1)]
    return claim_lines(
        evaluate(predicted(y_true, y_prob, ("def", "ok"), "ok"), names, draws=20, seed=0)
    )


def test_no_escape_seen_proves_something_all_the_same() -> None:
    # 1 - 0.05 ** (1 / 234) = 1.27 %; log(0.05) / log(0.99) = 298.07; / log(0.999) = 2994.2
    assert _claims(0, 234) == [
        "0 of 234 defective parts escaped: the escape rate is at most 1.27% (one-sided, 95% "
        "confidence, each part one trial).",
        "A claim of at most 1.0% needs 299 defective parts with no escape.",
        "A claim of at most 0.1% needs 2,995 defective parts with no escape.",
    ]


def test_what_is_proved_need_not_be_asked_for() -> None:
    lines = _claims(0, 299)
    assert len(lines) == 2
    assert "0.1%" in lines[1]
    assert "1 of 1 defective part escaped: the escape rate is at most 100.00%" in _claims(1, 1)[0]


def test_escapes_make_the_claim_dearer() -> None:
    # One escape: the 95 % Poisson bound is 4.744, so about 473 and 4742 parts.
    first, second, third = _claims(1, 20)
    assert first.startswith("1 of 20 defective parts escaped: the escape rate is at most 21.61%")
    assert second == "A claim of at most 1.0% needs 473 defective parts with no more escapes."
    assert third == "A claim of at most 0.1% needs 4,742 defective parts with no more escapes."


def test_nothing_is_claimed_where_no_part_is_defective() -> None:
    assert claim_lines(_evaluated(Y_TRUE[4:], Y_PROB[4:])) == []
    assert claim_lines(_evaluated(good=None)) == []


# ---- threshold ---------------------------------------------------------------------------


def test_the_chosen_threshold_beside_the_most_probable_class() -> None:
    point = OperatingPoint(0.25, "f1", Tally(0, 4, 2, 5))
    table = threshold_table(Tally(1, 4, 0, 5), point, said="highest F1", source="validation: 9")
    assert table.title == "Operating point: highest F1"
    assert table.caption.startswith("On validation: 9, where it was chosen; other photos")
    # F1 of 3 found of 4, none wrong: 6/7; of all 4 and 2 wrong: 8/10.
    assert table.rows == (
        ("threshold", "-", "0.25"),
        ("escape rate", "25.00%", "0.00%"),
        ("overkill rate", "0.00%", "40.00%"),
        ("F1", "0.8571", "0.8000"),
        ("escapes", "1 of 4", "0 of 4"),
        ("overkills", "0 of 5", "2 of 5"),
    )


@pytest.mark.parametrize(
    ("threshold", "text"),
    [(0.0, "0"), (0.00003, "3e-05"), (0.99997, "0.99997"), (1.0, "1"), (NONE_REJECTED, "above 1")],
)
def test_thresholds_near_the_ends_differ(threshold: float, text: str) -> None:
    point = OperatingPoint(threshold, "f1", Tally(0, 1, 0, 1))
    table = threshold_table(point.tally, point, said="", source="")
    assert table.rows[0] == ("threshold", "-", text)


def test_a_band_shows_decisions_and_reviews() -> None:
    photos = ScoredPhotos(Y_TRUE == 0, P_DEFECT, PARTS)
    band = choose_band(photos, 0.0, 0.0)
    sent = load(band, 0.1, 2000)
    table = band_table(band, sent, said="both", source="validation: 8 photos")
    rows = {row[0]: row[1] for row in table.rows}
    # 0.1 is passed, 0.7 and above rejected; of 0.2 to 0.6, one is defective and three are good.
    assert rows["OK below score"] == "0.15"
    assert rows["reject from score"] == "0.65"
    assert rows["escapes without review"] == "0 of 4 (0.00%)"
    assert rows["overkill without review"] == "0 of 4 (0.00%)"
    assert rows["defective sent to review"] == "1 (25.0%)"
    assert rows["good sent to review"] == "3 (75.0%)"
    # 0.9 * 0.75 + 0.1 * 0.25 = 0.7 of 2000; normal: 1400 -+ 1.96 * sqrt(420) = 1360 to 1440
    assert rows["share to review at 10.0% defects"] == "70.0%"
    assert rows["to review, of 2,000 parts a day"] == "1,400 (95 % of days: 1,360 to 1,440)"
    without = band_table(band, None, said="both", source="validation: 8 photos")
    assert without.rows == table.rows[:-2]


# ---- gate --------------------------------------------------------------------------------


def _checks(at: str) -> tuple[Check, ...]:
    estimates = {
        "escape_rate": Estimate(0.005, (0.0, 0.02), "clopper-pearson"),
        "f1": Estimate(1.0, None, "none"),
        "auc": Estimate(math.nan, None, "none"),
    }
    limits = [
        parse_limit("escape_rate=0.01", at_most=True),
        parse_limit("f1=0.95", at_most=False),
        parse_limit("auc=0.9", at_most=False),
    ]
    return check_limits(limits, estimates, at)  # type: ignore[arg-type]


def test_the_gate_shows_limit_value_interval_and_verdict() -> None:
    table = gate_table(_checks("point"), at="point")
    assert _rows(table) == {
        "escape rate": ("<= 1.00%", "0.50%", "0.00% to 2.00%", "holds"),
        "F1": (">= 0.9500", "1.0000", "-", "holds"),
        "AUC": (">= 0.9000", "-", "-", "FAILS"),
    }
    assert table.caption == "Judged by the value."


def test_the_gate_at_the_bad_end_needs_an_interval() -> None:
    table = gate_table(_checks("upper"), at="upper")
    assert [row[-1] for row in table.rows] == ["FAILS", "FAILS", "FAILS"]
    assert table.caption == "Judged by the bad end of the 95 % interval; without one it fails."


def test_confusions_among_good_classes_have_a_row() -> None:
    classes = ("crack", "ok_back", "ok_front")
    said = predicted(np.array([0, 0, 1, 1, 2]), certain([0, 2, 1, 2, 1], 3), classes, None)
    found = evaluate(replace(said, good=classes[1:]), PARTS[:5], draws=50, seed=0)
    table = _tables(found)[0]
    rows = _rows(table)
    assert list(rows)[:4] == ["escape rate", "overkill rate", "one good class for another", "F1"]
    assert rows["one good class for another"][2] == "2 of 3 photos, 2 parts"
    assert "macro averages" not in table.caption
