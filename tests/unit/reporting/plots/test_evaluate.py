"""The figures of an evaluation: what they show, edge inputs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.figures import (
    TWO,
    Floats,
    curve_of,
    draw_two,
    labels,
    line_of,
    panels,
    predictions,
    texts,
)
from helpers.predictions import predicted
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from fastdefect.evaluation.decisions.calibration import reliability
from fastdefect.reporting.plots import style as figure_module
from fastdefect.reporting.plots.evaluate import plot_evaluation


@pytest.mark.usefixtures("drawn_for_real")
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
@pytest.mark.usefixtures("drawn_for_real")
def test_edge_inputs_are_drawn_without_warnings(
    tmp_path: Path,
    drawn: list[Figure],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    threshold: float | None,
) -> None:
    # The layout takes more than half of the time, and does not depend on the values.
    monkeypatch.setattr(figure_module, "Figure", lambda figsize, layout: Figure(figsize))
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
