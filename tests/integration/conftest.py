"""The same photos are read by many tests, and their plots are seldom looked at."""

from collections.abc import Iterator

import pytest
from helpers.plots import write_blank_plots
from helpers.probes import shortcuts_probed_once


@pytest.fixture(autouse=True, scope="package")
def known_probes() -> Iterator[None]:
    with shortcuts_probed_once():
        yield


@pytest.fixture
def drawn_plots() -> None:
    """A test with this fixture gets its plots drawn."""


@pytest.fixture(autouse=True)
def blank_plots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plots of fixtures that tests share are drawn, and those of slow tests."""
    slow = request.node.get_closest_marker("slow")
    if slow is None and "drawn_plots" not in request.fixturenames:
        write_blank_plots(monkeypatch)
