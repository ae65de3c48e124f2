"""The tables of fit, and the texts of metrics that other tables share, as plain values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fastdefect.aliases import Interval
from fastdefect.metrics import HEADLINE, METRICS, Metrics, lower_is_better
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import counted, ordinal

if TYPE_CHECKING:
    # Types only: their modules import scipy.stats, which takes longer than all of `runs`.
    from fastdefect.evaluation.robustness.background_swap import BackgroundSwap
    from fastdefect.evaluation.statistics.intervals import Spread
    from fastdefect.evaluation.statistics.paired import McNemar
    from fastdefect.evaluation.targets import Verdict

__all__ = [
    "GOOD_CONFUSED",
    "MeasuredOn",
    "TableData",
    "ViewsResult",
    "change_of",
    "change_text",
    "folds_table",
    "metric_text",
    "metric_title",
    "metrics_table",
    "opened_text",
    "runs_table",
    "targets_table",
    "tta_table",
]

_OF_DEFECTS = ("f1", "precision", "recall")
_SWAP = "flips on background swap"
GOOD_CONFUSED = "one good class for another"


def metric_title(name: str) -> str:
    """The title of a metric."""
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def metric_text(name: str, value: float | None) -> str:
    """A metric's value: shares of photos in percent, scores with four digits, - if undefined."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.2%}" if _is_share(name) else f"{value:.4f}"


def _is_share(name: str) -> bool:
    """Whether it is a share of photos; the gap is a difference of two shares."""
    return name == "gap" or (name in METRICS and METRICS[name].unit == "share")


def interval_text(name: str, interval: tuple[float, float] | None) -> str:
    """``low to high``, in the form of ``metric_text``; - without an interval."""
    if interval is None or not all(map(math.isfinite, interval)):
        return "-"
    return f"{metric_text(name, interval[0])} to {metric_text(name, interval[1])}"


def change_text(name: str, before: float | None, after: float | None) -> str:
    """After minus before; percentages in points."""
    if before is None or after is None or not math.isfinite(after - before):
        return "-"
    change = after - before
    return f"{100 * change:+.2f} pts" if _is_share(name) else f"{change:+.4f}"


def swap_text(swap: "BackgroundSwap | None") -> str:
    """The share of decisions that flip with its interval: ``3.3 % (6 of 182), 1.5 % to 7.0 %``."""
    if swap is None or swap.all.interval is None:
        return "-"
    low, high = swap.all.interval
    counts = f"{swap.all.flips} of {swap.all.n}"
    return f"{swap.all.share:.1%} ({counts}), {low:.1%} to {high:.1%}"


def metrics_table(
    metrics: Mapping[str, Metrics], swap: "BackgroundSwap | None" = None
) -> TableData:
    """Each metric by split; the rates with their counts.

    ``swap`` is the result of the background swap on the validation photos.
    """
    classes = list(next(iter(metrics.values())).per_class)
    rows = [
        (metric_title(name), *(_with_counts(name, metrics[split]) for split in metrics))
        for name in HEADLINE
    ]
    if any(of.good_confused is not None for of in metrics.values()):
        rows.append((GOOD_CONFUSED, *(_good_confused(of) for of in metrics.values())))
    if _is_macro(list(metrics.values())) or len(classes) > 2:
        rows += [
            (f"F1 {name}", *(f"{metrics[split].per_class[name].f1:.4f}" for split in metrics))
            for name in classes
        ]
    if swap is not None:
        cells = (swap_text(swap) if split == "valid" else "-" for split in metrics)
        rows.append((_SWAP, *cells))
    rows.append(("photos", *(str(metrics[split].n) for split in metrics)))
    deciding = next((split for split in metrics if split.startswith("valid-")), None)
    caption = _kind(list(metrics.values()))
    if deciding is not None:
        caption += f" {deciding}: with the mean over several views of a photo, as in later use."
    return TableData("Best model, by split", ("metric", *metrics), tuple(rows), caption)


def _kind(metrics: Sequence[Metrics]) -> str:
    if _is_macro(metrics):
        return "F1, precision and recall are macro averages over the classes."
    return "F1, precision and recall refer to the defect."


def _is_macro(metrics: Sequence[Metrics]) -> bool:
    return metrics[0].defect is None


def _good_confused(metrics: Metrics) -> str:
    return f"{metrics.good_confused} of {metrics.n_good}"


def _with_counts(name: str, metrics: Metrics) -> str:
    text = metric_text(name, getattr(metrics, name))
    if text == "-" or (name in _OF_DEFECTS and metrics.good and not metrics.n_defective):
        return "-"  # scikit-learn's 0 would look like a result
    if name == "escape_rate":
        return f"{text} ({metrics.escapes} of {metrics.n_defective})"
    if name == "overkill_rate":
        return f"{text} ({metrics.overkills} of {metrics.n_good})"
    return text


def targets_table(verdicts: "Sequence[Verdict]") -> TableData:
    """Metric, previous value, target, this run, change, and whether the target is met."""
    rows = []
    for verdict in verdicts:
        target, name = verdict.target, verdict.target.metric
        rows.append(
            (
                target.label,
                metric_text(name, target.previous),
                _target_text(verdict),
                metric_text(name, verdict.value),
                change_text(name, target.previous, verdict.value),
                "met" if verdict.met else "NOT met",
            )
        )
    missed = sum(not verdict.met for verdict in verdicts)
    return TableData(
        "Targets",
        ("metric", "previous", "target", "this run", "change", "met"),
        tuple(rows),
        f"{len(rows) - missed} of {len(rows)} met.",
        {index: "good" if v.met else "bad" for index, v in enumerate(verdicts)},
    )


def _target_text(verdict: "Verdict") -> str:
    target, name = verdict.target, verdict.target.metric
    if target.high is not None:
        return f"{metric_text(name, target.low)} to {metric_text(name, target.high)}"
    sign = "<=" if lower_is_better(name) else ">="
    return f"{sign} {metric_text(name, target.low)}"


@dataclass(frozen=True)
class MeasuredOn:
    """The photos that a table's figures are measured on.

    ``opening`` is the number of the opening of the sealed test, None if it was not opened.
    """

    split: str
    opening: int | None = None


@dataclass(frozen=True)
class ViewsResult:
    """What a run reaches with some views: metrics, seconds per photo, and the background swap."""

    metrics: Metrics
    seconds: float
    swap: "BackgroundSwap | None" = None


def tta_table(
    plain: ViewsResult,
    averaged: ViewsResult,
    *,
    views: str,
    measured_on: MeasuredOn,
    changes: "Mapping[str, McNemar]" = MappingProxyType({}),
) -> TableData:
    """Figures without and with test-time augmentation, their difference, and the cost in time.

    ``changes``, by unit (photos, parts): the decisions that became right or wrong.
    """
    of_plain, of_averaged = plain.metrics, averaged.metrics
    rows = [
        (
            metric_title(name),
            _with_counts(name, of_plain),
            _with_counts(name, of_averaged),
            change_text(name, getattr(of_plain, name), getattr(of_averaged, name)),
        )
        for name in HEADLINE
    ]
    if plain.swap or averaged.swap:
        rows.append((_SWAP, swap_text(plain.swap), swap_text(averaged.swap), "-"))
    rows += [(f"{what} that changed", "-", "-", change_of(test)) for what, test in changes.items()]
    before, after = plain.seconds, averaged.seconds
    ratio = f"x {after / before:.1f}" if before else "-"
    rows.append(("seconds per photo", f"{before:.4f}", f"{after:.4f}", ratio))
    return TableData(
        f"Test-time augmentation on {measured_on.split}, {of_plain.n} photos"
        f"{opened_text(measured_on.opening)}",
        ("metric", "without", f"views: {views}", "difference"),
        tuple(rows),
    )


def change_of(test: "McNemar") -> str:
    """``3 wrong became right, 1 right became wrong (p 0.62)``, by McNemar's exact test."""
    return (
        f"{test.became_right} wrong became right, {test.became_wrong} right became wrong "
        f"(p {test.p_value:.2g})"
    )


def opened_text(opening: int | None) -> str:
    """The number of the opening of the sealed test, to follow a title; empty without one."""
    return "" if opening is None else f"; test opened for the {ordinal(opening)} time"


def folds_table(
    spreads: "Mapping[str, Spread]",
    pooled: Metrics,
    intervals: Mapping[str, Interval | None],
    *,
    folds: int,
    n_parts: int,
) -> TableData:
    """Each metric over the held-out folds, and over all held-out photos with its interval."""
    rows = [
        (
            metric_title(name),
            metric_text(name, spreads[name].mean),
            metric_text(name, spreads[name].sd),
            interval_text(name, (spreads[name].min, spreads[name].max)),
            _with_counts(name, pooled),
            interval_text(name, intervals[name]),
        )
        for name in HEADLINE
    ]
    return TableData(
        f"Cross-validation, {folds} folds: each photo held out once",
        ("metric", "mean", "sd", "min to max", "all held out", "95 % interval"),
        tuple(rows),
        f"{counted(pooled.n, 'photo')} of {counted(n_parts, 'part')}; intervals over parts. "
        f"{_kind([pooled])}",
    )


def _extent(row: Mapping[str, Any]) -> str:
    """The extent of a run: its epochs, folds or trainings."""
    if row.get("trainings") is not None:
        return counted(row["trainings"], "training")
    return f"{row['folds']} folds" if row["folds"] else str(row["epochs"])


def runs_table(rows: Sequence[Mapping[str, Any]]) -> TableData:
    """A row for each run: name, status, epochs, architecture and validation metrics."""
    names = ("f1", "auc", "accuracy", "escape_rate", "overkill_rate")
    return TableData(
        "Runs",
        ("run", "status", "epochs", "arch", *(metric_title(name) for name in names)),
        tuple(
            (
                row["name"],
                row["status"],
                _extent(row),
                row["arch"],
                *(metric_text(name, row["valid"].get(name)) for name in names),
            )
            for row in rows
        ),
        "Metrics are on validation, for a cross-validation on all held-out photos.",
        empty="No runs yet: `fastdefect fit` creates one.",
    )
