"""The plot of a learning curve: the expected benefit of more photos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from fastdefect.evaluation.learning_curve import PowerLaw
from fastdefect.reporting.plots.style import INK, drawing
from fastdefect.text import percent

_LAW, _FORECAST = "#0072b2", "#d55e00"
_DASHED: Any = (0, (4, 3))


def plot_learning_curve(
    path: Path,
    n: NDArray[np.floating[Any]] | NDArray[np.integer[Any]],
    error: NDArray[np.floating[Any]],
    *,
    law: PowerLaw | None,
    unit: str = "parts",
    what: str = "error",
) -> None:
    """Draw the ``error`` (k,) of trainings on ``n`` (k,) ``unit``, and the forecast for twice that.

    Sizes can repeat; each training is a point. Errors are shares, drawn in percent from zero;
    ``what`` names them. Without a fitted ``law``, only the trainings are drawn. The forecast is for
    twice the largest size.

    Raises ValueError without trainings or if the lengths differ; OSError if ``path`` cannot be
    written.
    """
    if not len(n) or len(n) != len(error):
        raise ValueError(f"Expected an error for each of {len(n)} trainings but got {len(error)}")
    sizes = sorted({float(size) for size in n})
    with drawing(path, 7.2, 4.4) as figure:
        panel = figure.subplots()
        panel.set_xscale("log")
        title = f"Expected benefit of more {unit}"
        if law is not None:
            _draw_law(panel, law, sizes, unit)
            sizes.append(2 * sizes[-1])
            title += ": not shown by these trainings" if law.flat else ""
        points: dict[str, Any] = {"color": INK, "markersize": 5, "alpha": 0.75, "zorder": 4}
        panel.plot(n, 100 * np.asarray(error), "o", label="trainings", **points)
        top = 1.25 * max(panel.get_ylim()[1], 1.0)  # space for the legend
        panel.set(title=title, xlabel=f"{unit} trained on", ylabel=f"{what} (%)", ylim=(0, top))
        panel.set_xlim(sizes[0] / 1.15, sizes[-1] * 1.15)
        panel.xaxis.set_major_locator(FixedLocator(sizes))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.legend(loc="upper right")


def _draw_law(panel: Axes, law: PowerLaw, sizes: Sequence[float], unit: str) -> None:
    """Draw the law with its interval, dashed from the largest of ``sizes`` to twice that."""
    seen = [law.forecast(n) for n in np.geomspace(sizes[0], sizes[-1], 50)]
    ahead = [law.forecast(n) for n in np.geomspace(sizes[-1], 2 * sizes[-1], 20)]
    at = [each.n for each in seen + ahead]
    low, high = 100 * np.array([each.interval for each in seen + ahead]).T
    panel.fill_between(at, low, high, color=_LAW, alpha=0.15, linewidth=0, label="95 % interval")
    for some, dashes, name in ((seen, "-", "fitted power law"), (ahead, _DASHED, None)):
        errors = [100 * each.error for each in some]
        panel.plot([each.n for each in some], errors, color=_LAW, linestyle=dashes, label=name)
    twice = ahead[-1]
    least, most = twice.interval
    label = (
        f"at {twice.n:,.0f} {unit}: {percent(twice.error)} ({percent(least)} to {percent(most)})"
    )
    away = 100 * np.maximum([[twice.error - least], [most - twice.error]], 0)
    style: dict[str, Any] = {"fmt": "D", "markersize": 6, "capsize": 4, "zorder": 5}
    panel.errorbar([twice.n], [100 * twice.error], away, color=_FORECAST, label=label, **style)
