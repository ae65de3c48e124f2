"""A headless browser for tests; without it, or without its driver, they are skipped."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PATH = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# The marks of a test file that has the fixture ``browser``: ``pytestmark = IN_A_BROWSER``.
IN_A_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(_PATH is None, reason="no Chromium: set CHROMIUM to its path"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed"),
]


@contextmanager
def headless() -> Iterator[Any]:
    """A browser without windows."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_PATH, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()
