"""The same photos are read by many tests."""

from collections.abc import Iterator

import pytest
from helpers.probes import shortcuts_probed_once


@pytest.fixture(autouse=True, scope="package")
def known_probes() -> Iterator[None]:
    with shortcuts_probed_once():
        yield
