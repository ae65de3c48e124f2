"""The figure of stress: what it shows, edge inputs."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.figures import panels, report_of, texts
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastdefect.evaluation.robustness.background_swap import Flips
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES
from fastdefect.evaluation.robustness.stress import (
    Limits,
    Mistakes,
    StressReport,
)
from fastdefect.reporting.plots.stress import plot_stress


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


@pytest.mark.usefixtures("drawn_for_real")
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
