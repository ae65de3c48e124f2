"""The same photos are read by many tests, and nobody looks at their plots."""

from collections.abc import Iterator

import pytest
from helpers.plots import plots_left_blank
from helpers.probes import shortcuts_probed_once

__all__ = ["known_probes", "plots_left_blank"]


@pytest.fixture(autouse=True, scope="package")
def known_probes() -> Iterator[None]:
    with shortcuts_probed_once():
        yield
