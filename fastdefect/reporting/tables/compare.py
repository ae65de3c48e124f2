"""The tables of compare as plain values."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastdefect.evaluation.compare import (
    FOR_THE_WORSE,
    KINDS,
    SUFFICIENT,
    SUFFICIENT_FOR_PROBABILITIES,
    Comparison,
    FigureChange,
    Verdict,
)
from fastdefect.evaluation.statistics.paired import McNemar
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.metrics import METRICS
from fastdefect.reporting.tables.fit import change_text, metric_text, metric_title, opened_text
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted, first

_MOST_PARTS = 20  # rows of a kind of change; compare.json has all
_MOST_PHOTOS = 3  # per part
_MARKS: dict[Verdict, str] = {"better": "good", "worse": "bad"}


def figures_table(
    comparison: Comparison,
    before: str,
    after: str,
    *,
    where: str,
    opening: int | None = None,
    note: str = "",
) -> TableData:
    """Each metric of two runs, the difference with its interval, and the verdict.

    ``before`` and ``after`` name the runs, ``where`` the photos. ``opening`` is the number of the
    opening of the sealed test, ``note`` another sentence about the photos. Metrics that neither run
    has are omitted, such as escape and overkill rate without a good class.
    """
    shown = {
        name: change
        for name, change in comparison.figures.items()
        if not (math.isnan(change.difference.before) and math.isnan(change.difference.after))
    }
    rows = [_figure_row(name, change) for name, change in shown.items()]
    marks = {
        row: _MARKS[change.verdict]
        for row, change in enumerate(shown.values())
        if change.verdict in _MARKS
    }
    size = counted(comparison.n_parts, "part")
    if comparison.unit == "photo":
        size = f"{counted(comparison.n, 'photo')} of {size}"
    return TableData(
        f"{before} -> {after} on {where}: {size}{opened_text(opening)}",
        ("metric", before, after, "difference", "95 % interval", "verdict"),
        tuple(rows),
        "Intervals by paired bootstrap over parts. No difference is shown if the interval spans "
        f"zero or if fewer than {SUFFICIENT} parts changed. One of {len(rows)} metrics can exclude "
        "zero by chance."
        + _few_parts_note(comparison)
        + constant_note(comparison, before, after)
        + (f" {note}" if note else ""),
        marks,
    )


def _few_parts_note(comparison: Comparison) -> str:
    """The metrics without a verdict because there are too few parts, as a sentence."""
    if comparison.n_parts >= SUFFICIENT_FOR_PROBABILITIES:
        return ""
    of = [metric.title for metric in METRICS.values() if metric.of == "probabilities"]
    *titles, last = of
    return (
        f" {', '.join(titles)} and {last} need {SUFFICIENT_FOR_PROBABILITIES} parts for a verdict: "
        "with fewer, their intervals are too narrow."
    )


def constant_note(comparison: Comparison, before: str, after: str) -> str:
    """The runs with a constant prediction, as a sentence that begins with a space, or empty.

    F1 of such a run can be 0.67, which is better than 0. ``before`` and ``after`` name the runs.
    """
    pairs = zip((before, after), comparison.constant_prediction, strict=True)
    constant = [name for name, only in pairs if only is not None]
    if not constant:
        return ""
    if len(constant) == 1:
        predicts, its, it = "predicts", "its", "it separates"
    else:
        predicts, its, it = "predict", "their", "they separate"
    return (
        f" {' and '.join(constant)} {predicts} the same class for every {comparison.unit}: {its} "
        f"F1, precision and recall do not show whether {it} the classes."
    )


def _figure_row(name: str, change: FigureChange) -> tuple[str, ...]:
    of = change.difference
    return (
        metric_title(name),
        metric_text(name, of.before),
        metric_text(name, of.after),
        change_text(name, of.before, of.after),
        _interval_text(name, change),
        change.verdict,
    )


def _interval_text(name: str, change: FigureChange) -> str:
    if change.difference.interval is None:
        return "-" if change.verdict == "can't tell" else "all draws agree"
    low, high = change.difference.interval
    ends = change_text(name, 0.0, low), change_text(name, 0.0, high)
    return f"{ends[0].removesuffix(' pts')} to {ends[1]}"


def mcnemar_table(comparison: Comparison, before: str, after: str) -> TableData:
    """The decisions that became right or wrong, and the p-value of the change."""
    tests = {"photo": comparison.by_photo, "part": comparison.by_part}
    if comparison.unit == "part":
        del tests["photo"]
    rows = tuple((f"by {unit}", *_test_cells(test)) for unit, test in tests.items())
    note = "Exact and two-sided."
    if comparison.n_parts < comparison.n:
        note += " Parts have several photos: use the row by part."
    return TableData(
        f"McNemar's test, {before} -> {after}",
        ("decisions", "compared", "became right", "became wrong", "p"),
        rows,
        note,
    )


def _test_cells(test: McNemar) -> tuple[str, ...]:
    p = test.p_value
    shown = f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"
    return str(test.n), str(test.became_right), str(test.became_wrong), shown


def changes_table(comparison: Comparison, before: str, after: str) -> TableData:
    """The parts with changed decisions and their photos, escapes first."""
    rows: list[tuple[str, ...]] = []
    marks: dict[int, str] = {}
    more = []
    of_parts = comparison.unit == "part"
    columns = ("most suspicious photo",) if of_parts else ("photos", "which")
    for kind in KINDS:
        found = comparison.of_kind(kind)
        for change in found[:_MOST_PARTS]:
            marks[len(rows)] = "bad" if kind in FOR_THE_WORSE else "good"
            paths = first([photo.path for photo in change.photos], _MOST_PHOTOS)
            count = f"{len(change.photos)} of {change.of}"
            rows.append((kind, change.part, *([] if of_parts else [count]), paths))
        if len(found) > _MOST_PARTS:
            more.append(f"{len(found) - _MOST_PARTS} more: {kind}")
    title = f"Parts with changed decisions, {before} -> {after}"
    if not rows:
        none = f"{before} -> {after}: no decision changed."
        return TableData(title, ("change",), (), empty=none)
    note = f"{'; '.join(more)}. All are in compare.json." if more else ""
    return TableData(title, ("change", "part", *columns), tuple(rows), note, marks)


def settings_table(
    settings: Sequence[tuple[str, Sequence[Any]]], names: Sequence[str]
) -> TableData:
    """The settings that differ between the runs, with a column for each run."""
    title = "Settings that differ"
    if not settings:
        return TableData(title, ("setting",), (), empty="All settings are the same.")
    rows = tuple((name, *map(_setting_text, values)) for name, values in settings)
    return TableData(title, ("setting", *names), rows)


def _setting_text(value: Any) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return value.as_posix() if isinstance(value, Path) else str(value)


def costs_table(runs: Sequence[Mapping[str, Any]]) -> TableData:
    """The cost of each run: training time and model size, with its decision rule.

    Each of ``runs`` has name, arch, parameters (None if unknown), megabytes, epochs, seconds and
    decision (a ``DecisionRule``).
    """
    return TableData(
        "Cost",
        ("run", "arch", "parameters", "model", "epochs", "training", "decides by"),
        tuple(
            (
                run["name"],
                run["arch"],
                "-" if run["parameters"] is None else f"{run['parameters']:,}",
                f"{run['megabytes']:.1f} MB",
                str(run["epochs"]),
                f"{run['seconds']:,.0f} s" if run["epochs"] else "-",
                _decision_text(run["decision"]),
            )
            for run in runs
        ),
    )


def _decision_text(decision: DecisionRule) -> str:
    views = "" if decision.views == "none" else f", views {decision.views}"
    people = f"; {decision.unit}s for review count as rejected" if decision.has_band else ""
    parts = "" if decision.part_rule is None else f", by part ({decision.part_rule})"
    return f"{decision.rule}{parts}{views}{people}"
