"""``threshold``: what is chosen, what is kept, and what is said when nothing can be."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.thresholds import SCORES, _corrected, choose_for, kept_of, scored_run, warnings_of

from fastdefect.errors import DataError, UsageError
from fastdefect.evaluation.decisions.criteria import Criteria
from fastdefect.evaluation.decisions.operating_point import NONE_REJECTED, Tally
from fastdefect.events import Event, Note, silent
from fastdefect.files import finite
from fastdefect.jobs import threshold as job
from fastdefect.jobs.trained.decision import decision_for
from fastdefect.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return scored_run(tmp_path)


# ---- what is chosen ----------------------------------------------------------------------


def test_the_highest_f1_by_hand(run: Run) -> None:
    # Between 0.3 and 0.45: 3 of 4 defects found, 1 overkill, F1 6/8. Rejecting 0.2 and 0.3 as
    # well finds the 4th for one overkill more: 8/10, and no other does better.
    events: list[Event] = []
    found = choose_for(run, events=events)
    assert found.point is not None
    assert found.point.tally == Tally(0, 4, 2, 4)
    assert found.point.threshold == pytest.approx(0.175)
    assert found.before == Tally(2, 4, 1, 4)
    assert (found.said, found.views, found.temperature) == ("highest F1", "none", 1.0)
    assert found.source == "validation: 8 photos of 8 parts"
    assert (found.promise, found.band, found.load, events) == (None, None, None, [])


def test_labels_that_were_corrected_since_are_reported_before_the_temperature_is_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _corrected(tmp_path)
    events: list[Event] = []

    def fitted(*_: Any) -> float:
        events.append(Note("fitted", "warning"))
        return 1.0

    monkeypatch.setattr(job, "temperature_for", fitted)
    choose_for(run, events=events)
    old, then = warnings_of(events)
    assert old.startswith("4 of the 8 photos have another label now.")
    assert then == "fitted"


def test_what_is_kept_is_what_decides_from_now_on(run: Run) -> None:
    found = choose_for(run)
    kept = kept_of(run)
    assert kept["command"] == "fastdefect threshold"
    assert kept["time"].endswith("+00:00")
    assert kept["chosen_on"] == found.source
    assert {**kept, **finite(found.as_json())} == kept
    assert found.point is not None
    decision = decision_for(run, "stored", None, "cpu", silent)
    assert (decision.threshold, decision.high, decision.rule) == (
        found.point.threshold,
        None,
        "highest F1",
    )


def test_a_choice_takes_the_place_of_the_last(run: Run) -> None:
    choose_for(run, Criteria(max_escape=0.25, max_overkill=0.25))
    choose_for(run)
    assert kept_of(run)["rule"] == "f1"
    assert kept_of(run)["band"] is None


@pytest.mark.parametrize(
    ("criteria", "tally", "said"),
    [
        (Criteria(max_escape=0.25), Tally(1, 4, 1, 4), "escape rate of at most 25%"),
        (Criteria(max_escape=0.249), Tally(0, 4, 2, 4), "escape rate of at most 24.9%"),
        (Criteria(max_overkill=0.0), Tally(2, 4, 0, 4), "overkill rate of at most 0%"),
        (
            Criteria(cost_escape=1, cost_overkill=10, defect_rate=0.5),
            Tally(2, 4, 0, 4),
            "least cost, 1 an escape and 10 an overkill, at 50% defects",
        ),
        # At one defect in 50 000 an escape is so rare that overkill decides.
        (
            Criteria(cost_escape=500, cost_overkill=5, defect_rate=0.00002),
            Tally(2, 4, 0, 4),
            "least cost, 500 an escape and 5 an overkill, at 0.002% defects",
        ),
    ],
)
def test_limits_and_costs_by_hand(run: Run, criteria: Criteria, tally: Tally, said: str) -> None:
    found = choose_for(run, criteria)
    assert found.point is not None
    assert (found.point.tally, found.said) == (tally, said)
    assert kept_of(run)["said"] == said


def test_the_score_is_that_of_any_defect_at_the_runs_temperature(tmp_path: Path) -> None:
    classes = ("crack", "pore", "good")
    scores = {"crack/0.png": 0.9, "pore/0.png": 0.64, "good/0.png": 0.2, "good/1.png": 0.1}
    run = scored_run(tmp_path, scores, classes=classes)
    run.put("calibration.json", "none", {"value": 2.0})
    found = choose_for(run)
    assert found.point is not None
    assert found.point.tally == Tally(0, 2, 0, 2)
    # At temperature 2 the odds are square roots: of 0.64 / 0.36, 4/3, and of 0.2 / 0.8, 1/2.
    # (The third class has nothing: its root is 1.5e-8.)
    assert found.point.threshold == pytest.approx((4 / 7 + 1 / 3) / 2, abs=1e-6)
    assert kept_of(run)["temperature"] == 2.0


def test_views_are_kept_with_the_point(run: Run) -> None:
    shutil.copy(run.predictions_path("valid"), run.predictions_path("valid", "dihedral"))
    run.put("calibration.json", "dihedral", {"value": 3.0})
    found = choose_for(run, views="auto")
    assert (found.views, found.temperature) == ("dihedral", 3.0)
    decision = decision_for(run, "stored", "dihedral", "cpu", silent)
    assert (decision.views, decision.temperature) == ("dihedral", 3.0)


def test_a_threshold_that_decides_nothing_is_reported(tmp_path: Path) -> None:
    blind = dict.fromkeys(SCORES, 0.5)
    for criteria, verb in (
        (Criteria(max_escape=0.1), "rejects"),
        (Criteria(max_overkill=0.1), "passes"),
    ):
        other = scored_run(tmp_path / verb, blind)
        events: list[Event] = []
        choose_for(other, criteria, events)
        (warning,) = warnings_of(events)
        assert warning.startswith(f"This threshold {verb} every photo: ")
    assert kept_of(other)["threshold"] == NONE_REJECTED


# ---- what is refused ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "criteria",
    [
        Criteria(confidence=0.95),
        Criteria(cost_escape=5),
        Criteria(max_escape=0.1, cost_escape=5, cost_overkill=1, defect_rate=0.1),
        Criteria(max_escape=0.0, confidence=0.95),
        Criteria(parts_per_day=100),
        Criteria(defect_rate=0.02),
    ],
)
def test_contradictions_are_refused_before_anything_is_read(run: Run, criteria: Criteria) -> None:
    run.predictions_path("valid").unlink()
    with pytest.raises(UsageError):
        choose_for(run, criteria)
    assert not run.path("operating_point.json").exists()


@pytest.mark.parametrize("views", ["random:3", "seven"])
def test_views_must_be_fixed(run: Run, views: str) -> None:
    with pytest.raises(UsageError, match=f"--views {views}"):
        choose_for(run, views=views)
    assert not run.path("operating_point.json").exists()


def test_a_run_without_a_good_class_has_no_threshold(tmp_path: Path) -> None:
    run = scored_run(tmp_path, good=None)
    with pytest.raises(DataError, match="needs a good class, but x has none") as caught:
        choose_for(run)
    assert "--good" in caught.value.hint
    assert not run.path("operating_point.json").exists()


@pytest.mark.parametrize(("left", "missing"), [("good", "defective"), ("defect", "good")])
def test_validation_of_one_class_has_no_threshold(tmp_path: Path, left: str, missing: str) -> None:
    run = scored_run(tmp_path, {path: p for path, p in SCORES.items() if path.startswith(left)})
    with pytest.raises(DataError, match=f"none of the 4 photos is {missing}"):
        choose_for(run)
    assert not run.path("operating_point.json").exists()
