"""The comparison of days with a baseline, on drawn samples."""

import json

import numpy as np
import pytest

from fastdefect.evaluation.drift import Day, drift
from fastdefect.evaluation.drift_findings import curve, fewer_parts, holm
from fastdefect.evaluation.statistics.ranks import Clustered
from fastdefect.inference.baseline import Sample


def sample(
    seed: int, *, passed: int = 40, rejected: int = 40, further: float = 0, p_shift: float = 0
) -> Sample:
    """Parts of one photo; defects are always twice as far away as good parts."""
    rng = np.random.default_rng(seed)
    n = passed + rejected
    is_passed = np.arange(n) < passed
    distance = rng.gamma(9, 1 / 9, n) * np.where(is_passed, 1, 2) + further
    p = np.where(is_passed, rng.beta(1, 20, n) + p_shift, 1 - rng.beta(1, 20, n))
    parts = np.array([f"{seed}-{i}" for i in range(n)])
    return Sample(parts, is_passed, np.clip(p, 0, 1), distance)


def verdicts(baseline: Sample, day: Sample) -> dict[str, str]:
    (report,) = drift(baseline, [Day("day", day)]).days
    return {finding.name: finding.verdict for finding in report.findings}


def test_like_photos_are_no_drift() -> None:
    assert set(verdicts(sample(1), sample(2)).values()) == {"not shown"}


def test_photos_further_away_are_drift() -> None:
    found = verdicts(sample(1), sample(2, further=0.5))
    assert found["distance_passed"] == found["distance_rejected"] == "drift"
    assert found["p_defect_passed"] == "not shown"


def test_photos_nearer_are_no_drift() -> None:
    assert "drift" not in verdicts(sample(1), sample(2, further=-0.2)).values()


@pytest.mark.parametrize("p_shift", [0.1, -0.03])
def test_another_probability_of_passed_photos_is_drift(p_shift: float) -> None:
    assert verdicts(sample(1), sample(2, p_shift=p_shift))["p_defect_passed"] == "drift"


def test_another_share_of_defects_is_reported_and_no_drift() -> None:
    baseline, day = sample(1, passed=20, rejected=60), sample(2, passed=100, rejected=5)
    report = drift(baseline, [Day("day", day)])
    assert not report.drifted
    assert report.rejected.value == pytest.approx(0.75)
    assert report.days[0].rejected.value == pytest.approx(5 / 105)
    low, high = report.days[0].rejected.interval or (0, 0)
    assert low < 5 / 105 < high


def test_too_few_parts_are_not_tested() -> None:
    report = drift(sample(1), [Day("day", sample(2, passed=2, rejected=0, further=9))])
    (day,) = report.days
    assert [finding.verdict for finding in day.findings] == ["too few parts"] * 3
    assert not day.tested
    assert day.findings[0].p_value is None


def test_a_baseline_of_one_side_compares_all_photos_together() -> None:
    baseline = sample(1, passed=40, rejected=2)
    found = verdicts(baseline, sample(2, passed=40, rejected=2, further=0.5))
    assert found == {"distance": "drift", "p_defect_passed": "not shown"}


def test_a_part_counts_once_however_many_photos_it_has() -> None:
    day = sample(2, passed=2, rejected=0, further=9)
    twice = np.repeat([0, 1], 50)
    many = Sample(day.parts[twice], day.passed[twice], day.p_defect[twice], day.distance[twice])
    assert many.n_parts == 2
    assert "drift" not in verdicts(sample(1), many).values()


def test_several_days_share_the_level() -> None:
    baseline = sample(1)
    days = [Day(f"{i}", sample(i)) for i in range(2, 8)]
    together = drift(baseline, days)
    alone = [drift(baseline, [day]).days[0] for day in days]
    for one, same in zip(alone, together.days, strict=True):
        for finding, corrected in zip(one.findings, same.findings, strict=True):
            assert (corrected.p_value or 0) >= (finding.p_value or 0)
            assert (corrected.detectable or 0) >= (finding.detectable or 0)


def test_unknown_distances_leave_the_probability() -> None:
    day = sample(2)
    blind = Sample(day.parts, day.passed, day.p_defect, np.full(len(day), np.nan))
    found = verdicts(sample(1), blind)
    assert found["distance_passed"] == "too few parts"
    assert found["p_defect_passed"] == "not shown"


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_fewer_parts_keep_whole_parts() -> None:
    many = Clustered(np.ones(150), np.repeat(np.arange(50), 3))
    few = fewer_parts(many, 10)
    assert (few.n_parts, len(few.values)) == (10, 30)
    assert np.array_equal(few.parts, fewer_parts(many, 10).parts)
    assert fewer_parts(many, 50) is many


def test_drift_is_found_among_many_tests() -> None:
    """21 tests: each p-value has to be below 0.0005."""
    days = [Day("0", sample(2, further=2))] + [Day(f"{i}", sample(i)) for i in range(3, 9)]
    report = drift(sample(1), days)
    assert report.days[0].drifted
    assert not any(day.drifted for day in report.days[1:])


def test_rare_rejected_parts_are_kept_when_a_day_has_many_parts() -> None:
    report = drift(sample(1), [Day("day", sample(2, passed=600, rejected=5))])
    assert [each.parts for each in report.days[0].findings] == [500, 5, 500]


def test_curve_gives_parts_equal_weight() -> None:
    drawn = curve(Clustered(np.array([3.0, 1.0, 2.0]), np.array(["a", "a", "b"])))
    assert drawn["x"].tolist() == [1, 2, 3]
    assert drawn["y"].tolist() == pytest.approx([0.25, 0.75, 1.0])


def test_report_is_json() -> None:
    report = drift(sample(1), [Day("day", sample(2, rejected=0))])
    content = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert content["days"][0]["findings"][1]["new"] is None
    assert content["baseline"]["parts"] == 80
