"""The figures of a run: what they show, and that the same input gives the same bytes."""

import itertools
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from fastdefect.reporting.plots import style as figure_module
from fastdefect.reporting.plots.fit import plot_confusion, plot_curves, plot_lr_find

MATRIX = np.array([[107, 2], [1, 71]])
CLASSES = ["def_front", "ok_front"]


def history(epochs: int) -> list[dict[str, float | None]]:
    rows: list[dict[str, float | None]] = []
    for epoch in range(1, epochs + 1):
        share = epoch / epochs
        rows.append(
            {
                "epoch": epoch,
                "train_loss": 0.7 - 0.4 * share,
                "valid_loss": 0.6 - 0.3 * share,
                "train_accuracy": 0.8 + 0.19 * share,
                "valid_accuracy": 0.8 + 0.15 * share,
                "gap": 0.04 * share,
                "f1": 0.8 + 0.16 * share,
                "precision": 0.8 + 0.17 * share,
                "recall": 0.8 + 0.15 * share,
                "auc": 0.9 + 0.09 * share,
                "learning_rate": 8e-4 * math.sin(math.pi * share),
                "seconds": 12.5,
            }
        )
    return rows


def search() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rates = np.logspace(-7, 0, 80)
    losses = 1.2 - 0.8 / (1 + 1e-3 / rates)
    losses[-15:] += np.linspace(0.1, 60, 15)
    return rates, losses


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title("left").split(":")[0]: axes for axes in figure.axes}


def values(axes: Axes, label: str) -> list[float]:
    (line,) = [line for line in axes.get_lines() if line.get_label() == label]
    return [float(y) for y in line.get_ydata()]


def cells(axes: Axes) -> dict[tuple[int, int], list[str]]:
    """The lines of text in each cell by ``(row, column)``, from above."""
    texts: dict[tuple[int, int], list[str]] = {}
    for text in axes.texts:
        x, y = text.get_position()
        texts.setdefault((round(y), round(x)), []).extend(text.get_text().split("\n"))
    return texts


# ---- files


def draw_all(folder: Path) -> list[bytes]:
    folder.mkdir(exist_ok=True)
    plot_curves(history(5), folder / "curves.png", best_epoch=3)
    plot_confusion(MATRIX, CLASSES, folder / "confusion.png", title="Test", good=("ok_front",))
    plot_lr_find(*search(), 1e-3, folder / "lr.png")
    assert sorted(p.name for p in folder.iterdir()) == ["confusion.png", "curves.png", "lr.png"]
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes_whatever_the_users_settings(tmp_path: Path) -> None:
    first = draw_all(tmp_path / "a")
    mine = {"figure.dpi": 30, "font.family": "serif", "axes.grid": False, "text.usetex": True}
    with matplotlib.rc_context(mine):
        assert draw_all(tmp_path / "b") == first
        assert matplotlib.rcParams["text.usetex"] is True
    for content, path in zip(first, sorted((tmp_path / "a").iterdir()), strict=True):
        assert content.startswith(b"\x89PNG")
        with Image.open(path) as image:
            assert image.info["Software"] == "fastdefect"  # and no version, no date
            assert not {"Creation Time", "date"} & set(image.info)
            assert 500 < image.width < 1400


def test_a_failure_leaves_the_old_figure_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")
    settings = dict(matplotlib.rcParams)
    with pytest.raises(ZeroDivisionError), figure_module.drawing(path, 2, 2):
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    assert dict(matplotlib.rcParams) == settings


@pytest.mark.usefixtures("drawn_for_real")
def test_pyplot_and_its_global_figures_are_never_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from fastdefect.reporting.plots.fit import *\n"
        f"plot_lr_find([1e-3, 1e-2], [1.0, 0.5], 1e-2, Path({str(tmp_path / 'x.png')!r}))\n"
        "print('matplotlib.pyplot' in sys.modules, 'seaborn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout.split() == ["False", "False"], done.stderr


# ---- curves


def test_curves_show_the_history_and_mark_the_best_epoch(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    rows = history(6)
    plot_curves(rows, tmp_path / "curves.png", best_epoch=4)
    axes = panels(drawn[-1])
    assert list(axes) == ["Loss", "Accuracy", "Validation F1", "Validation AUC", "Learning rate"]
    for panel in axes.values():
        (line,) = [x for x in panel.get_lines() if x.get_label() == "best epoch: 4"]
        assert list(line.get_xdata()) == [4, 4]
        assert panel.get_xlabel() == "epoch"
        assert panel.get_ylabel()
    column = {name: [row[name] for row in rows] for name in rows[0]}
    assert values(axes["Loss"], "training") == column["train_loss"]
    assert values(axes["Loss"], "validation") == column["valid_loss"]
    for part, label in (("train", "training"), ("valid", "validation")):
        percent = [100 * share for share in column[f"{part}_accuracy"]]  # type: ignore[operator]
        assert values(axes["Accuracy"], label) == pytest.approx(percent)
    for name, label in (("f1", "F1"), ("precision", "precision"), ("recall", "recall")):
        assert values(axes["Validation F1"], label) == column[name]
    # 0.04 * 4 / 6 of a share are 2.7 points.
    assert axes["Accuracy"].get_title("left") == "Accuracy: gap 2.7 points at the best epoch"
    assert len(axes["Accuracy"].collections) == 1  # the shaded gap


def test_one_colour_means_one_thing(tmp_path: Path, drawn: list[Figure]) -> None:
    plot_curves(history(3), tmp_path / "curves.png", best_epoch=None)
    axes = panels(drawn[-1])
    for label in ("training", "validation"):
        colours = {
            line.get_color()
            for name in ("Loss", "Accuracy")
            for line in axes[name].get_lines()
            if line.get_label() == label
        }
        assert len(colours) == 1
    assert not [line for line in axes["Loss"].get_lines() if "best" in str(line.get_label())]
    assert axes["Accuracy"].get_title("left") == "Accuracy"


@pytest.mark.usefixtures("drawn_for_real")
@pytest.mark.parametrize("hole", [pytest.param(None, marks=pytest.mark.slow), math.nan, math.inf])
def test_holes_in_the_history_are_holes_in_the_curves(
    hole: float | None, tmp_path: Path, drawn: list[Figure]
) -> None:
    rows = history(4)
    rows[1]["valid_loss"] = hole
    rows[2]["valid_accuracy"] = hole
    for row in rows:
        row["auc"] = hole
    del rows[3]["precision"]
    plot_curves(rows, tmp_path / "curves.png", best_epoch=3)
    axes = panels(drawn[-1])
    assert np.isnan(values(axes["Loss"], "validation")).tolist() == [False, True, False, False]
    assert [text.get_text() for text in axes["Validation AUC"].texts] == ["not defined"]
    assert axes["Accuracy"].get_title("left") == "Accuracy"  # no gap to tell of


@pytest.mark.usefixtures("drawn_for_real")
def test_one_epoch_is_enough(tmp_path: Path, drawn: list[Figure]) -> None:
    plot_curves(history(1), tmp_path / "curves.png", best_epoch=1)
    axes = panels(drawn[-1])
    ticks = [t for t in axes["Loss"].get_xticks() if 0.5 <= t <= 1.5]
    assert ticks == [1]
    (line,) = [x for x in axes["Loss"].get_lines() if x.get_label() == "training"]
    assert line.get_marker() not in ("", "None")  # a line through one point can't be seen


def test_no_epoch_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one epoch"):
        plot_curves([], tmp_path / "curves.png", best_epoch=None)
    assert not list(tmp_path.iterdir())


# ---- confusion matrix


def test_cells_hold_photos_and_shares_and_name_the_costly_ones(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    plot_confusion(MATRIX, CLASSES, tmp_path / "c.png", title="Test", good=("ok_front",))
    (axes,) = drawn[-1].axes
    assert cells(axes) == {
        (0, 0): ["107", "98.2%"],
        (0, 1): ["2", "1.8%", "escape"],
        (1, 0): ["1", "1.4%", "overkill"],
        (1, 1): ["71", "98.6%"],
    }
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "escapes: 2 of 109 defective (1.8%)",
        "overkill: 1 of 72 good (1.4%)",
    ]
    assert drawn[-1].get_suptitle() == "Test"
    assert [t.get_text() for t in axes.get_yticklabels()] == ["def_front\n(109)", "ok_front\n(72)"]


def test_rows_are_true_and_columns_predicted_wherever_the_good_class_stands(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    matrix = np.array([[50, 3, 1], [4, 40, 6], [0, 7, 30]])
    plot_confusion(matrix, ["crack", "good", "pore"], tmp_path / "c.png", title="", good=("good",))
    (axes,) = drawn[-1].axes
    named = {place: lines[2] for place, lines in cells(axes).items() if len(lines) > 2}
    assert named == {
        (0, 1): "escape",
        (2, 1): "escape",
        (1, 0): "overkill",
        (1, 2): "overkill",
    }
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "escapes: 10 of 91 defective (11.0%)",
        "overkill: 10 of 50 good (20.0%)",
    ]


def test_good_classes_are_not_mistaken_for_each_other(tmp_path: Path, drawn: list[Figure]) -> None:
    matrix = np.array([[50, 3, 1], [4, 40, 6], [0, 7, 30]])
    good = ("back", "front")
    plot_confusion(matrix, ["crack", *good], tmp_path / "c.png", title="", good=good)
    (axes,) = drawn[-1].axes
    named = {place: lines[2] for place, lines in cells(axes).items() if len(lines) > 2}
    assert named == {
        **{(0, 1): "escape", (0, 2): "escape", (1, 0): "overkill", (2, 0): "overkill"},
        **{(1, 2): "good", (2, 1): "good"},
    }
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "escapes: 4 of 54 defective (7.4%)",
        "overkill: 4 of 87 good (4.6%)",
        "good for good: 13 of 87 good (14.9%)",
    ]


def test_without_a_good_class_nothing_is_an_escape(tmp_path: Path, drawn: list[Figure]) -> None:
    plot_confusion(MATRIX, CLASSES, tmp_path / "c.png", title="", good=())
    (axes,) = drawn[-1].axes
    assert axes.get_legend() is None
    assert not axes.patches
    assert all(len(lines) == 2 for lines in cells(axes).values())


def test_almost_none_is_not_none_and_a_class_may_be_empty(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    matrix = np.array([[9999, 1, 0], [0, 0, 0], [0, 0, 5]])
    plot_confusion(matrix, ["a", "b", "c"], tmp_path / "c.png", title="", good=("b",))
    (axes,) = drawn[-1].axes
    texts = cells(axes)
    assert texts[0, 0] == ["9,999", "> 99.9%"]
    assert texts[0, 1] == ["1", "< 0.1%", "escape"]
    assert texts[1, 1] == ["0", "0%"]
    assert texts[2, 2] == ["5", "100%"]
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_texts()[1].get_text() == "overkill: 0 of 0 good"


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 6, 8, 9, 15, 30])
def test_text_stays_in_its_cell_up_to_thirty_classes(
    count: int, tmp_path: Path, drawn: list[Figure]
) -> None:
    matrix = np.full((count, count), 12) + np.diag(np.full(count, 1234))
    classes = [f"class number {i}" for i in range(count)]
    plot_confusion(matrix, classes, tmp_path / "c.png", title="t", good=(classes[0],))
    figure = drawn[-1]
    (axes,) = figure.axes
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    side = axes.get_window_extent().width / count
    for text in axes.texts:
        box = text.get_window_extent(canvas.get_renderer())
        assert box.width <= 0.95 * side
        assert box.height <= 0.6 * side
        assert text.get_fontsize() >= 5.5
    boxes = [t.get_window_extent(canvas.get_renderer()) for t in axes.get_yticklabels()]
    assert all(low.y1 <= high.y0 + 1 for high, low in itertools.pairwise(boxes))


def test_long_names_lose_their_middles_but_stay_different(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    apart = ["scratch " + "x" * 40 + " left", "scratch " + "x" * 40 + " right"]
    plot_confusion(MATRIX, apart, tmp_path / "c.png", title="", good=())
    alike = [f"casting surface, pore {n} on the left side wall" for n in (1, 2)]
    plot_confusion(MATRIX, alike, tmp_path / "c.png", title="", good=())
    names = [[t.get_text() for t in f.axes[0].get_xticklabels()] for f in drawn]
    assert names[0] == ["scratch xxxx…xxxxxx left", "scratch xxxx…xxxxx right"]
    assert [len(name) for name in names[0]] == [24, 24]
    assert names[1] == alike


def test_any_name_of_a_class_can_be_drawn(tmp_path: Path, drawn: list[Figure]) -> None:
    # Dollars would be mathematics, and a font without a letter would warn.
    classes = ["$5_{x", "缺陷", "Gehäuse_Ж"]
    plot_confusion(
        np.eye(3, dtype=int), classes, tmp_path / "c.png", title="$\\frac", good=("缺陷",)
    )
    assert [t.get_text() for t in drawn[-1].axes[0].get_xticklabels()] == classes


@pytest.mark.parametrize(
    ("matrix", "good", "message"),
    [
        (np.zeros((2, 3), int), None, r"shape \(2, 2\) but got \(2, 3\)"),
        (np.zeros((3, 3), int), None, r"shape \(2, 2\) but got \(3, 3\)"),
        (MATRIX, "fine", r"good classes among .* but got \['fine'\]"),
    ],
)
def test_a_matrix_that_does_not_fit_is_refused(
    matrix: Any, good: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        plot_confusion(matrix, CLASSES, tmp_path / "c.png", title="", good=(good,) if good else ())


# ---- learning-rate search


def test_the_search_shows_the_valley_and_the_suggestion(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    rates, losses = search()
    plot_lr_find(rates.tolist(), losses.tolist(), 1e-3, tmp_path / "lr.png")
    (axes,) = drawn[-1].axes
    assert axes.get_xscale() == "log"
    marker = axes.get_lines()[-1]
    assert marker.get_xdata()[0] == 1e-3
    assert marker.get_ydata()[0] == pytest.approx(0.8, abs=0.02)
    assert [text.get_text() for text in axes.texts] == ["suggested: 0.001"]
    low, high = axes.get_ylim()
    assert low < losses.min()
    assert 1.2 < high < 2.0  # not the 60 at which training blew up


def test_losses_that_blew_up_are_left_out(tmp_path: Path, drawn: list[Figure]) -> None:
    losses = [1.0, 0.8, 0.5, math.inf, math.nan]
    plot_lr_find([1e-5, 1e-4, 1e-3, 1e-2, 1e-1], losses, 1e-4, tmp_path / "lr.png")
    assert list(drawn[-1].axes[0].get_lines()[0].get_ydata()) == [1.0, 0.8, 0.5]


@pytest.mark.usefixtures("drawn_for_real")
def test_a_search_of_one_step_can_be_drawn(tmp_path: Path) -> None:
    plot_lr_find([1e-3], [0.7], 1e-3, tmp_path / "lr.png")
    plot_lr_find([1e-3, 1e-2], [0.0, 0.0], 1e-3, tmp_path / "lr.png")


def test_a_search_without_a_finite_loss_or_of_two_lengths_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="finite loss"):
        plot_lr_find([1e-3, 1e-2], [math.nan, math.inf], 1e-3, tmp_path / "lr.png")
    with pytest.raises(ValueError, match="1 for 2"):
        plot_lr_find([1e-3, 1e-2], [1.0], 1e-3, tmp_path / "lr.png")
