"""Plots that are files, without the drawing."""

from typing import IO, Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image


def write_blank_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes half the time of a small run, or more; tests/unit/reporting checks it."""

    def print_png(canvas: FigureCanvasAgg, file: IO[bytes], **options: Any) -> None:
        Image.new("RGB", (8, 8)).save(file, "PNG")

    monkeypatch.setattr(FigureCanvasAgg, "print_png", print_png)
