"""Most tests read the artists of a figure: they need no drawing, which takes a second each."""

from collections.abc import Iterator

import pytest
from helpers.plots import blank_plots, drawn_if_slow, drawn_plots


@pytest.fixture(autouse=True, scope="module")
def plots_left_blank() -> Iterator[None]:
    with blank_plots():
        yield


@pytest.fixture
def drawn_for_real() -> Iterator[None]:
    """A test with this fixture gets its plots drawn."""
    with drawn_plots():
        yield


@pytest.fixture(autouse=True)
def slow_tests_draw(request: pytest.FixtureRequest) -> Iterator[None]:
    with drawn_if_slow(request):
        yield
