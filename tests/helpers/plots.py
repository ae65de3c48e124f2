"""Plots that are files, without the drawing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

_draw = FigureCanvasAgg.print_png


def _blank(canvas: FigureCanvasAgg, file: IO[bytes], **options: Any) -> None:
    Image.new("RGB", (8, 8)).save(file, "PNG")


@contextmanager
def blank_plots() -> Iterator[None]:
    """Drawing takes half the time of a small run, or more; tests/unit/reporting checks it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FigureCanvasAgg, "print_png", _blank)
        yield


@contextmanager
def drawn_plots() -> Iterator[None]:
    """Inside ``blank_plots``: plots are drawn all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FigureCanvasAgg, "print_png", _draw)
        yield


# ---- fixtures that the conftest.py of a folder imports


@pytest.fixture(autouse=True, scope="module")
def plots_left_blank() -> Iterator[None]:
    """Also those of trainings that the tests of a module share."""
    with blank_plots():
        yield


@pytest.fixture
def drawn_for_real() -> Iterator[None]:
    """A test with this fixture gets its plots drawn."""
    with drawn_plots():
        yield


@pytest.fixture(autouse=True)
def slow_tests_draw(request: pytest.FixtureRequest) -> Iterator[None]:
    """A slow test gets its plots drawn."""
    if request.node.get_closest_marker("slow") is None:
        yield
        return
    with drawn_plots():
        yield
