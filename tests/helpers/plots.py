"""Plots that are files, without the drawing."""

import pytest
from matplotlib.figure import Figure


def write_blank_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes half the time of a small run, or more; tests/unit/reporting checks it."""
    monkeypatch.setattr(Figure, "draw", lambda figure, renderer: None)
