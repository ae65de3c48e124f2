"""The benchmark of the Inspector runs, and counts right."""

from pathlib import Path

import cv2
import pytest
from helpers.benchmarks import load
from helpers.bundles import photo_of, tiny_bundle


def test_it_prints_three_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = load("inspector")
    bundle = tiny_bundle(tmp_path / "tiny.fdb")
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), photo_of(50 * number))
    monkeypatch.setattr(benchmark, "_STARTS", {"nothing": "import sys; assert sys.argv[2]"})
    options = "--photos 3 --rounds 1 --processes 1".split()
    benchmark.main([str(bundle), str(tmp_path), *options])
    shown = capsys.readouterr().out
    heads = ("one photo at a time, ms", "many photos", "start of a process, s")
    assert [line.startswith(heads) for line in shown.splitlines()].count(True) == 3
    assert "\npredict " in shown
    assert "1.00 times" in shown


def test_percentile() -> None:
    percentile_99 = load("inspector").percentile_99
    assert percentile_99(range(100)) == 99
    assert percentile_99(range(1000)) == 990
    assert percentile_99([5.0]) == 5.0
