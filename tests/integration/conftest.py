"""The same photos are read by many tests, and their plots are seldom looked at."""

from collections.abc import Iterator
from typing import Any

import pytest
from helpers.chromium import headless
from helpers.plots import drawn_for_real, plots_left_blank, slow_tests_draw
from helpers.probes import shortcuts_probed_once

__all__ = ["browser", "drawn_for_real", "known_probes", "plots_left_blank", "slow_tests_draw"]


@pytest.fixture(autouse=True, scope="package")
def known_probes() -> Iterator[None]:
    with shortcuts_probed_once():
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """For files with the marks ``IN_A_BROWSER``."""
    with headless() as started:
        yield started
