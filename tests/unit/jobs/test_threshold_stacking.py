"""``threshold --part-rule stacking``, and thresholds by product and by part together."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cameras import CameraParts, camera_parts
from helpers.made_runs import made_run, split_row
from helpers.thresholds import kept_of

from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.evaluation.by_part import Shown, measure_parts
from fastdefect.evaluation.decisions.criteria import Criteria
from fastdefect.evaluation.decisions.stacking import learn_stacking
from fastdefect.events import silent
from fastdefect.inference.decision_rule import DecisionRule, defect_score
from fastdefect.jobs.choosing.report import ThresholdReport
from fastdefect.jobs.choosing.units import units_of
from fastdefect.jobs.threshold import choose_threshold
from fastdefect.jobs.trained.decision import Judged, by_unit, decision_for, judge_validation
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run

ASKED = Request(device="cpu", views="none", decide="part", part_rule="stacking")


def _run(folder: Path, parts: CameraParts, *, products: bool = False) -> Run:
    scores = parts.scores
    rows = [
        {
            **split_row(path, f"part {path.partition('/')[2][:4]}"),
            "view": f"cam{path[-5]}",
            "product": ("axle", "cover")[int(path[-10:-6]) // 2 % 2] if products else "",
        }
        for path in scores
    ]
    return made_run(folder / "runs", "x", rows, scores)


def _choose(
    run: Run, criteria: Criteria | None = None, request: Request = ASKED, **more: Any
) -> ThresholdReport:
    return choose_threshold(run, criteria or Criteria(), request, **more, on_event=silent)


@pytest.fixture(scope="module")
def parts() -> CameraParts:
    return camera_parts(np.random.default_rng(5), 80)


@pytest.fixture(scope="module")
def chosen(parts: CameraParts, tmp_path_factory: pytest.TempPathFactory) -> ThresholdReport:
    return _choose(_run(tmp_path_factory.mktemp("stacked"), parts))


def test_the_rule_is_stored_with_its_threshold_and_decides(
    parts: CameraParts, chosen: ThresholdReport
) -> None:
    expected = learn_stacking(*parts.predictions())
    assert chosen.stacking == expected.rule
    rule = decision_for(chosen.run, "stored", None, "cpu", silent)
    assert (rule.part_rule, rule.stacking) == ("stacking", chosen.stacking)
    assert chosen.point is not None
    assert rule.threshold == chosen.point.threshold
    assert [each["rule"] for each in kept_of(chosen.run)["rules"]][-1] == "stacking"
    assert by_unit(chosen.run, rule, ASKED, silent) == rule
    other = by_unit(chosen.run, rule, Request(device="cpu", part_rule="worst"), silent)
    assert (other.part_rule, other.stacking) == ("worst", None)
    for text in ("argmax", "0.3"):
        assert decision_for(chosen.run, text, None, "cpu", silent).stacking == rule.stacking


def test_the_threshold_is_chosen_on_parts_that_did_not_teach_the_rule(
    parts: CameraParts, chosen: ThresholdReport
) -> None:
    held_out = learn_stacking(*parts.predictions()).held_out
    score = defect_score(held_out.y_prob, (1,))
    assert chosen.point is not None
    passed = score < chosen.point.threshold
    assert chosen.point.tally.escapes == (passed & parts.defective).sum()
    assert chosen.point.tally.overkills == (~passed & ~parts.defective).sum()


def test_the_views_reach_the_decision_on_parts(chosen: ThresholdReport) -> None:
    rule = decision_for(chosen.run, "stored", None, "cpu", silent)
    judged = judge_validation(chosen.run, "none", "cpu", silent)
    with_views = measure_parts(judged.predictions, judged.shown, rule)
    blind = measure_parts(judged.predictions, Shown.unknown(judged.parts), rule)
    assert with_views is not None
    assert blind is not None
    values = [each.evaluation.estimates["auc"].value for each in (with_views, blind)]
    assert values[0] > values[1]


def test_photos_from_elsewhere_are_scored_by_the_rule_of_all_parts(parts: CameraParts) -> None:
    validation = Judged(*parts.predictions())
    others = Judged(*camera_parts(np.random.default_rng(9), 30).predictions())
    found = units_of(others, 1.0, "stacking", validation)
    rule = learn_stacking(*parts.predictions()).rule
    decision = DecisionRule("none", 1.0, 0.5, None, "x", "stacking", stacking=rule)
    expected = measure_parts(others.predictions, others.shown, decision)
    assert expected is not None
    assert np.array_equal(found.predictions.y_prob, expected.predictions.y_prob)


def test_what_it_can_not_promise_or_learn_is_refused(
    parts: CameraParts, chosen: ThresholdReport, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="can't support a guarantee"):
        _choose(chosen.run, Criteria(max_escape=0.2, confidence=0.9))
    run = _run(tmp_path / "few", CameraParts(parts.odds[:30], parts.defective[:30]))
    with pytest.raises(DataError, match="there are 15 and 15"):
        _choose(run)
    assert not run.path("operating_point.json").exists()
    decision = decision_for(run, "argmax", None, "cpu", silent)
    with pytest.raises(UsageError, match="is learned from parts, but x has none"):
        by_unit(run, decision, ASKED, silent)


def test_a_damaged_rule_is_an_error(chosen: ThresholdReport, tmp_path: Path) -> None:
    run = _run(tmp_path, camera_parts(np.random.default_rng(1), 4))
    stored = json.loads(chosen.path.read_text(encoding="utf-8"))
    for damage in ({"stacking": None}, {"stacking": {**stored["stacking"], "scale": 0}}):
        run.write("operating_point.json", {**stored, **damage})
        with pytest.raises(RunError, match="is damaged"):
            decision_for(run, "stored", None, "cpu", silent)


def test_thresholds_by_product_are_for_parts_too(parts: CameraParts, tmp_path: Path) -> None:
    """The covers have higher scores than the axles."""
    odds = parts.odds + 3.0 * (np.arange(80) // 2 % 2)[:, None]
    run = _run(tmp_path, CameraParts(odds, parts.defective), products=True)
    asked = Request(device="cpu", views="none", decide="part", part_rule="worst")
    report = _choose(run, request=asked, by_product=True)
    assert [(each.product, each.own) for each in report.products] == [
        ("axle", True),
        ("cover", True),
    ]
    rule = decision_for(run, "stored", None, "cpu", silent)
    assert (rule.part_rule, len(rule.products)) == ("worst", 2)
    judged = judge_validation(run, "none", "cpu", silent)
    found = measure_parts(judged.predictions, judged.shown, rule)
    assert found is not None
    assert set(found.products) == {"axle", "cover"}
    wrong = sum(each.tally.escapes + each.tally.overkills for each in report.products if each.tally)
    metrics = found.evaluation.metrics
    assert metrics.escapes + metrics.overkills == wrong
    assert report.point is not None
    common = report.point.tally
    assert wrong < common.escapes + common.overkills
