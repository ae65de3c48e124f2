"""The bar plot of an ablation: the gain of each step, with its interval and a dot per seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from fastdefect.evaluation.ablation import Gain, Step
from fastdefect.reporting.plots.style import FAINT, INK, drawing

_BETTER, _WORSE, _OPEN = "#009e73", "#d55e00", "#b8b8b8"
_LEGEND = (
    "Dots: seeds. Lines: 95 % intervals. Grey bars: the interval spans zero, or there is none.\n"
    "In brackets: alternatives that later steps do not build on."
)
_PANELS = (("f1", "F1", 1.0), ("accuracy", "accuracy, points", 100.0))


def plot_ablation(
    path: Path, steps: Sequence[Step], gains: Mapping[str, Mapping[str, Gain]]
) -> None:
    """Draw a bar for each step with a gain, in two panels (F1 and accuracy), as a PNG.

    Grey bars have an interval that spans zero, or none. Raises OSError if ``path`` cannot be
    written.
    """
    shown = [step for step in steps if step.name in gains and gains[step.name]["f1"].by_seed]
    height = 1.6 + 0.34 * max(len(shown), 1)
    with drawing(path, 10.0, height) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for panel, (name, title, scale) in zip(panels, _PANELS, strict=True):
            _draw(panel, [gains[step.name][name] for step in shown], scale)
            panel.set_title(f"Gain in {title}")
        panels[0].set_yticks(range(len(shown)), [_label(step) for step in shown])
        panels[0].set_ylim(len(shown) - 0.4, -0.6)
        figure.supxlabel(_LEGEND, x=0.01, ha="left", fontsize=8.5, color=FAINT)


def _label(step: Step) -> str:
    return f"({step.title})" if step.aside else step.title


def _draw(panel: Axes, gains: Sequence[Gain], scale: float) -> None:
    panel.axvline(0, color=FAINT, linewidth=1)
    panel.grid(False, axis="y")
    panel.locator_params(axis="x", nbins=6)
    for row, gain in enumerate(gains):
        if not np.isfinite(gain.mean):
            continue
        colour = {"more": _BETTER, "less": _WORSE}.get(gain.verdict, _OPEN)
        panel.barh(row, scale * gain.mean, height=0.62, color=colour)
        if gain.interval is not None:
            low, high = gain.interval
            panel.plot([scale * low, scale * high], [row, row], color=INK, linewidth=1.2)
        dots = [scale * each for each in gain.by_seed]
        panel.plot(dots, [row] * len(dots), "o", color=INK, markersize=2.6, alpha=0.7)
