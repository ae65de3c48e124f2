"""The plot of a stress report: a small panel for each disturbance, all on one scale."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fastdefect.evaluation.robustness.stress import (
    Limits,
    StressLine,
    StressPoint,
    StressReport,
    first_breaks,
)
from fastdefect.reporting.plots.style import FAINT, INK, drawing
from fastdefect.reporting.plots.threshold_panels import DASHED, ESCAPE, OVERKILL, root_scale
from fastdefect.text import counted

_FLIPS = INK
_BREAK = "#cc0033"
_COLOURS = {"flips": _FLIPS, "escape": ESCAPE, "overkill": OVERKILL}
# Equal limits share one line, with alternating dashes.
_DASHES: dict[str, Any] = {"flips": (0, (4, 8)), "escape": (4, (4, 8)), "overkill": (8, (4, 8))}
_COLUMNS = 4


def plot_stress(path: Path, report: StressReport, limits: Limits | None = None) -> None:
    """Draw the share of flips and the error rates over the strength, and write a PNG.

    Each disturbance has a panel. The light vertical line is the undisturbed photos, and strength
    increases away from it. ``limits`` are dashed lines in the colour of the limited rate; a ring
    marks the first strength that exceeds one.

    Raises ValueError without disturbances; OSError if ``path`` cannot be written.
    """
    if not report.lines:
        raise ValueError("Expected at least one disturbance to draw but got none")
    limits = limits or Limits()
    rows = -(-len(report.lines) // _COLUMNS)
    columns = min(_COLUMNS, len(report.lines))
    with drawing(path, max(2.9 * columns, 6.5), 1.3 + 2.2 * rows) as figure:
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
        top = _top(report, limits)
        for panel, line in zip(panels.flat, report.lines, strict=False):
            _draw_line(panel, line, report)
            root_scale(panel, top)
            _draw_limits(panel, limits)
            _draw_breaks(panel, line, report, limits)
        for panel in panels.flat[len(report.lines) :]:
            panel.set_axis_off()
        for panel in panels[:, 0]:
            panel.set_ylabel("% (root scale)")
        _draw_heading(figure, report, limits)


def _top(report: StressReport, limits: Limits) -> float:
    """The largest share drawn, in percent."""
    shares = [report.undisturbed.escape_rate, report.undisturbed.overkill_rate, 0.05]
    shares += _limits(limits).values()
    for line in report.lines:
        for point in line.points:
            high = point.flips.interval[1] if point.flips.interval else 0.0
            shares += [high, point.mistakes.escape_rate, point.mistakes.overkill_rate]
    return 100 * float(np.nanmax(shares))


def _draw_line(panel: Axes, line: StressLine, report: StressReport) -> None:
    identity = line.disturbance.identity
    panel.set_title(line.disturbance.name, fontsize=9.5)
    panel.set_xlabel(line.disturbance.unit, fontsize=8.5)
    panel.tick_params(labelsize=8)
    panel.axvline(identity, color=FAINT, linewidth=0.8, zorder=1)
    if line.acts:
        for points in line.directions:
            _draw_direction(panel, identity, points, report)
    else:
        style: dict[str, Any] = {"ha": "center", "color": FAINT, "fontsize": 9}
        text = "no effect on\nthese photos"
        panel.text(0.5, 0.6, text, transform=panel.transAxes, backgroundcolor="white", **style)
    strengths = [identity, *(point.strength for point in line.points)]
    margin = 0.05 * (max(strengths) - min(strengths))
    ends = (min(strengths) - margin, max(strengths) + margin)
    # With a single direction, strength increases to the right.
    panel.set_xlim(ends[::-1] if max(strengths) == identity else ends)


def _draw_direction(
    panel: Axes, identity: float, points: Sequence[StressPoint], report: StressReport
) -> None:
    x = [identity, *(point.strength for point in points)]
    intervals = [(0.0, 0.0), *(point.flips.interval or (np.nan, np.nan) for point in points)]
    low, high = 100 * np.array(intervals).T
    panel.fill_between(x, low, high, color=_FLIPS, alpha=0.13, linewidth=0)
    mistakes = [report.undisturbed, *(point.mistakes for point in points)]
    thin: dict[str, Any] = {"linewidth": 1.2, "markersize": 3.0}
    panel.plot(x, [100 * each.overkill_rate for each in mistakes], "v-", color=OVERKILL, **thin)
    panel.plot(x, [100 * each.escape_rate for each in mistakes], "^-", color=ESCAPE, **thin)
    flips = [0.0, *(100 * point.flips.share for point in points)]
    panel.plot(x, flips, "o-", color=_FLIPS, markersize=3.0, linewidth=1.6)


def _draw_limits(panel: Axes, limits: Limits) -> None:
    for name, most in _limits(limits).items():
        style: dict[str, Any] = {"color": _COLOURS[name], "linestyle": _DASHES[name]}
        panel.axhline(100 * most, linewidth=1, zorder=1.5, **style)


def _limits(limits: Limits) -> dict[str, float]:
    found = {
        "flips": limits.max_flips,
        "escape": limits.max_escape,
        "overkill": limits.max_overkill,
    }
    return {name: most for name, most in found.items() if most is not None}


def _draw_breaks(panel: Axes, line: StressLine, report: StressReport, limits: Limits) -> None:
    """A ring at the first strength that exceeds each limit."""
    points = {point.strength: point for point in line.points}
    for found in first_breaks(replace(report, lines=(line,)), limits):
        if found.strength is None:
            continue
        point = points.get(found.strength)
        mistakes = point.mistakes if point else report.undisturbed
        shares = {
            "flips": point.flips.share if point else 0.0,
            "escape": mistakes.escape_rate,
            "overkill": mistakes.overkill_rate,
        }
        for name in found.broken:
            at = ([found.strength], [100 * shares[name]])
            panel.plot(*at, "o", color=_BREAK, markersize=9, fillstyle="none", zorder=5)


def _draw_heading(figure: Figure, report: StressReport, limits: Limits) -> None:
    undisturbed = report.undisturbed
    about = f"Stress of {counted(report.n, 'photo')} of {counted(report.n_parts, 'part')}"
    figure.suptitle(about, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
    handles: list[Any] = [
        Line2D([], [], color=_FLIPS, marker="o", label="decisions that flip"),
        Patch(color=_FLIPS, alpha=0.13, label="95 % interval of flips, by photos"),
    ]
    if undisturbed.has_good:
        handles += [
            Line2D([], [], color=ESCAPE, marker="^", label="escape rate"),
            Line2D([], [], color=OVERKILL, marker="v", label="overkill rate"),
        ]
    handles.append(Line2D([], [], color=FAINT, linewidth=0.8, label="undisturbed"))
    if _limits(limits):
        ring: dict[str, Any] = {"marker": "o", "markersize": 9, "fillstyle": "none"}
        handles += [
            Line2D([], [], color=FAINT, linestyle=DASHED, linewidth=1, label="limit"),
            Line2D([], [], color=_BREAK, linestyle="", **ring, label="first break"),
        ]
    figure.legend(handles=handles, loc="outside lower left", ncols=min(len(handles), 4))
