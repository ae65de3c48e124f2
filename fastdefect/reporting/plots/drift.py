"""The plot of drift: the distribution of each quantity, of validation and of each day."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from fastdefect.evaluation.drift import Day
from fastdefect.evaluation.drift_findings import Quantity, curve, quantities
from fastdefect.inference.baseline import Sample
from fastdefect.reporting.plots.style import INK, drawing

_DAY = "#d55e00"
_NAMED = 6  # days in the legend


def plot_drift(path: Path, baseline: Sample, days: Sequence[Day]) -> None:
    """Draw the share of parts up to each value, parts with equal weight.

    Validation is black; several days are coloured in their order. Raises OSError if ``path``
    cannot be written.
    """
    compared = quantities(baseline)
    with drawing(path, 4.2 * len(compared), 4.0) as figure:
        for panel, quantity in zip(figure.subplots(1, len(compared)), compared, strict=True):
            _draw(panel, quantity, baseline, days)
        figure.axes[0].set_ylabel("parts up to this value (%)")
        figure.axes[0].legend(loc="lower right", fontsize=7.5)


def _draw(panel: Axes, quantity: Quantity, baseline: Sample, days: Sequence[Day]) -> None:
    colours = matplotlib.colormaps["plasma"](np.linspace(0.15, 0.85, len(days)))
    for number, (day, colour) in enumerate(zip(days, colours, strict=True)):
        known = curve(quantity.of(day.sample))
        named = len(days) <= _NAMED or number in (0, len(days) - 1)
        panel.step(
            known["x"],
            100 * known["y"],
            where="post",
            color=_DAY if len(days) == 1 else colour,
            linewidth=1.5,
            label=Path(day.name).name if named else None,
        )
    known = curve(quantity.of(baseline))
    panel.step(known["x"], 100 * known["y"], where="post", color=INK, label="validation")
    is_distance = quantity.name.startswith("distance")
    panel.set(
        title=quantity.title[0].upper() + quantity.title[1:],
        xlabel="distance (1 is usual)" if is_distance else "P(defect)",
        ylim=(0, 102),
    )
    if is_distance:
        panel.set_xlim(left=0)
    else:
        panel.set_xscale("symlog", linthresh=1e-3)
