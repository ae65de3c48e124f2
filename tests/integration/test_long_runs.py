"""Memory and open files stay level in a long training and in many predictions."""

import sys
from pathlib import Path

import pytest
from helpers.benchmarks import load


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_and_open_files_stay_level(tmp_path: Path) -> None:
    long_runs = load("long_runs")
    for points in long_runs.measure(tmp_path, epochs=30, predictions=2000).values():
        assert len(points) == long_runs.POINTS
        # From the second point on: the first epochs and photos allocate what later ones use again.
        half = len(points) // 2
        files = [point.files for point in points]  # some are photos that are being read
        assert min(files[half:]) <= max(files[:half])
        assert points[-1].mib - points[1].mib < 24
