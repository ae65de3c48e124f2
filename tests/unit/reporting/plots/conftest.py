"""Most tests read the artists of a figure: they need no drawing, which takes a second each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.plots import drawn_for_real, plots_left_blank, slow_tests_draw
from matplotlib.figure import Figure

from fastdefect.reporting.plots import (
    ablate,
    evaluate,
    fit,
    learning_curve,
    shortcuts,
    stress,
    style,
)

__all__ = ["drawn_for_real", "plots_left_blank", "slow_tests_draw"]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures as they were drawn, newest last."""
    figures: list[Figure] = []

    @contextmanager
    def recording(path: Path, width: float, height: float) -> Iterator[Figure]:
        with style.drawing(path, width, height) as figure:
            figures.append(figure)
            yield figure

    for module in (ablate, evaluate, fit, learning_curve, shortcuts, stress):
        monkeypatch.setattr(module, "drawing", recording)
    return figures
