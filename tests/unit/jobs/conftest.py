"""The same photos are read by many tests, and nobody looks at their plots."""

from collections.abc import Iterator

import pytest
from helpers.plots import blank_plots
from helpers.probes import shortcuts_probed_once


@pytest.fixture(autouse=True, scope="package")
def known_probes() -> Iterator[None]:
    with shortcuts_probed_once():
        yield


@pytest.fixture(autouse=True, scope="package")
def plots_left_blank() -> Iterator[None]:
    with blank_plots():
        yield
