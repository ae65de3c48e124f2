"""Panels of an evaluation's plot: mistakes and costs by threshold, and reliability.

A root scale enlarges small rates, where the limits of a line usually are, and still shows zero.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.evaluation.decisions.calibration import ReliabilityBin
from fastdefect.evaluation.decisions.operating_point import CostCurve
from fastdefect.reporting.plots.style import FAINT, INK
from fastdefect.text import percent

# From Okabe and Ito's palette. The mistakes have the same colours as in the confusion matrix.
ESCAPE, OVERKILL, CHOSEN = "#d55e00", "#e69f00", "#0072b2"
DASHED: Any = (0, (4, 3))


def limit_to_percent(panel: Axes) -> None:
    """0 to 100 on both axes, with a margin so that a curve along the frame is visible."""
    panel.set(xlim=(-2, 102), ylim=(-2, 102))


# ---- mistakes and costs by threshold

_EDGE = 1e-4  # the smallest distance of a drawn threshold from 0 and 1
_ODDS_TICKS = (1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - 1e-4)


def draw_rates(
    panel: Axes, defective: NDArray[np.bool_], score: Floats, threshold: float | None
) -> None:
    """Escape and overkill rate at each threshold that separates the scores (n,)."""
    scores = np.clip(score, _EDGE, 1 - _EDGE)
    edges = np.unique([_EDGE, *scores, 1 - _EDGE])
    for name, chosen, colour in (
        ("escape rate", defective, ESCAPE),
        ("overkill rate", ~defective, OVERKILL),
    ):
        of = np.sort(scores[chosen])
        if not len(of):
            continue
        below = np.searchsorted(of, edges, side="left") / len(of)
        rate = below if name == "escape rate" else 1 - below
        panel.plot(edges, 100 * rate, color=colour, drawstyle="steps-pre", label=name)
    panel.set(title="Mistakes", ylabel="% (root scale)")
    root_scale(panel, 100.0)
    _over_thresholds(panel, threshold)
    # Beside the title, because the curves can cross every corner.
    beside: dict[str, Any] = {"bbox_to_anchor": (1, 1), "ncols": 3, "columnspacing": 1.2}
    panel.legend(loc="lower right", fontsize=8.5, borderpad=0, handlelength=1.5, **beside)


def draw_costs(panel: Axes, costs: CostCurve, threshold: float | None) -> None:
    """The expected cost by threshold, on the same axis as the mistakes."""
    x = np.clip(costs.thresholds, _EDGE, 1 - _EDGE)
    panel.plot(x, costs.cost, color=INK, drawstyle="steps-mid")
    panel.set(title="Expected cost per part", ylabel="cost (root scale)")
    panel.set_yscale("function", functions=(_root, np.square))
    panel.set_ylim(0, 1.05 * max(float(costs.cost.max()), 1e-9))
    _over_thresholds(panel, threshold)


def _over_thresholds(panel: Axes, threshold: float | None) -> None:
    """An axis of log odds, because the scores of a trained model are close to 0 and 1."""
    panel.set_xscale("logit")
    panel.set_xlim(_EDGE, 1 - _EDGE)
    panel.xaxis.set_major_locator(FixedLocator(_ODDS_TICKS))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    panel.tick_params(axis="x", labelsize=8.5)
    panel.set_xlabel("threshold: parts with this score or more are rejected")
    if threshold is not None:
        at = min(max(threshold, _EDGE), 1 - _EDGE)
        panel.axvline(at, color=CHOSEN, linewidth=1.2, linestyle=DASHED, label="threshold")


def _root(values: Any) -> Any:
    return np.sqrt(np.maximum(values, 0))


def root_scale(panel: Axes, top: float) -> None:
    """Percentages from 0 to ``top`` on a root scale, with ticks that do not overlap."""
    panel.set_yscale("function", functions=(_root, np.square))
    panel.set_ylim(0, 1.04 * top)
    ticks = (0, 1, 5, 10, 25, 50, 75, 100) if top > 30 else (0, 0.5, 1, 2, 5, 10, 15, 20, 30)
    panel.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if tick <= top]))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


# ---- reliability


def draw_reliability(panel: Axes, sets: Sequence[tuple[str, Sequence[ReliabilityBin]]]) -> None:
    """The bins of each set with their intervals; larger markers have more photos."""
    # The legend is above the panel, because the bars of small bins cross all of it.
    panel.set_title("Reliability", pad=8 + 13 * len(sets))
    note = "marker area: photos; bars: 95 % intervals"
    panel.set_xlabel(f"predicted: mean probability in a bin (%)\n{note}")
    panel.set_ylabel("observed share (%)")
    limit_to_percent(panel)
    panel.plot([0, 100], [0, 100], color=FAINT, linewidth=0.9, linestyle=DASHED)
    for place, (name, bins) in enumerate(sets):
        last = place == len(sets) - 1
        _draw_bins(panel, name, bins, *((CHOSEN, "o") if last else (FAINT, "s")))
    panel.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8.5, borderpad=0.2)


def _draw_bins(
    panel: Axes, name: str, bins: Sequence[ReliabilityBin], colour: str, marker: str
) -> None:
    predicted, observed = 100 * np.array([(each.confidence, each.share) for each in bins]).T
    low, high = 100 * np.array([each.interval for each in bins]).T
    photos = np.array([each.n for each in bins])
    error = float((photos * np.abs(predicted - observed)).sum() / photos.sum())
    # At a share of 0 or 1 rounding can put the interval's end on the wrong side of it.
    away = np.maximum([observed - low, high - observed], 0)
    panel.errorbar(predicted, observed, away, fmt="none", ecolor=colour, elinewidth=1, alpha=0.7)
    label = f"{name}: calibration error {percent(error / 100)}"
    panel.plot(predicted, observed, color=colour, linewidth=1.1, label=label)
    style: dict[str, Any] = {"marker": marker, "alpha": 0.8, "linewidths": 0, "zorder": 3}
    area = 8 + 150 * photos / photos.max()
    panel.scatter(predicted, observed, s=area, color=colour, clip_on=False, **style)
