"""The tables of decisions by part, and of the views, as plain values."""

from collections.abc import Sequence

from fastdefect.config import PartRule
from fastdefect.evaluation.by_part import ByPart, PartFacts
from fastdefect.evaluation.by_view import ByView
from fastdefect.evaluation.decisions.stacking import RankedBy
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.inference.part_rule import about
from fastdefect.reporting.tables.evaluate import figure_rows, people_table, types_table
from fastdefect.reporting.tables.fit import MeasuredOn, interval_text, metric_text, opened_text
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted


def part_tables(
    by_part: ByPart, decision: DecisionRule, *, measured_on: MeasuredOn
) -> list[TableData]:
    """All figures over parts, the escapes by type, and the parts sent to people."""
    facts = by_part.facts
    title = (
        f"{measured_on.split}, by part: {counted(facts.parts, 'part')} of "
        f"{counted(facts.photos, 'photo')}{opened_text(measured_on.opening)}"
    )
    notes = [f"Decided by {decision.rule}.", *part_notes(by_part.rule, facts)]
    if by_part.rule == "stacking" and measured_on.split == "valid":
        notes.append(
            "Stacking was learned from these parts: their figures are a little too good. Those "
            "that threshold printed are not."
        )
    caption = " ".join(notes)
    columns = ("metric", "value", "95 % interval", "count")
    rows = tuple(figure_rows(by_part.evaluation, unit="part"))
    tables = [TableData(title, columns, rows, caption)]
    tables += [types_table(column, rates, unit="part") for column, rates in by_part.by_type.items()]
    if by_part.sent is not None:
        tables.append(people_table(by_part.sent, unit="part"))
    return tables


def part_notes(rule: PartRule, facts: PartFacts) -> list[str]:
    """What a decision by part means here: sentences about the rule, the parts and their views."""
    notes = [f"The score of a part is {about(rule)} ({rule})."]
    if facts.single == facts.parts:
        notes.append("Each part has one photo, so the figures are those of the photos.")
        return notes
    notes.append(_origin(facts))
    if facts.single:
        notes.append(f"{counted(facts.single, 'part')} with a single photo.")
    if facts.mixed:
        notes.append(
            f"{counted(facts.mixed, 'part')} with good and defective photos: a part with a "
            "defect on any photo is defective."
        )
    if facts.incomplete:
        lacking = ", ".join(f"{view}: {n}" for view, n in facts.missing.items() if n)
        notes.append(
            f"{counted(facts.incomplete, 'part')} without a photo of every view ({lacking}): "
            "decided by the photos that there are."
        )
    return notes


def rules_table(rules: Sequence[RankedBy]) -> TableData:
    """How well each rule ranks the parts, beside the learned one."""
    rows = [
        (
            each.rule,
            metric_text("auc", each.auc),
            "-" if each.interval is None else interval_text("auc", each.interval),
            about(each.rule),
        )
        for each in rules
    ]
    best = max(rules, key=lambda each: each.auc)
    note = (
        "On the parts that stacking was learned from, each part has the score by a rule that was "
        "learned from the others."
    )
    if best.rule != "stacking":
        note += (
            f" Stacking is not better than {best.rule} here: --part-rule {best.rule} is simpler."
        )
    return TableData(
        "Rules for parts, by how well they rank the parts",
        ("rule", "AUC", "95 % interval", "score of a part"),
        tuple(rows),
        note,
    )


def view_table(by_view: ByView) -> TableData:
    """Escapes, overkill and AUC of the photos of each view; the worst view is named."""
    rows = [
        (
            each.view,
            metric_text("escape_rate", each.escape.value),
            interval_text("escape_rate", each.escape.interval),
            metric_text("overkill_rate", each.overkill.value),
            interval_text("overkill_rate", each.overkill.interval),
            metric_text("auc", each.auc),
            str(each.photos),
            str(each.parts),
        )
        for each in by_view.views
    ]
    notes = []
    if by_view.worst is not None:
        notes.append(
            f"The worst view is {by_view.worst.view}: it has the highest mean of escape and "
            "overkill rate."
        )
    if by_view.unknown:
        notes.append(f"{counted(by_view.unknown, 'photo')} without a view.")
    header = ("escape rate", "95 % interval", "overkill rate", "95 % interval", "AUC")
    return TableData(
        "By view, each photo decided alone",
        ("view", *header, "photos", "parts"),
        tuple(rows),
        " ".join(notes),
        marks={i: "bad" for i, each in enumerate(by_view.views) if each == by_view.worst},
    )


def _origin(facts: PartFacts) -> str:
    """Where the parts come from."""
    if facts.given == facts.parts:
        return "All parts are given."
    if not facts.given:
        return "No part is given: photos of one part were found by the search."
    others = facts.parts - facts.given
    return f"{facts.given} parts are given, {others} were found by the search or are single photos."
