"""The size of the pages with many photos and heat maps; ``-s`` shows size and time."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.compared import compare_in
from helpers.made_runs import made_run, split_row

from fastdefect.events import silent
from fastdefect.explain.maps import HeatMap
from fastdefect.files import write_csv
from fastdefect.jobs.comparing.page import ComparePage
from fastdefect.jobs.report import report
from fastdefect.reporting.html.thumbnails import LIMIT
from fastdefect.run import Run
from fastdefect.sample.render import SampleSettings, render_sample

pytestmark = pytest.mark.slow


def _runs(folder: Path, n: int) -> list[Run]:
    """Two runs that judge ``n`` photos, links to a few rendered ones, three of each part."""
    render_sample(folder / "sample", SampleSettings(n=40, seed=1, size=224))
    rendered = sorted((folder / "sample" / "photos").glob("*.jpg"))
    data = folder / "data"
    rows = []
    for number in range(n):
        label = "defect" if number // 3 % 2 else "good"
        (data / label).mkdir(parents=True, exist_ok=True)
        name = f"{label}/{number}.jpg"
        (data / name).hardlink_to(rendered[number % len(rendered)])
        rows.append(split_row(name, f"part {number // 3}"))
    columns = ("path", "label", "part")
    write_csv(data / "photos.csv", [{key: row[key] for key in columns} for row in rows], columns)
    rng = np.random.default_rng(0)

    def said() -> dict[str, float]:
        logits = [(1.5 if row["label"] == "defect" else -1.5) + rng.normal(0, 1.5) for row in rows]
        return {
            row["path"]: float(1 / (1 + np.exp(-x))) for row, x in zip(rows, logits, strict=True)
        }

    return [made_run(folder / "runs", name, rows, said(), data=data) for name in ("old", "new")]


def _maps(run: Any, request: Any, names: Sequence[str], on_event: Any) -> dict[str, HeatMap]:
    """Smooth maps, as those of a network with 7 by 7 places."""
    rng = np.random.default_rng(1)
    places = rng.random((len(names), 7, 7)).astype(np.float32)
    ends = np.linspace(0, 6, 224)
    found = {}
    for name, low in zip(names, places, strict=True):
        wide = np.array([np.interp(ends, np.arange(7), row) for row in low])
        full = np.array([np.interp(ends, np.arange(7), row) for row in wide.T]).T
        found[name] = HeatMap(full.astype(np.float32), 2.0)
    return found


def _timed(what: str, make: Callable[[], Path]) -> int:
    started = time.perf_counter()
    size = make().stat().st_size
    print(f"{what}: {size / 1e6:.1f} MB, {time.perf_counter() - started:.1f} s")  # noqa: T201
    return size


@pytest.mark.parametrize("photos", ["none", "errors", "all"])
@pytest.mark.parametrize("n", [120, 2000])
@pytest.mark.parametrize("maps", [False, True])
def test_a_page_has_at_most_15_megabytes(
    n: int, photos: Any, maps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = _runs(tmp_path, n)
    made = _maps if maps else lambda *asked: {}
    monkeypatch.setattr("fastdefect.jobs.trained.heat_maps.heat_maps", made)
    what = f"{n} photos, --photos {photos}, {'with' if maps else 'without'} heat maps"

    def of_run() -> Path:
        return report(runs[0], on_event=silent, photos=photos).path

    def of_both() -> Path:
        page = ComparePage(tmp_path / "page.html", photos)
        compare_in(tmp_path / "out", *runs, page=page)
        return page.path

    assert _timed(f"report, {what}", of_run) <= LIMIT
    assert _timed(f"compare, {what}", of_both) <= LIMIT
