"""The same photos are read by many tests, and their plots are seldom looked at."""

from collections.abc import Iterator

import pytest
from helpers.plots import blank_plots, drawn_if_slow, drawn_plots
from helpers.probes import shortcuts_probed_once


@pytest.fixture(autouse=True, scope="package")
def known_probes() -> Iterator[None]:
    with shortcuts_probed_once():
        yield


@pytest.fixture(autouse=True, scope="module")
def plots_left_blank() -> Iterator[None]:
    """Those of a module's own trainings, too; the session's run is drawn."""
    with blank_plots():
        yield


@pytest.fixture
def drawn() -> Iterator[None]:
    """A test with this fixture gets its plots drawn."""
    with drawn_plots():
        yield


@pytest.fixture(autouse=True)
def slow_tests_draw(request: pytest.FixtureRequest) -> Iterator[None]:
    with drawn_if_slow(request):
        yield
