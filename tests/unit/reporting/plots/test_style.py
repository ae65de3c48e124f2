"""The style of all plots."""

from pathlib import Path

import pytest
from helpers.figures import ERRORS, SIZES, draw_two, report_of
from PIL import Image

from fastdefect.evaluation.learning_curve import fit_power_law
from fastdefect.evaluation.robustness.stress import (
    Limits,
)
from fastdefect.reporting.plots.learning_curve import plot_learning_curve
from fastdefect.reporting.plots.stress import plot_stress

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
