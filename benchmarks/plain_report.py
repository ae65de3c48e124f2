"""The output of ``plain.py``: two tables and a plot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from plain_arms import STRENGTHS
from plain_compare import Cell, Contrast, Summary

from fastdefect.evaluation.statistics.paired import Difference
from fastdefect.reporting.plots.style import FAINT, INK, drawing
from fastdefect.reporting.tables.markdown import as_markdown
from fastdefect.reporting.tables.table_data import TableData

# Colours of Okabe and Ito; the markers differ as well.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_MARKERS = "osD^vP"
_RATIOS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


def figures_table(summaries: Sequence[tuple[Cell, Summary]]) -> TableData:
    """Return the metrics of every arm, as means over its seeds."""
    rows = []
    for cell, s in summaries:
        graded = cell.of.good is not None
        rows.append(
            (
                cell.name,
                s.arm,
                str(len(s.seeds)),
                f"{s.trained_on:.0f}",
                f"{s.epochs:.3g}",
                f"{s.wall:.0f}",
                f"{s.cpu:.0f}",
                f"{s.auc:.4f}",
                f"{s.accuracy:.4f}",
                f"{s.f1:.4f}",
                f"{s.escapes:.1f} of {s.n_defective:.4g}" if graded else "-",
                f"{s.overkills:.1f} of {s.n_good:.4g}" if graded else "-",
                "-" if s.flips is None else f"{s.flips:.2%}",
            )
        )
    columns = (
        *("set, photos", "arm", "seeds", "trained on", "epochs", "wall s", "CPU s"),
        *("AUC", "accuracy", "F1", "escapes", "overkills", "flips"),
    )
    disturbed = ", ".join(f"{name} {strength:g}" for name, strength in STRENGTHS)
    caption = (
        "Held-out parts, means over seeds; the decision is the most probable class. With more "
        "than two classes, AUC and F1 are macro averages. Flips: share of decisions that "
        f"change, mean over {disturbed}."
    )
    return TableData("Metrics", columns, tuple(rows), caption)


def contrast_table(contrasts: Sequence[tuple[Cell, Contrast]]) -> TableData:
    """Return the differences of each pair of arms, with intervals over parts and criteria."""
    rows = []
    for cell, c in contrasts:
        verdicts = {name: _shown(verdict) for name, verdict in c.verdicts.items()}
        rows.append(
            (
                cell.name,
                f"{c.arm} - {c.baseline}",
                str(len(c.seeds)),
                _points(c.auc),
                verdicts["auc_above_margin"],
                verdicts["auc_not_below"],
                _points(c.accuracy),
                verdicts["accuracy_above_margin"],
                verdicts["accuracy_not_below"],
                _ratio(c),
                verdicts["flips_at_most_half"],
            )
        )
    columns = (
        *("set, photos", "arms", "seeds", "AUC, points", "above -1", "mean not below 0"),
        *("accuracy, points", "above -1", "mean not below 0", "flips, ratio", "at most half"),
    )
    caption = (
        "A point is 0.01. 95 % percentile intervals of a paired bootstrap over parts, pooled "
        "over seeds. Above -1: the whole interval is above -1 point."
    )
    return TableData("Differences", columns, tuple(rows), caption)


def as_text(table: TableData, *, markdown: bool) -> str:
    """Return the table as text in columns, or as Markdown."""
    if markdown:
        return as_markdown(table)
    lines = [table.columns, *table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.columns))]
    left_aligned = 2  # columns

    def row(cells: Sequence[str]) -> str:
        return "  ".join(
            cell.ljust(width) if i < left_aligned else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()

    rule = "  ".join("-" * width for width in widths)
    body = [row(table.columns), rule, *map(row, table.rows)]
    return "\n".join([table.title, *body, table.caption]) + "\n"


def plot_contrasts(path: Path, contrasts: Sequence[tuple[Cell, Contrast]]) -> None:
    """Plot the differences of AUC and accuracy and the ratio of flips, a row per set and size."""
    names = list(dict.fromkeys(cell.name for cell, _ in contrasts))
    pairs = list(dict.fromkeys((c.arm, c.baseline) for _, c in contrasts))
    with_flips = any(c.flips_ratio is not None for _, c in contrasts)
    rows = len(names) * (0.28 + 0.22 * len(pairs))
    with drawing(path, 10.5 if with_flips else 7.6, 1.9 + rows + 0.2 * len(pairs)) as figure:
        panels: Any = figure.subplots(1, 3 if with_flips else 2, sharey=True, squeeze=False)[0]
        for number, pair in enumerate(pairs):
            style = {
                "color": _COLOURS[number % len(_COLOURS)],
                "marker": _MARKERS[number % len(_MARKERS)],
                "linestyle": "none",
                "markersize": 5.5,
                "capsize": 3,
                "linewidth": 1.5,
            }
            label = f"{pair[0]} compared with {pair[1]}"
            offset = (number - (len(pairs) - 1) / 2) * 0.8 / max(len(pairs), 2)
            for cell, c in contrasts:
                if (c.arm, c.baseline) != pair:
                    continue
                y = names.index(cell.name) + offset
                _mark(panels[0], y, _hundredfold(c.auc), style, label)
                _mark(panels[1], y, _hundredfold(c.accuracy), style, label)
                if c.flips_ratio is not None:
                    _mark(panels[2], y, (c.flips_ratio, c.flips_interval), style, label)
        for panel, what in zip(panels, ("AUC", "Accuracy"), strict=False):
            panel.axvline(0, color=INK, linewidth=1, zorder=1)
            panel.axvline(-1, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
            panel.set(title=what, xlabel="points (right: fastdefect better)")
            _extend(panel, (-1.5, 1.5))
        if with_flips:
            _flips_axis(panels[2])
        panels[0].set_yticks(range(len(names)), names)
        panels[0].set_ylim(len(names) - 0.5, -0.5)
        for panel in panels:
            panel.grid(axis="y", visible=False)
            for line in np.arange(0.5, len(names) - 1):
                panel.axhline(line, color="#e6e6e6", linewidth=0.7)
        handles, labels = panels[0].get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        limits = "limit: 1 point below, half the flips" if with_flips else "limit: 1 point below"
        unique[limits] = Line2D([], [], color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        figure.legend(unique.values(), unique.keys(), loc="outside lower left", ncols=1)


def _mark(
    panel: Axes,
    y: float,
    value: tuple[float, tuple[float, float] | None],
    style: dict[str, Any],
    label: str,
) -> None:
    middle, interval = value
    if np.isnan(middle):
        return
    low, high = interval or (middle, middle)
    away = np.maximum([[middle - low], [high - middle]], 0)
    panel.errorbar([middle], [y], xerr=away, label=label, zorder=3, **style)


def _extend(panel: Axes, least: tuple[float, float]) -> None:
    low, high = panel.get_xlim()
    panel.set_xlim(min(low, least[0]), max(high, least[1]))


def _flips_axis(panel: Axes) -> None:
    panel.set_xscale("log")
    panel.axvline(1, color=INK, linewidth=1, zorder=1)
    panel.axvline(0.5, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    _extend(panel, (0.4, 1.25))
    low, high = panel.get_xlim()
    panel.xaxis.set_major_locator(FixedLocator([r for r in _RATIOS if low <= r <= high]))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set(title="Flips", xlabel="ratio (left: fastdefect better)")


def _hundredfold(difference: Difference) -> tuple[float, tuple[float, float] | None]:
    interval = difference.interval
    scaled = None if interval is None else (100 * interval[0], 100 * interval[1])
    return 100 * difference.difference, scaled


def _points(difference: Difference) -> str:
    middle, interval = _hundredfold(difference)
    between = "[-]" if interval is None else f"[{interval[0]:+.2f}, {interval[1]:+.2f}]"
    return f"{middle:+.2f} {between}"


def _ratio(contrast: Contrast) -> str:
    if contrast.flips_ratio is None:
        return "-"
    interval = contrast.flips_interval
    between = "[-]" if interval is None else f"[{interval[0]:.2f}, {interval[1]:.2f}]"
    return f"{contrast.flips_ratio:.2f} {between}"


def _shown(verdict: bool | None) -> str:
    return "-" if verdict is None else "yes" if verdict else "NO"
