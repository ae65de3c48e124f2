"""The share of the evidence on the part as a figure of ``evaluate``, of padded photos."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.explained import BESIDE, ON_PART, SPOT, wide_run
from helpers.made_runs import made_run, split_row

from fastdefect.errors import UsageError
from fastdefect.events import silent
from fastdefect.jobs.evaluate import EvaluationReport, evaluate
from fastdefect.jobs.explain import Asked, explain_run
from fastdefect.jobs.trained.heat_maps import explain_names, open_maps
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run

CPU = Request(device="cpu")


def _evaluated(run: Run) -> EvaluationReport:
    return evaluate(run, CPU, attention=True, on_event=silent)


def test_evidence_on_the_part_is_more_than_its_area(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = wide_run(tmp_path, monkeypatch, ON_PART)
    report = _evaluated(run)
    assert report.on_part is not None
    found = report.on_part.attention
    assert (found.n, found.parts, found.unclear) == (3, 3, 0)
    assert found.area == pytest.approx(np.pi * 28**2 / (64 * 96), abs=0.05)  # of the photo alone
    assert found.share is not None
    assert found.share > 0.8
    table = report.tables()[-1]
    assert table.title == "Evidence on the part"
    assert "More of the evidence is on the part" in table.caption
    kept = run.read("evaluation-valid.json")["attention"]
    assert (kept["method"], kept["share_on_part"]) == ("hires-cam", found.share)
    explained = explain_run(run, CPU, Asked(each=1), on_event=silent).attention
    assert explained is not None
    assert replace(explained, share=found.share, interval=found.interval) == found
    # In other batches, whose rounding differs on some processors.
    assert explained.share == pytest.approx(found.share, abs=1e-5)
    assert explained.interval == pytest.approx(found.interval, abs=1e-5)


def test_evidence_beside_the_part_is_a_shortcut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = _evaluated(wide_run(tmp_path, monkeypatch, BESIDE))
    assert report.on_part is not None
    assert report.on_part.attention.share is not None
    assert report.on_part.attention.share < 0.2
    assert "a sign of a shortcut" in report.tables()[-1].caption


@pytest.mark.parametrize("spot", [ON_PART, BESIDE])
def test_the_map_of_a_padded_photo_is_at_the_white_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spot: tuple[int, int]
) -> None:
    maps = open_maps(wide_run(tmp_path, monkeypatch, spot), CPU)
    (one,) = explain_names(maps, ["defect/0.png"], silent)
    assert one.map.values.shape == one.shown.shape[:2] == (64, 96)
    at = np.unravel_index(int(one.map.values.argmax()), one.map.values.shape)
    for axis in (0, 1):
        assert abs(at[axis] - spot[axis] - SPOT / 2) < SPOT  # a place of the map
    assert not one.raw[:10].any()  # the bars
    assert one.raw[one.area].any()


def test_without_a_good_class_the_test_stays_sealed(tmp_path: Path) -> None:
    rows = [split_row(f"defect/{k}.png", f"part-{k}", "test") for k in range(2)]
    run = made_run(tmp_path, "r", rows, {}, good=None)
    with pytest.raises(UsageError, match="evidence for a defect against a good part"):
        evaluate(run, Request(split="test"), attention=True, on_event=silent)
    assert run.read_openings() == []
