"""The plots of a run: training curves, confusion matrix, learning-rate search."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.good import Good, good_indices
from fastdefect.reporting.plots.style import FAINT, INK, drawing
from fastdefect.text import careful_percent

# Okabe and Ito's palette, which is safe for colour-blind readers. Each colour has one meaning:
# blue is training, vermilion is validation.
_TRAIN, _VALID = "#0072b2", "#d55e00"
_SCORE, _SECOND, _THIRD = INK, "#009e73", "#cc79a7"
_DASHED = (0, (4, 3))
_ESCAPE, _OVERKILL = "#d55e00", "#e69f00"
_BLUES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#9ecae1", "#2171b5", "#08306b"])

# ---- curves

_History = Mapping[str, Floats]
_LAYOUT: list[Any] = [["loss"] * 3 + ["accuracy"] * 3, ["f1", "f1", "auc", "auc", "lr", "lr"]]
_COLUMNS = (
    "epoch",
    "train_loss",
    "valid_loss",
    "train_accuracy",
    "valid_accuracy",
    "f1",
    "precision",
    "recall",
    "auc",
    "learning_rate",
)


def plot_curves(
    rows: Sequence[Mapping[str, float | None]], path: Path, *, best_epoch: int | None
) -> None:
    """Draw a run's ``history.csv`` over its epochs, in five panels, and write it as a PNG.

    ``rows`` hold ``epoch, train_loss, valid_loss, train_accuracy, valid_accuracy, f1, precision,
    recall, auc, learning_rate``; accuracies and scores are 0 to 1. A missing, ``None`` or
    non-finite value leaves a gap. ``best_epoch`` is marked in every panel.

    Raises ValueError without rows, OSError if ``path`` cannot be written.
    """
    if not rows:
        raise ValueError("Expected at least one epoch to draw but got none")
    history = {name: _column(rows, name) for name in _COLUMNS}
    with drawing(path, 11.5, 6.6) as figure:
        panels = figure.subplot_mosaic(_LAYOUT)
        _draw_loss(panels["loss"], history)
        _draw_accuracy(panels["accuracy"], history, best_epoch)
        _draw_scores(panels["f1"], history)
        _draw_line(panels["auc"], history, "auc", "Validation AUC", "area under the ROC curve")
        _limit_to_one(panels["auc"])
        _draw_line(panels["lr"], history, "learning_rate", "Learning rate", "learning rate")
        panels["lr"].yaxis.set_major_formatter(_plain_numbers())
        for panel in panels.values():
            _over_epochs(panel, history["epoch"], best_epoch)
        panels["loss"].legend()


def _column(rows: Sequence[Mapping[str, float | None]], name: str) -> Floats:
    values = (row.get(name) for row in rows)
    column = np.array([math.nan if value is None else float(value) for value in values])
    column[~np.isfinite(column)] = math.nan
    return column


def _draw_loss(panel: Axes, history: _History) -> None:
    panel.plot(history["epoch"], history["train_loss"], "o-", color=_TRAIN, label="training")
    panel.plot(history["epoch"], history["valid_loss"], "s-", color=_VALID, label="validation")
    panel.set(title="Loss", ylabel="loss per photo")


def _draw_accuracy(panel: Axes, history: _History, best_epoch: int | None) -> None:
    epochs = history["epoch"]
    train, valid = (100 * history[f"{part}_accuracy"] for part in ("train", "valid"))
    panel.fill_between(epochs, train, valid, color=FAINT, alpha=0.25, linewidth=0, label="gap")
    panel.plot(epochs, train, "o-", color=_TRAIN, label="training")
    panel.plot(epochs, valid, "s-", color=_VALID, label="validation")
    title = "Accuracy"
    gap = (train - valid)[epochs == best_epoch]
    if gap.size and np.isfinite(gap[0]):
        title += f": gap {gap[0]:.1f} points at the best epoch"
    panel.set(title=title, ylabel="accuracy (%)")
    _limit_to_one(panel, 100)
    panel.legend()


def _draw_scores(panel: Axes, history: _History) -> None:
    thin: dict[str, Any] = {"linewidth": 1.0, "markersize": 2.2}
    panel.plot(
        history["epoch"], history["precision"], "^-", color=_SECOND, label="precision", **thin
    )
    panel.plot(history["epoch"], history["recall"], "v-", color=_THIRD, label="recall", **thin)
    panel.plot(history["epoch"], history["f1"], "o-", color=_SCORE, label="F1")
    panel.set(title="Validation F1", ylabel="score")
    _limit_to_one(panel)
    panel.legend()


def _draw_line(panel: Axes, history: _History, name: str, title: str, label: str) -> None:
    panel.plot(history["epoch"], history[name], "o-", color=_SCORE)
    panel.set(title=title, ylabel=label)
    if np.isnan(history[name]).all():
        panel.text(0.5, 0.5, "not defined", transform=panel.transAxes, ha="center", color=FAINT)


def _limit_to_one(panel: Axes, one: float = 1.0) -> None:
    # The top is the best possible value, so that the distance to it is visible.
    low = min(panel.get_ylim()[0], 0.95 * one)
    panel.set_ylim(max(low, 0.0), one + 0.04 * (one - max(low, 0.0)))


def _over_epochs(panel: Axes, epochs: Floats, best_epoch: int | None) -> None:
    panel.set_xlabel("epoch")
    panel.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if best_epoch is not None:
        label = f"best epoch: {best_epoch}"
        panel.axvline(best_epoch, label=label, color=INK, linewidth=1, linestyle=_DASHED, zorder=1)


def _plain_numbers() -> FuncFormatter:
    """Ticks such as 0.0008 and 1e-05, without a factor above the axis."""
    return FuncFormatter(lambda value, _: f"{value:g}")


# ---- confusion matrix

_FEW = 8  # with more classes, a cell is too small for three lines


def plot_confusion(
    matrix: NDArray[np.int64],
    classes: Sequence[str],
    path: Path,
    *,
    title: str,
    good: tuple[str, ...],
) -> None:
    """Draw a confusion matrix, int ``(classes, classes)`` of photos, and write it as a PNG.

    Rows are the true classes, columns the predicted ones. Each cell shows its photos and their
    share of the row, which is also its colour. With ``good`` classes, escapes (defects predicted
    good) and overkill (good parts predicted defective) are framed and summed; so are, with several,
    those of one good class predicted as another. Names above 24
    letters are shortened; about 30 classes are legible.

    Raises ValueError if ``matrix`` isn't square in the classes or one in ``good`` isn't among them.
    """
    count = len(classes)
    if matrix.shape != (count, count):
        raise ValueError(f"Expected a matrix of shape {(count, count)} but got {matrix.shape}")
    if unknown := [name for name in good if name not in classes]:
        raise ValueError(f"Expected good classes among {list(classes)} but got {unknown}")
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    good_at = good_indices(classes, good)
    cell = float(np.interp(count, [2, 8, 15, 30], [1.5, 1.0, 0.75, 0.62]))  # inches
    size = float(np.interp(count, [2, 8, 15, 30], [13, 10.5, 8.5, 7.5]))  # points
    above = 1.3 if not good_at else 1.9
    with drawing(path, cell * count + 2.2, cell * count + above) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        panel = figure.subplots()
        # By the root of the share; otherwise the few mistakes of a good model would look white.
        panel.imshow(shares, cmap=_BLUES, norm=PowerNorm(0.5, vmin=0, vmax=1))
        _name_classes(panel, classes, totals[:, 0], cell)
        for row, column in np.ndindex(matrix.shape):
            photos, share = int(matrix[row, column]), float(shares[row, column])
            of_cell = _Cell(row, column, photos, share, _kind(row, column, good_at))
            _draw_cell(panel, of_cell, size, few=count <= _FEW)
        if good_at:
            frames = [_frame(kind, label=text) for kind, text in _mistakes(matrix, good_at)]
            panel.legend(handles=frames, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0)


def _frame(kind: str, corner: tuple[float, float] = (0, 0), label: str = "") -> Rectangle:
    colour = {"escape": _ESCAPE, "overkill": _OVERKILL, "good": FAINT}[kind]
    return Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=colour, linewidth=1.8, label=label)


def _short_names(classes: Sequence[str], letters: int = 24) -> list[str]:
    """Shorten long names in the middle, unless two of them would become equal."""
    half = letters // 2
    short = [n if len(n) <= letters else f"{n[:half]}…{n[1 - half :]}" for n in classes]
    return short if len(set(short)) == len(short) else list(classes)


def _name_classes(
    panel: Axes, classes: Sequence[str], totals: NDArray[np.int64], cell: float
) -> None:
    names = _short_names(classes)
    places = range(len(names))
    if max(map(len, names)) * 0.085 < cell:  # inches a letter
        panel.set_xticks(places, names)
    else:
        panel.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    joint = "\n" if len(names) <= _FEW else "  "
    panel.set_yticks(places, [f"{n}{joint}({t:,})" for n, t in zip(names, totals, strict=True)])
    panel.set(xlabel="predicted class", ylabel="true class (photos)")
    edges = np.arange(len(names) + 1) - 0.5
    panel.set_xticks(edges, minor=True)
    panel.set_yticks(edges, minor=True)
    panel.tick_params(which="both", length=0)
    panel.grid(visible=False)
    panel.grid(visible=True, which="minor")
    panel.spines[:].set_visible(False)


def _kind(row: int, column: int, good: Good) -> str:
    """A cell's mistake: ``escape``, ``overkill``, ``good`` (for another good class), or empty."""
    if row == column:
        return ""
    kinds = {(True, True): "good", (True, False): "overkill", (False, True): "escape"}
    return kinds.get((row in good, column in good), "")


@dataclass(frozen=True)
class _Cell:
    """A cell of the matrix; ``kind`` names its mistake, as ``_kind`` does."""

    row: int
    column: int
    photos: int
    share: float
    kind: str


def _draw_cell(panel: Axes, cell: _Cell, size: float, *, few: bool) -> None:
    """Write the photos and their share in ``size`` points, in full if there are ``few`` classes."""
    row, column, photos, share, kind = cell.row, cell.column, cell.photos, cell.share, cell.kind
    if kind and (photos or few):
        panel.add_patch(_frame(kind, (column - 0.47, row - 0.47)))
    ink = "#ffffff" if share > 0.35 else INK if photos else FAINT
    if photos == 0 and not few:  # hundreds of zero shares would hide the other cells
        panel.text(column, row, "0", va="center", ha="center", fontsize=size, color=ink)
        return
    panel.text(
        column, row - 0.02, f"{photos:,}", va="bottom", ha="center", fontsize=size, color=ink
    )
    below = f"{careful_percent(share)}\n{kind}" if kind and few else careful_percent(share)
    panel.text(column, row + 0.04, below, va="top", ha="center", fontsize=0.75 * size, color=ink)


def _mistakes(matrix: NDArray[np.int64], good: Good) -> list[tuple[str, str]]:
    """The sums of escapes and overkill, each with its total."""
    among_good = matrix[np.ix_(good, good)]
    passed, good_parts = int(among_good.sum()), int(matrix[list(good)].sum())
    defects = int(matrix.sum()) - good_parts
    escapes, overkill = int(matrix[:, list(good)].sum()) - passed, good_parts - passed
    found = [
        ("escape", f"escapes: {_of(escapes, defects, 'defective')}"),
        ("overkill", f"overkill: {_of(overkill, good_parts, 'good')}"),
    ]
    if len(good) > 1:
        confused = passed - int(np.trace(among_good))
        found.append(("good", f"good for good: {_of(confused, good_parts, 'good')}"))
    return found


def _of(part: int, whole: int, what: str) -> str:
    share = f" ({careful_percent(part / whole)})" if whole else ""
    return f"{part:,} of {whole:,} {what}{share}"


# ---- learning-rate search


def plot_lr_find(
    lrs: Sequence[float], losses: Sequence[float], suggestion: float, path: Path
) -> None:
    """Draw the loss over the learning rate, mark the suggestion and write it as a PNG.

    Non-finite losses, from diverged training, are omitted.

    Raises ValueError if the two differ in length or no loss is finite.
    """
    rates, values = np.asarray(lrs, dtype=float), np.asarray(losses, dtype=float)
    if rates.shape != values.shape:
        raise ValueError(f"Expected a loss for each rate but got {len(losses)} for {len(lrs)}")
    finite = np.isfinite(values) & (rates > 0)
    if not finite.any():
        raise ValueError("Expected at least one finite loss to draw but got none")
    rates, values = rates[finite], values[finite]
    with drawing(path, 7.5, 4.4) as figure:
        panel = figure.subplots()
        panel.semilogx(rates, values, color=_SCORE)
        panel.set(title="Learning-rate search", xlabel="learning rate", ylabel="loss, smoothed")
        panel.xaxis.set_major_formatter(_plain_numbers())
        panel.set_xlim(rates.min() / 1.5, rates.max() * 1.5)
        panel.set_ylim(*_loss_limits(values))
        panel.axvline(suggestion, color=_VALID, linestyle=_DASHED)
        panel.plot(
            suggestion, np.interp(suggestion, rates, values), "o", color=_VALID, markersize=7
        )
        panel.annotate(
            f"suggested: {suggestion:.2g}",
            (suggestion, 0.97),
            xycoords=panel.get_xaxis_transform(),
            xytext=(6, 0),
            textcoords="offset points",
            va="top",
            color=_VALID,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )


def _loss_limits(values: Floats) -> tuple[float, float]:
    # The last losses are a hundred times the first; the valley must stay visible.
    low, start = float(values.min()), float(np.median(values[: max(1, len(values) // 5)]))
    fall = max(start - low, 0.05 * abs(start), 1e-6)
    return low - 0.15 * fall, min(float(values.max()), start + 0.6 * fall) + 0.05 * fall
