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
from fastdefect.evaluation.decisions.decide import Decision
from fastdefect.evaluation.statistics.paired import McNemar
from fastdefect.metrics import METRICS
from fastdefect.reporting.tables.fit import change_text, metric_text, metric_title, opened_text
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted, first

_MOST_PARTS = 20  # of a kind of change in a table; compare.json has all
_MOST_PHOTOS = 3  # of a part
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
    """Each figure of two runs, the difference with its interval, and what it is worth.

    ``before`` and ``after`` name the runs, ``where`` the photos; ``opening`` is the how-manyeth
    opening of the sealed test this was, ``note`` what else to say of the photos. Figures that
    neither run has are left out: escape and overkill, where no class is good.
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
    size = f"{counted(comparison.n, 'photo')} of {counted(comparison.n_parts, 'part')}"
    return TableData(
        f"{before} -> {after} on {where}: {size}{opened_text(opening)}",
        ("metric", before, after, "difference", "95 % interval", "verdict"),
        tuple(rows),
        "Intervals by paired bootstrap over parts. No difference is shown where the interval spans "
        f"zero, nor where fewer than {SUFFICIENT} parts changed. Of {len(rows)} figures one may "
        "leave out zero by luck."
        + _fewness(comparison)
        + blindness(comparison, before, after)
        + (f" {note}" if note else ""),
        marks,
    )


def _fewness(comparison: Comparison) -> str:
    """Says which figures can't be told for want of parts, though they may have an interval."""
    if comparison.n_parts >= SUFFICIENT_FOR_PROBABILITIES:
        return ""
    of = [metric.title for metric in METRICS.values() if metric.of == "probabilities"]
    *titles, last = of
    return (
        f" {', '.join(titles)} and {last} take {SUFFICIENT_FOR_PROBABILITIES} parts to be told "
        "apart: of fewer their intervals are too narrow."
    )


def blindness(comparison: Comparison, before: str, after: str) -> str:
    """Says which run gives one answer to everything: F1 can be 0.67 and better than 0 then.

    Begins with a blank; empty if neither does. ``before`` and ``after`` are what to call them.
    """
    pairs = zip((before, after), comparison.constant_prediction, strict=True)
    blind = [name for name, answer in pairs if answer is not None]
    if not blind:
        return ""
    if len(blind) == 1:
        gives, its, it = "gives", "its", "it"
    else:
        gives, its, it = "give", "their", "they"
    return (
        f" {' and '.join(blind)} {gives} one answer to every photo: {its} F1, precision and recall "
        f"say nothing of what {it} can tell apart."
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
    """The decisions that became right or wrong, and how likely that is by luck."""
    tests = {"photo": comparison.by_photo, "part": comparison.by_part}
    rows = tuple((f"by {unit}", *_test_cells(test)) for unit, test in tests.items())
    note = "Exact and two-sided."
    if comparison.n_parts < comparison.n:
        note += " Parts have several photos: the line by part is the one to believe."
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
    """The parts that are decided otherwise, with their photos: escapes first."""
    rows: list[tuple[str, ...]] = []
    marks: dict[int, str] = {}
    more = []
    for kind in KINDS:
        found = comparison.of_kind(kind)
        for change in found[:_MOST_PARTS]:
            marks[len(rows)] = "bad" if kind in FOR_THE_WORSE else "good"
            paths = first([photo.path for photo in change.photos], _MOST_PHOTOS)
            rows.append((kind, change.part, f"{len(change.photos)} of {change.of}", paths))
        if len(found) > _MOST_PARTS:
            more.append(f"{len(found) - _MOST_PARTS} more: {kind}")
    title = f"Parts decided otherwise, {before} -> {after}"
    if not rows:
        return TableData(title, ("change",), (("No photo is decided otherwise.",),))
    note = f"{'; '.join(more)}. All are in compare.json." if more else ""
    return TableData(title, ("change", "part", "photos", "which"), tuple(rows), note, marks)


def settings_table(
    settings: Sequence[tuple[str, Sequence[Any]]], names: Sequence[str]
) -> TableData:
    """The settings that are not the same in all runs, a column for each run."""
    title = "Settings that differ"
    if not settings:
        return TableData(title, ("setting",), (("All are the same.",),))
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
    """What each run cost to train and what its model takes, beside how it decides.

    Each of ``runs`` has name, arch, parameters (None where not known), megabytes, epochs, seconds
    and decision (a ``Decision``).
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


def _decision_text(decision: Decision) -> str:
    views = "" if decision.views == "none" else f", views {decision.views}"
    people = "; photos for people count as rejected" if decision.has_band else ""
    return f"{decision.rule}{views}{people}"
