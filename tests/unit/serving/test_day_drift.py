"""The test of a day: when it is made, what it finds, and how often it is wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from helpers.serving import BRIGHT, banded_bundle, line

from fastdefect.evaluation.drift_findings import Finding
from fastdefect.inference.baseline import Sample, baseline_bytes
from fastdefect.inference.bundle import BASELINE
from fastdefect.jobs.serve import load
from fastdefect.serving.day_drift import FIRST, DayDrift, DayFinding, after_look
from fastdefect.serving.engine import Loaded
from fastdefect.serving.records import DecidedPhoto

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def baseline(n: int = 60) -> Sample:
    values = np.random.default_rng(0).normal(1, 0.1, n)
    return Sample(np.arange(n), np.ones(n, bool), np.full(n, 0.02), values)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    files = {BASELINE: baseline_bytes(baseline())}
    return load(banded_bundle(tmp_path_factory.mktemp("bundle") / "tiny.fdb", files=files))


def photos(n: int, shift: float = 0.0, seed: int = 1) -> list[DecidedPhoto]:
    values = np.random.default_rng(seed).normal(1 + shift, 0.1, n)
    return [DecidedPhoto(str(i), "ok", 0.02, float(value)) for i, value in enumerate(values)]


class Decided:
    """A store that has these photos, and counts how often it is asked for them."""

    def __init__(self, found: list[DecidedPhoto]) -> None:
        self.found, self.asked, self.total = found, 0, 0

    def parts(self, model: str, since: datetime) -> int:
        return self.total

    def decided(self, model: str, since: datetime) -> list[DecidedPhoto]:
        self.asked += 1
        return self.found


def test_a_day_is_tested_when_its_parts_have_doubled(loaded: Loaded) -> None:
    store = Decided(photos(40))
    drift = DayDrift(store)  # type: ignore[arg-type]
    store.total = FIRST - 1
    assert drift.of(loaded, NOW) is None
    asked = []
    for total in (25, 26, 49, 50, 51, 99, 100):
        store.total = total
        found = drift.of(loaded, NOW)
        asked.append(store.asked)
        assert found is not None
        assert (found.parts, found.drifted) == (40, ())
    assert asked == [1, 1, 1, 2, 2, 2, 3]
    assert drift.of(loaded._replace(baseline=None), NOW) is None  # of another bundle
    with drift._turn:
        assert drift.of(loaded, NOW) is found
        assert drift.of(loaded, NOW + timedelta(days=1)) is None
    store.total = 3
    assert drift.of(loaded, NOW + timedelta(days=1)) is None  # a new day


def test_other_photos_are_found_and_stay_found(loaded: Loaded) -> None:
    first = after_look(photos(25, 0.4), loaded, 0, None)
    assert first is not None
    assert first.drifted == ("distance",)
    assert first.p_value is not None
    assert first.p_value <= 0.01
    later = after_look(photos(50), loaded, 1, first)
    assert later is not None
    assert (later.drifted, later.p_value, later.parts) == (first.drifted, first.p_value, 50)


def test_each_look_needs_half_the_p_value_of_the_one_before(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The p-values of all looks together are at most 0.01: 0.005, 0.0025, ..."""
    alphas = []

    def found(*_: object, alpha: float) -> list[tuple[Finding, ...]]:
        alphas.append(alpha)
        return [(Finding("distance", "", 1, 1, 9, 0.6, 0.004, 0.7, "not shown"),)]

    monkeypatch.setattr("fastdefect.serving.day_drift.find_drift", found)
    looks = [after_look(photos(25), loaded, look, None) for look in (0, 1, 2)]
    assert [each and each.p_value for each in looks] == [0.008, 0.016, 0.032]
    assert [each and each.drifted for each in looks] == [("distance",), (), ()]
    assert alphas == [0.005, 0.0025, 0.00125]


def test_too_few_parts_give_no_p_value(loaded: Loaded) -> None:
    few = loaded._replace(baseline=baseline(2))
    assert after_look(photos(25), few, 0, None) == DayFinding(25, None, ())
    assert after_look([], loaded, 0, None) is None
    assert after_look(photos(25), loaded._replace(baseline=None), 0, None) is None


def test_distances_that_are_not_known_are_not_compared(loaded: Loaded) -> None:
    unknown = [DecidedPhoto(str(i), "ok", 0.02, None) for i in range(25)]
    found = after_look(unknown, loaded, 0, None)
    assert found is not None
    assert found.p_value == 1.0  # of P(defect) alone, which is the same for all


def test_the_page_tells_it(tmp_path: Path) -> None:
    files = {BASELINE: baseline_bytes(baseline())}
    banded_bundle(tmp_path / "tiny.fdb", files=files)
    with line(tmp_path) as at:
        at.inspect(BRIGHT)
        assert "Tested from 25 inspected parts a day." in at.client.get("/").text
        for part in range(24):
            at.inspect(BRIGHT, part=str(part))
        assert "The photos differ from those of validation" in at.client.get("/").text
        german = at.client.get("/?lang=de").text
        assert "Fehlerwahrscheinlichkeit der OK-Fotos (p = 0,0" in german


def test_a_bundle_without_a_baseline_says_so(tmp_path: Path) -> None:
    with line(tmp_path) as at:
        assert "This bundle has no photos of validation" in at.client.get("/").text
