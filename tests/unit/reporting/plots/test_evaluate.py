"""The figures of an evaluation, of stress and of a learning curve: what they show, edge inputs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.predictions import predicted
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from fastdefect.evaluation.decisions.calibration import reliability, reliability_of
from fastdefect.evaluation.decisions.operating_point import CostCurve
from fastdefect.evaluation.learning_curve import fit_power_law
from fastdefect.evaluation.robustness.background_swap import Flips
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES
from fastdefect.evaluation.robustness.stress import (
    Limits,
    Mistakes,
    StressLine,
    StressPoint,
    StressReport,
)
from fastdefect.reporting.plots import evaluate as evaluation_plots
from fastdefect.reporting.plots import learning_curve as learning_plot
from fastdefect.reporting.plots import stress as stress_plot
from fastdefect.reporting.plots import style as figure_module
from fastdefect.reporting.plots.evaluate import plot_evaluation
from fastdefect.reporting.plots.learning_curve import plot_learning_curve
from fastdefect.reporting.plots.stress import plot_stress

Floats = NDArray[np.float64]
TWO = ("defect", "ok")
SOME = Mistakes(50, 1, 50, 2)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures as they were drawn, newest last."""
    figures: list[Figure] = []

    @contextmanager
    def recording(path: Path, width: float, height: float) -> Iterator[Figure]:
        with figure_module.drawing(path, width, height) as figure:
            figures.append(figure)
            yield figure

    modules: tuple[ModuleType, ...] = (evaluation_plots, learning_plot, stress_plot)
    for module in modules:
        monkeypatch.setattr(module, "drawing", recording)
    return figures


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


def test_two_classes_fill_all_panels(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_two(tmp_path / "e.png")
    axes = panels(drawn[-1])
    assert set(axes) == {
        "ROC", "Precision and recall", "Mistakes", "Expected cost per part", "Reliability",
    }  # fmt: skip
    y_true, y_prob = predictions(120)
    defective, score = y_true == 0, y_prob[:, 0]
    area = roc_auc_score(defective, score)
    assert f"defective: AUC {area:.4f}" in labels(axes["ROC"])
    precision = average_precision_score(defective, score)
    assert f"defective: AP {precision:.4f}" in labels(axes["Precision and recall"])
    assert "overkill rate" in axes["ROC"].get_xlabel()
    assert "escape rate" in axes["ROC"].get_ylabel()


def test_the_operating_point_is_where_its_decisions_are(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    draw_two(tmp_path / "e.png")
    y_true, y_prob = predictions(120)
    rejected = y_prob[:, 0] >= 0.4
    escape = 100 * (~rejected[y_true == 0]).mean()
    overkill = 100 * rejected[y_true == 1].mean()
    axes = panels(drawn[-1])
    point = line_of(axes["ROC"], "at the threshold")
    assert (point.get_xdata()[0], point.get_ydata()[0]) == pytest.approx((overkill, 100 - escape))
    point = line_of(axes["Precision and recall"], "at the threshold")
    right = 100 * (y_true[rejected] == 0).mean()
    assert (point.get_xdata()[0], point.get_ydata()[0]) == pytest.approx((100 - escape, right))
    # The steps of the mistakes, read at the threshold: that of the next score above it.
    for name, rate in (("escape rate", escape), ("overkill rate", overkill)):
        line = line_of(axes["Mistakes"], name)
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert line.get_drawstyle() == "steps-pre"
        assert y[np.searchsorted(x, 0.4)] == pytest.approx(rate)
    assert list(line_of(axes["Mistakes"], "threshold").get_xdata()) == [0.4, 0.4]


@pytest.mark.parametrize(
    ("changes", "titles"),
    [
        ({"costs": None}, ["ROC", "Precision and recall", "Mistakes", "Reliability"]),
        (
            {"reliability": ()},
            ["ROC", "Precision and recall", "Mistakes", "Expected cost per part"],
        ),
        ({"good": None, "threshold": None}, ["ROC", "Precision and recall", "Reliability"]),
        ({"reliability": (), "costs": None}, ["ROC", "Precision and recall", "Mistakes"]),
        ({"good": None, "reliability": ()}, ["ROC", "Precision and recall"]),
    ],
)
def test_a_panel_without_input_is_left_out(
    tmp_path: Path, drawn: list[Figure], changes: dict[str, Any], titles: list[str]
) -> None:
    draw_two(tmp_path / "e.png", **changes)
    assert sorted(panels(drawn[-1])) == sorted(titles)


def test_many_classes_each_against_the_rest(tmp_path: Path, drawn: list[Figure]) -> None:
    y_true, y_prob = predictions(300, 8)
    classes = [f"class {i}" for i in range(7)] + ["a name that is much too long for a legend"]
    plot_evaluation(
        tmp_path / "e.png", predicted(y_true, y_prob, classes, "class 0"), title="Valid"
    )
    areas = {name: roc_auc_score(y_true == i, y_prob[:, i]) for i, name in enumerate(classes)}
    shown = labels(panels(drawn[-1])["ROC"])
    hardest = sorted(areas, key=areas.__getitem__)[:6]
    for name in hardest:
        assert any(text.endswith(f": AUC {areas[name]:.4f}") for text in shown), name
    assert f"mean of classes: AUC {np.mean(list(areas.values())):.4f}" in shown
    assert "2 easier classes" in shown
    any_defect = roc_auc_score(y_true != 0, 1 - y_prob[:, 0])
    assert f"any defect: AUC {any_defect:.4f}" in shown
    assert max(map(len, shown)) < 40


def test_the_mean_of_the_classes_has_their_mean_area(tmp_path: Path, drawn: list[Figure]) -> None:
    y_true, y_prob = predictions(200, 3)
    plot_evaluation(tmp_path / "e.png", predicted(y_true, y_prob, "abc", None), title="Valid")
    line = line_of(panels(drawn[-1])["ROC"], "mean of classes")
    area = np.trapezoid(line.get_ydata(), line.get_xdata()) / 1e4
    # Linear between the steps' ends, so not to the last digit.
    assert area == pytest.approx(roc_auc_score(y_true, y_prob, multi_class="ovr"), abs=0.01)


def edge(name: str) -> tuple[NDArray[np.int64], Floats, tuple[str, ...]]:
    ones = np.ones(12)
    mixed = np.arange(12) % 2
    return {
        "one class only": (mixed * 0, np.stack([0.7 * ones, 0.3 * ones], 1), TWO),
        "good only": (mixed * 0 + 1, np.stack([0.7 * ones, 0.3 * ones], 1), TWO),
        "one photo": (np.array([0]), np.array([[0.9, 0.1]]), TWO),
        "equal scores": (mixed, np.full((12, 2), 0.5), TWO),
        "perfect": (mixed, np.stack([1.0 - mixed, 1.0 * mixed], 1), TWO),
        "all wrong": (mixed, np.stack([1.0 * mixed, 1.0 - mixed], 1), TWO),
        "a class without photos": (mixed, np.full((12, 3), 1 / 3), ("defect", "ok", "other")),
        "one class": (mixed * 0, ones[:, None], ("ok",)),
    }[name]


@pytest.mark.parametrize(
    ("name", "threshold"),
    [
        ("one class only", 0.5),
        ("good only", 0.5),
        ("one photo", 0.5),
        ("equal scores", 0.5),
        ("equal scores", None),
        ("perfect", 0.0),  # all are rejected
        ("perfect", float(np.nextafter(1, 2))),  # none is
        ("all wrong", 0.5),
        ("a class without photos", 0.5),
        ("one class", 0.5),
    ],
)
def test_edge_inputs_are_drawn_without_warnings(
    tmp_path: Path, drawn: list[Figure], name: str, threshold: float | None
) -> None:
    y_true, y_prob, classes = edge(name)
    path = tmp_path / "e.png"
    plot_evaluation(
        path, predicted(y_true, y_prob, classes, "ok"), title=name, threshold=threshold,
        costs=curve_of(), reliability=[("before", reliability(y_true, y_prob))],
    )  # fmt: skip
    assert path.stat().st_size > 10_000
    roc = panels(drawn[-1])["ROC"]
    assert ("not defined" in texts(roc)) == (len(np.unique(y_true)) < 2)


def test_a_cost_of_nothing_is_drawn(tmp_path: Path) -> None:
    draw_two(tmp_path / "e.png", costs=replace(curve_of(), cost=np.zeros(3)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": np.array([], np.int64), "y_prob": np.empty((0, 2))}, "Expected photos"),
        ({"y_prob": np.full((4, 3), 0.3)}, "of shape"),
        ({"y_prob": np.full((4, 2), np.nan)}, "finite"),
        ({"good": "fine"}, "good class"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    options: dict[str, Any] = {
        "y_true": np.array([0, 1, 0, 1]), "y_prob": np.full((4, 2), 0.5), "good": "ok",
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        plot_evaluation(
            tmp_path / "e.png", predicted(classes=TWO, **{**options, **change}), title=""
        )
    assert list(tmp_path.iterdir()) == []


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


def rings(axes: Axes) -> list[tuple[float, float]]:
    found = [line for line in axes.get_lines() if line.get_fillstyle() == "none"]
    return [(float(x.get_xdata()[0]), float(x.get_ydata()[0])) for x in found]


def test_each_disturbance_has_a_panel_and_each_first_break_a_ring(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    report = report_of(["brightness", "JPEG", "noise", "dust", "turn"])
    plot_stress(tmp_path / "s.png", report, Limits(max_flips=0.035, max_escape=0.05))
    axes = panels(drawn[-1])
    assert set(report_names(report)) <= set(axes)
    # Flips 2, 3, 4 % as it gets darker, then 5 % at once; escapes are 0, 2, 4, 6 % of 50.
    assert rings(axes["brightness"]) == [(0.5, 4.0), (1.1, 5.0), (1.1, 6.0)]
    assert rings(axes["JPEG"]) == [(50.0, 4.0)]
    left, right = axes["JPEG"].get_xlim()
    assert left > right  # worse to the right, as everywhere
    top = {tuple(axes[name].get_ylim()) for name in report_names(report)}
    assert len(top) == 1


def report_names(report: StressReport) -> list[str]:
    return [line.disturbance.name for line in report.lines]


def test_undisturbed_photos_that_break_a_limit_are_ringed(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    plot_stress(tmp_path / "s.png", report_of(["noise"]), Limits(max_overkill=0.01))
    assert rings(panels(drawn[-1])["noise"]) == [(0.0, 4.0)]


def test_a_disturbance_without_effect_is_labelled(tmp_path: Path, drawn: list[Figure]) -> None:
    report = report_of(["colour temperature"])
    (line,) = report.lines
    still = tuple(replace(each, unchanged=100) for each in line.points)
    plot_stress(tmp_path / "s.png", replace(report, lines=(replace(line, points=still),)))
    panel = panels(drawn[-1])["colour temperature"]
    assert "no effect on" in texts(panel)
    assert [line for line in panel.get_lines() if line.get_marker() == "o"] == []


@pytest.mark.parametrize(
    "names",
    [["noise"], ["noise", "dust"], pytest.param(list(DISTURBANCES), marks=pytest.mark.slow)],
)
def test_stress_of_few_photos_and_without_a_good_class(tmp_path: Path, names: list[str]) -> None:
    report = report_of(names, Mistakes(1, 0, 0, 0, has_good=False))
    lines = tuple(
        replace(line, points=tuple(
            replace(each, flips=Flips(1, 1), mistakes=report.undisturbed) for each in line.points
        ))
        for line in report.lines
    )  # fmt: skip
    plot_stress(tmp_path / "s.png", replace(report, n=1, n_parts=1, lines=lines), Limits(0.1))
    assert (tmp_path / "s.png").stat().st_size > 5_000


def test_stress_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one disturbance"):
        plot_stress(tmp_path / "s.png", report_of([]))


# ---- learning curve

SIZES = np.repeat([30, 60, 120], 2)
ERRORS = np.array([0.16, 0.14, 0.11, 0.1, 0.075, 0.07])


def test_a_learning_curve_shows_each_training_and_twice_the_parts(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    law = fit_power_law(SIZES, ERRORS, photos=400, parts=100, seed=0)
    plot_learning_curve(tmp_path / "l.png", SIZES, ERRORS, law=law, what="error, 1 - F1")
    (axes,) = drawn[-1].axes
    trainings = line_of(axes, "trainings")
    assert list(trainings.get_xdata()) == SIZES.tolist()
    assert trainings.get_ydata() == pytest.approx(100 * ERRORS)
    twice = law.forecast(240)
    (said,) = [label for label in labels(axes) if "240 parts" in label]
    assert f"{100 * twice.error:.1f}%" in said
    assert f"{100 * twice.interval[1]:.1f}%" in said
    assert axes.get_ylim()[0] == 0
    assert [float(tick) for tick in axes.get_xticks()] == [30, 60, 120, 240]


def test_a_flat_curve_is_reported(tmp_path: Path, drawn: list[Figure]) -> None:
    flat = np.array([0.1, 0.12, 0.12, 0.1, 0.11, 0.11])
    law = fit_power_law(SIZES, flat, photos=400, parts=100, seed=0)
    assert law.flat
    plot_learning_curve(tmp_path / "l.png", SIZES, flat, law=law)
    assert "not shown by these trainings" in drawn[-1].axes[0].get_title("left")


def test_trainings_without_a_law(tmp_path: Path) -> None:
    for n in (1, 3):
        zeros = np.zeros(n)
        plot_learning_curve(tmp_path / "l.png", SIZES[:n], zeros, law=None, unit="photos")
    with pytest.raises(ValueError, match="an error for each"):
        plot_learning_curve(tmp_path / "l.png", SIZES, ERRORS[1:], law=None)
    with pytest.raises(ValueError, match="an error for each"):
        plot_learning_curve(tmp_path / "l.png", SIZES[:0], ERRORS[:0], law=None)


# ---- files


def draw_all(folder: Path) -> list[bytes]:
    folder.mkdir()
    draw_two(folder / "evaluation.png")
    limits = Limits(max_flips=0.035, max_escape=0.05)
    plot_stress(folder / "stress.png", report_of(["noise", "turn"]), limits)
    law = fit_power_law(SIZES, ERRORS, photos=400, parts=100, seed=0)
    plot_learning_curve(folder / "learning.png", SIZES, ERRORS, law=law)
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    first = draw_all(tmp_path / "a")
    assert len(first) == 3
    assert draw_all(tmp_path / "b") == first
    for path in (tmp_path / "a").iterdir():
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert 600 < image.width < 1500
