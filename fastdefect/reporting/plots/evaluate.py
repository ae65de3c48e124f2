"""The plot of an evaluation: ROC, precision and recall, mistakes by threshold, reliability."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from fastdefect.aliases import Floats
from fastdefect.evaluation.decisions.calibration import ReliabilityBin
from fastdefect.evaluation.decisions.operating_point import CostCurve
from fastdefect.evaluation.predictions import Predictions
from fastdefect.good import is_good, p_defect
from fastdefect.reporting.plots.style import FAINT, INK, drawing
from fastdefect.reporting.plots.threshold_panels import (
    CHOSEN,
    DASHED,
    draw_costs,
    draw_rates,
    draw_reliability,
    limit_to_percent,
)
from fastdefect.reporting.sheets.contact_sheet import clean
from fastdefect.text import percent

# Okabe and Ito's palette, which is safe for colour-blind readers.
_CLASSES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_LETTERS = 18
_ZOOMS = (0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class _Curve:
    """A binary classification: ``positive`` (n,) bool is the truth, ``score`` (n,) its score."""

    name: str
    positive: NDArray[np.bool_]
    score: Floats
    colour: str
    main: bool = False

    @property
    def defined(self) -> bool:
        """Whether there are both positive and negative photos."""
        return 0 < int(self.positive.sum()) < len(self.positive)


def plot_evaluation(
    path: Path,
    predictions: Predictions,
    *,
    title: str,
    threshold: float | None = None,
    costs: CostCurve | None = None,
    reliability: Sequence[tuple[str, Sequence[ReliabilityBin]]] = (),
) -> None:
    """Draw ROC, precision and recall, mistakes by threshold and reliability as a PNG.

    With a good class, a part is rejected if its score, 1 - P(good), is at or above ``threshold``.
    The mistakes by threshold are drawn then, with ``costs`` below them. ``reliability`` holds named
    sets of bins: the first is drawn in grey (before), the last in colour (after). A panel that
    cannot be drawn shows the reason; a panel without input is omitted.

    Raises ValueError without photos, if the shapes differ, a probability is not finite or the good
    class is unknown; OSError if ``path`` cannot be written.
    """
    _check(predictions)
    good = predictions.good
    curves = _curves(predictions)
    cells = [("roc", "roc"), ("pr", "pr")]
    if good:
        cells.append(("rates", "cost" if costs else "rates"))
    if reliability:
        cells.append(("reliability", "reliability"))
    layout = _layout(cells)
    with drawing(path, 5.0 * len(layout[0]), 0.6 + 2.15 * len(layout)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
        panels = figure.subplot_mosaic(layout)  # type: ignore[arg-type]
        main = curves[0] if good else None
        _draw_roc(panels["roc"], curves, main, threshold)
        _draw_precision_recall(panels["pr"], curves, main, threshold)
        if main is not None:
            draw_rates(panels["rates"], main.positive, main.score, threshold)
            if costs:
                panels["rates"].set_xlabel("")
                panels["rates"].tick_params(labelbottom=False)
                draw_costs(panels["cost"], costs, threshold)
        if reliability:
            draw_reliability(panels["reliability"], reliability)


def _check(predictions: Predictions) -> None:
    y_true, y_prob = predictions.y_true, predictions.y_prob
    classes, good = predictions.classes, predictions.good
    if not len(y_true) or y_prob.shape != (len(y_true), len(classes)):
        raise ValueError(
            f"Expected photos and probabilities of shape {(len(y_true), len(classes))}, "
            f"but got {y_prob.shape}"
        )
    if not np.isfinite(y_prob).all():
        raise ValueError("Expected finite probabilities")
    if unknown := [name for name in good if name not in classes]:
        raise ValueError(f"Expected good classes among {list(classes)} but got {unknown}")


def _layout(cells: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Each cell is two rows high: four cells are two by two, fewer are side by side."""
    wide = 2 if len(cells) == 4 else len(cells)
    lines = [cells[start : start + wide] for start in range(0, len(cells), wide)]
    return [[cell[half] for cell in line] for line in lines for half in (0, 1)]


# ---- ROC, precision and recall


def _curves(predictions: Predictions) -> list[_Curve]:
    """Defective against good, with a good class; with more than two classes also each class."""
    y_true, y_prob = predictions.y_true, np.asarray(predictions.y_prob, np.float64)
    classes, good = predictions.classes, predictions.good_indices
    curves = []
    if good:
        name = "defective" if len(classes) <= 2 else "any defect"
        defective = ~is_good(y_true, good)
        curves.append(_Curve(name, defective, p_defect(y_prob, good), INK, main=True))
    if len(classes) > 2:
        colours = _colours(y_true, y_prob)
        curves += [
            _Curve(_short(name), y_true == i, y_prob[:, i], colours[i])
            for i, name in enumerate(classes)
        ]
    elif not good:
        last = len(classes) - 1
        curves.append(_Curve(_short(classes[last]), y_true == last, y_prob[:, last], INK, True))
    return curves


def _colours(y_true: NDArray[np.int64], y_prob: Floats) -> list[str]:
    """Colours for the classes that are hardest to separate, grey for the others."""
    n_classes = y_prob.shape[1]
    areas = [_area(_Curve("", y_true == i, y_prob[:, i], INK)) for i in range(n_classes)]
    hardest = np.argsort(areas, kind="stable")[: len(_CLASSES)]  # NaN last
    named = dict(zip(sorted(hardest.tolist()), _CLASSES, strict=False))
    return [named.get(i, FAINT) for i in range(n_classes)]


def _area(curve: _Curve) -> float:
    if not curve.defined:
        return float("nan")
    false, true, _ = roc_curve(curve.positive, curve.score)
    return float(auc(false, true))


def _draw_roc(
    panel: Axes, curves: Sequence[_Curve], main: _Curve | None, threshold: float | None
) -> None:
    panel.set(title="ROC")
    if len(curves) == 1 and main is not None:
        panel.set(xlabel="overkill rate (%)", ylabel="defects found, 100 - escape rate (%)")
    else:
        panel.set(xlabel="false positive rate (%)", ylabel="true positive rate (%)")
    limit_to_percent(panel)
    panel.plot([0, 100], [0, 100], color=FAINT, linewidth=0.9, linestyle=DASHED)
    drawn = [curve for curve in curves if curve.defined]
    if not drawn:
        _say(panel, "not defined: all photos are of one kind")
        return
    points = [(curve, *_roc(curve)) for curve in drawn]
    for curve, false, true in points:
        _plot_curve(panel, curve, false, true, f"AUC {auc(false, true):.4f}")
    singles = [(false, true) for curve, false, true in points if not curve.main]
    if len(singles) > 1:
        _plot_macro(panel, singles)
    if threshold is not None and main is not None and main.defined:
        _mark(panel, *_operating_point(main, threshold)[:2], threshold)
    if len(curves) == 1:
        _draw_zoom(panel, *points[0][1:], main, threshold)
    _draw_legend(panel, drawn, "lower right")


def _roc(curve: _Curve) -> tuple[Floats, Floats]:
    false, true, _ = roc_curve(curve.positive, curve.score)
    return np.asarray(false, np.float64), np.asarray(true, np.float64)


def _plot_macro(panel: Axes, singles: Sequence[tuple[Floats, Floats]]) -> None:
    """The mean of the classes' curves at each false positive rate; its AUC is their mean."""
    grid = np.unique(np.concatenate([false for false, _ in singles]))
    mean = np.mean([np.interp(grid, false, true) for false, true in singles], axis=0)
    area = np.mean([auc(false, true) for false, true in singles])
    label = f"mean of classes: AUC {area:.4f}"
    panel.plot(100 * grid, 100 * mean, color=INK, linestyle=(0, (1, 1)), zorder=4, label=label)


def _draw_zoom(
    panel: Axes, false: Floats, true: Floats, main: _Curve | None, threshold: float | None
) -> None:
    """Enlarge the corner of a good model's curve, if the curve reaches the corner."""
    reach = 2 * float(np.maximum(false, 1 - true).min())
    zoom = next((zoom for zoom in _ZOOMS if zoom >= reach), None)
    if zoom is None:
        return
    inset = panel.inset_axes((0.42, 0.3, 0.55, 0.5))
    inset.plot(100 * false, 100 * true, color=INK)
    if threshold is not None and main is not None:
        _mark(inset, *_operating_point(main, threshold)[:2], None)
    margin = 4 * zoom  # percent, 1/25 of the inset
    inset.set(xlim=(-margin, 100 * zoom), ylim=(100 * (1 - zoom), 100 + margin))
    inset.set_title("enlarged corner", fontsize=8.5, fontweight="normal", color=FAINT)
    inset.tick_params(labelsize=8)


def _draw_precision_recall(
    panel: Axes, curves: Sequence[_Curve], main: _Curve | None, threshold: float | None
) -> None:
    panel.set(title="Precision and recall", xlabel="recall (%)", ylabel="precision (%)")
    if len(curves) == 1 and main is not None:
        panel.set(xlabel="recall: defects found (%)")
        panel.set(ylabel="precision: defective among rejected (%)")
    limit_to_percent(panel)
    drawn = [curve for curve in curves if curve.defined]
    if not drawn:
        _say(panel, "not defined: all photos are of one kind")
        return
    for curve in drawn:
        precision, recall, _ = precision_recall_curve(curve.positive, curve.score)
        area = average_precision_score(curve.positive, curve.score)
        _plot_curve(panel, curve, recall, precision, f"AP {area:.4f}", drawstyle="steps-post")
    if drawn[0].main:
        share = float(drawn[0].positive.mean())
        label = f"by chance: {percent(share)} of the photos"
        panel.axhline(100 * share, color=FAINT, linewidth=0.9, linestyle=DASHED, label=label)
    if threshold is not None and main is not None and main.defined:
        _, recall_there, precision_there = _operating_point(main, threshold)
        _mark(panel, recall_there, precision_there, threshold)
    _draw_legend(panel, drawn, "lower left")


def _operating_point(curve: _Curve, threshold: float) -> tuple[float, float, float]:
    """False positive rate, true positive rate, precision (NaN if nothing is positive)."""
    called = curve.score >= threshold
    precision = float(curve.positive[called].mean()) if called.any() else float("nan")
    return float(called[~curve.positive].mean()), float(called[curve.positive].mean()), precision


def _plot_curve(
    panel: Axes, curve: _Curve, x: Floats, y: Floats, figure: str, **style: Any
) -> None:
    label = None if curve.colour == FAINT else f"{curve.name}: {figure}"
    width, order = (1.9, 3.0) if curve.main else (1.1, 2.0)
    style = {"color": curve.colour, "linewidth": width, "zorder": order, **style}
    panel.plot(100 * x, 100 * y, label=label, **style)


def _mark(panel: Axes, x: float, y: float, threshold: float | None) -> None:
    label = None if threshold is None else f"at the threshold {threshold:.4g}"
    if np.isfinite(y):
        panel.plot([100 * x], [100 * y], "o", color=CHOSEN, markersize=7, zorder=5, label=label)


def _draw_legend(panel: Axes, drawn: Sequence[_Curve], place: Any) -> None:
    handles = panel.get_legend_handles_labels()[0]
    others = sum(curve.colour == FAINT for curve in drawn)
    if others:
        handles.append(Line2D([], [], color=FAINT, linewidth=1.1, label=f"{others} easier classes"))
    style: dict[str, Any] = {"frameon": True, "framealpha": 0.85, "edgecolor": "none"}
    panel.legend(handles=handles, loc=place, fontsize=8.5, **style)


def _say(panel: Axes, text: str) -> None:
    panel.text(0.5, 0.5, text, transform=panel.transAxes, ha="center", va="center", color=FAINT)


def _short(name: str) -> str:
    plain = clean(name)
    half = _LETTERS // 2
    return plain if len(plain) <= _LETTERS else f"{plain[:half]}…{plain[1 - half :]}"
