"""The table of a quick test: metric, before, after, difference, target, met."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastdefect.aliases import Interval
from fastdefect.evaluation.compare import SUFFICIENT, SUFFICIENT_FOR_PROBABILITIES, Comparison
from fastdefect.evaluation.targets import Verdict
from fastdefect.reporting.tables.compare import constant_note
from fastdefect.reporting.tables.fit import change_text, metric_text, metric_title
from fastdefect.reporting.tables.table_data import TableData

_SHOWN = ("accuracy", "f1", "precision", "recall", "auc", "escape_rate", "overkill_rate")
_CAPTION = (
    "Before: the small CNN without additions. Better or worse: the interval excludes 0 and at "
    f"least {SUFFICIENT} parts changed (for AUC, there are at least {SUFFICIENT_FOR_PROBABILITIES} "
    "parts). Targets are those of the replaced pipeline, met at or above their lower end; for the "
    "gap, at or below its upper end."
)


def quick_table(
    metrics: Mapping[str, Mapping[str, Mapping[str, Any]]],
    comparison: Comparison,
    verdicts: Sequence[Verdict],
    seconds: Mapping[str, float],
) -> TableData:
    """The old beside the improved pipeline on the same photos; ``metrics`` by member and split."""
    by_figure = {(v.target.metric, v.target.split): v for v in verdicts}
    before, after = metrics["before"], metrics["after"]
    old, new = (of["train"]["accuracy"] for of in (before, after))
    rows = [
        _row("training accuracy", "accuracy", old, new, "", by_figure.get(("accuracy", "train")))
    ]
    for name in _SHOWN:
        change = comparison.figures[name]
        evidence = f"{change.verdict}{_interval(name, change.difference.interval)}"
        title = "validation accuracy" if name == "accuracy" else metric_title(name)
        verdict = by_figure.get((name, "valid"))
        of = change.difference
        rows.append(_row(title, name, of.before, of.after, evidence, verdict))
    was, now = (of["train"]["accuracy"] - of["valid"]["accuracy"] for of in (before, after))
    rows.append(_row("gap, train - valid", "gap", was, now, "", by_figure.get(("gap", "valid"))))
    rows.append(("seconds", f"{seconds['before']:.0f}", f"{seconds['after']:.0f}", "", "", "", ""))
    return TableData(
        f"Before and after, on {comparison.n} validation photos of {comparison.n_parts} parts",
        ("metric", "before", "after", "difference", "evidence (95 %)", "target", "met"),
        tuple(rows),
        _CAPTION + constant_note(comparison, "Before", "After"),
    )


def _row(
    title: str, name: str, old: float, new: float, evidence: str, verdict: Verdict | None
) -> tuple[str, ...]:
    target, met = "-", "-"
    if verdict is not None:
        low, high = verdict.target.low, verdict.target.high
        target = metric_text(name, low)
        if high is not None:
            target += f" to {metric_text(name, high)}"
        met = "met" if verdict.met else "not met"
    cells = (metric_text(name, old), metric_text(name, new), change_text(name, old, new))
    return (title, *cells, evidence, target, met)


def _interval(name: str, interval: Interval | None) -> str:
    if interval is None:
        return ""
    low, high = (change_text(name, 0.0, end) for end in interval)
    return f", {low} to {high}"
