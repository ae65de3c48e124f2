"""Panels of an evaluation's figure beyond ROC: mistakes and costs by threshold, reliability.

A root scale gives the small rates room, on which a line's limits lie, and still shows zero.
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

# Of Okabe and Ito's palette. The mistakes have the colours that they have in the confusion matrix.
ESCAPE, OVERKILL, CHOSEN = "#d55e00", "#e69f00", "#0072b2"
DASHED: Any = (0, (4, 3))


def limit_to_percent(panel: Axes) -> None:
    """0 to 100 on both axes, and a little beyond: a curve along the frame must be seen."""
    panel.set(xlim=(-2, 102), ylim=(-2, 102))


# ---- mistakes and costs by threshold

_EDGE = 1e-4  # a threshold is drawn no nearer than this to 0 and 1
_ODDS_TICKS = (1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - 1e-4)


def draw_rates(
    panel: Axes, defective: NDArray[np.bool_], score: Floats, threshold: float | None
) -> None:
    """Escape and overkill at each threshold that the scores (n,) tell apart."""
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
    # Beside the title: there is no corner that the curves never cross.
    beside: dict[str, Any] = {"bbox_to_anchor": (1, 1), "ncols": 3, "columnspacing": 1.2}
    panel.legend(loc="lower right", fontsize=8.5, borderpad=0, handlelength=1.5, **beside)


def draw_costs(panel: Axes, costs: CostCurve, threshold: float | None) -> None:
    """The expected cost by threshold, above the same axis as the mistakes."""
    x = np.clip(costs.thresholds, _EDGE, 1 - _EDGE)
    panel.plot(x, costs.cost, color=INK, drawstyle="steps-mid")
    panel.set(title="Expected cost per part", ylabel="cost (root scale)")
    panel.set_yscale("function", functions=(_root, np.square))
    panel.set_ylim(0, 1.05 * max(float(costs.cost.max()), 1e-9))
    _over_thresholds(panel, threshold)


def _over_thresholds(panel: Axes, threshold: float | None) -> None:
    """An axis of log odds: a trained model's scores crowd at 0 and 1."""
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
    """Percentages from 0 to ``top`` on a root scale, with ticks that crowd nowhere."""
    panel.set_yscale("function", functions=(_root, np.square))
    panel.set_ylim(0, 1.04 * top)
    ticks = (0, 1, 5, 10, 25, 50, 75, 100) if top > 30 else (0, 0.5, 1, 2, 5, 10, 15, 20, 30)
    panel.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if tick <= top]))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


# ---- reliability


def draw_reliability(panel: Axes, sets: Sequence[tuple[str, Sequence[ReliabilityBin]]]) -> None:
    """Each set's bins with their intervals; the larger a marker, the more photos."""
    # The legend stands above the panel: the bars of small bins cross all of it.
    panel.set_title("Reliability", pad=8 + 13 * len(sets))
    note = "marker area: photos; bars: 95 % intervals"
    panel.set_xlabel(f"said: mean probability in a bin (%)\n{note}")
    panel.set_ylabel("seen: share that was so (%)")
    limit_to_percent(panel)
    panel.plot([0, 100], [0, 100], color=FAINT, linewidth=0.9, linestyle=DASHED)
    for place, (name, bins) in enumerate(sets):
        last = place == len(sets) - 1
        _draw_bins(panel, name, bins, *((CHOSEN, "o") if last else (FAINT, "s")))
    panel.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8.5, borderpad=0.2)


def _draw_bins(
    panel: Axes, name: str, bins: Sequence[ReliabilityBin], colour: str, marker: str
) -> None:
    said, seen = 100 * np.array([(each.confidence, each.share) for each in bins]).T
    low, high = 100 * np.array([each.interval for each in bins]).T
    photos = np.array([each.n for each in bins])
    error = float((photos * np.abs(said - seen)).sum() / photos.sum())
    # At a share of 0 or 1 rounding may put the interval's end on the wrong side of it.
    away = np.maximum([seen - low, high - seen], 0)
    panel.errorbar(said, seen, away, fmt="none", ecolor=colour, elinewidth=1, alpha=0.7)
    label = f"{name}: calibration error {percent(error / 100)}"
    panel.plot(said, seen, color=colour, linewidth=1.1, label=label)
    style: dict[str, Any] = {"marker": marker, "alpha": 0.8, "linewidths": 0, "zorder": 3}
    area = 8 + 150 * photos / photos.max()
    panel.scatter(said, seen, s=area, color=colour, clip_on=False, **style)
