"""The figure of a learning curve: what it shows, edge inputs."""

from pathlib import Path

import numpy as np
import pytest
from helpers.figures import (
    ERRORS,
    SIZES,
    labels,
    line_of,
)
from matplotlib.figure import Figure

from fastdefect.evaluation.learning_curve import fit_power_law
from fastdefect.reporting.plots.learning_curve import plot_learning_curve


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


@pytest.mark.usefixtures("drawn_for_real")
def test_trainings_without_a_law(tmp_path: Path) -> None:
    for n in (1, 3):
        zeros = np.zeros(n)
        plot_learning_curve(tmp_path / "l.png", SIZES[:n], zeros, law=None, unit="photos")
    with pytest.raises(ValueError, match="an error for each"):
        plot_learning_curve(tmp_path / "l.png", SIZES, ERRORS[1:], law=None)
    with pytest.raises(ValueError, match="an error for each"):
        plot_learning_curve(tmp_path / "l.png", SIZES[:0], ERRORS[:0], law=None)
