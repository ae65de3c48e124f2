"""Inputs of the plots of an evaluation, and what a figure shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from fastdefect.evaluation.decisions.calibration import reliability, reliability_of
from fastdefect.evaluation.decisions.operating_point import CostCurve
from fastdefect.evaluation.robustness.background_swap import Flips
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES
from fastdefect.evaluation.robustness.stress import (
    Mistakes,
    StressLine,
    StressPoint,
    StressReport,
)
from fastdefect.reporting.plots.evaluate import plot_evaluation
from helpers.predictions import predicted

Floats = NDArray[np.float64]


TWO = ("defect", "ok")


SOME = Mistakes(50, 1, 50, 2)


def predictions(n: int, n_classes: int = 2, *, seed: int = 0) -> tuple[NDArray[np.int64], Floats]:
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, n_classes, n)
    logits = rng.normal(0, 1.2, (n, n_classes))
    logits[np.arange(n), y_true] += 2.0
    y_prob = np.exp(logits)
    return y_true, y_prob / y_prob.sum(axis=1, keepdims=True)


def curve_of(threshold: float = 0.5) -> CostCurve:
    ends = np.array([0.0, threshold, 1.0])
    return CostCurve(ends, np.array([0, 0.1, 1]), np.array([1, 0.1, 0]), np.array([5.0, 1.0, 9.0]))


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title("left"): axes for axes in figure.axes}


def labels(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def line_of(axes: Axes, start: str) -> Line2D:
    (line,) = [line for line in axes.get_lines() if str(line.get_label()).startswith(start)]
    return line


def texts(axes: Axes) -> str:
    return " ".join(text.get_text() for text in axes.texts)


# ---- evaluation


def draw_two(path: Path, good: str | None = "ok", **changes: Any) -> None:
    y_true, y_prob = predictions(120)
    options: dict[str, Any] = {
        "title": "Test: 120 photos of 40 parts",
        "threshold": 0.4,
        "costs": curve_of(0.4),
        "reliability": [
            ("before", reliability(y_true, y_prob)),
            ("after", reliability_of(y_true == 0, y_prob[:, 0])),
        ],
    }
    plot_evaluation(path, predicted(y_true, y_prob, TWO, good), **{**options, **changes})


# ---- stress


def point(strength: float, flips: int, escapes: int, overkills: int, **more: int) -> StressPoint:
    counts: Any = {"to_escape": 0, "to_overkill": 0, "unchanged": 0, **more}
    mistakes = Mistakes(50, escapes, 50, overkills)
    return StressPoint(strength, Flips(100, flips), Flips(40, flips // 3), mistakes, **counts)


def report_of(names: Sequence[str], undisturbed: Mistakes = SOME) -> StressReport:
    lines = []
    for name in names:
        disturbance = DISTURBANCES[name]
        points = [point(s, 2 + i, i, 2) for i, s in enumerate(disturbance.strengths)]
        lines.append(StressLine(disturbance, tuple(points)))
    return StressReport(100, 40, 1, undisturbed, tuple(lines))


# ---- learning curve

SIZES = np.repeat([30, 60, 120], 2)


ERRORS = np.array([0.16, 0.14, 0.11, 0.1, 0.075, 0.07])
