"""The same photos are read by many tests, and their plots are seldom looked at."""

from collections.abc import Iterator
from typing import Any

import pytest
from helpers.chromium import headless
from helpers.cli import FitResult, run_fit
from helpers.folders import photo_folder
from helpers.on_runs import THREE
from helpers.plots import drawn_for_real, plots_left_blank, slow_tests_draw
from helpers.probes import shortcuts_probed_once

__all__ = ["browser", "drawn_for_real", "known_probes", "plots_left_blank", "slow_tests_draw"]


@pytest.fixture(autouse=True, scope="package")
def known_probes() -> Iterator[None]:
    with shortcuts_probed_once():
        yield


@pytest.fixture(scope="session")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A run of three classes whose CSV has a type of each defect; parts have two views."""
    folder = tmp_path_factory.mktemp("surfaces")
    rows = [
        (f"{label}-{part}-{shot}.png", label, f"{label} {part}", kind, ("left", "top")[shot])
        for label in THREE
        for part in range(8)
        for shot in range(2)
        for kind in ["" if label == "fine" else ("deep", "flat")[part % 2]]
    ]
    photo_folder(folder / "photos", rows, "part", "type", "view")
    options = ("--good", "fine", "--epochs", "1", "--valid", "0.4", "--image-size", "32")
    return run_fit(folder / "photos", folder / "runs", "--name", "many", *options)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """For files with the marks ``IN_A_BROWSER``."""
    with headless() as started:
        yield started
