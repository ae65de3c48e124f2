"""``threshold``: what is chosen, what is kept, and what is said when nothing can be."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.folders import castings_of, photo_folder
from helpers.made_runs import made_run, split_row

from fastdefect.errors import DataError, UsageError
from fastdefect.evaluation.decisions.criteria import Criteria
from fastdefect.evaluation.decisions.operating_point import NONE_REJECTED, Tally
from fastdefect.evaluation.predictions import Predictions, predictions_of
from fastdefect.events import Event, Note, silent
from fastdefect.files import finite, write_csv
from fastdefect.jobs import threshold as job
from fastdefect.jobs.trained.decision import decision_for
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run

# P(defect) by photo. One defect hides at 0.2; good ones reach 0.3, and one 0.6.
SCORES = {
    **{f"defect/{i}.png": p for i, p in enumerate([0.2, 0.45, 0.7, 0.9])},
    **{f"good/{i}.png": p for i, p in enumerate([0.1, 0.15, 0.3, 0.6])},
}


def _run(tmp_path: Path, scores: Mapping[str, float] = SCORES, **changes: Any) -> Run:
    """A run at temperature 1 that said ``scores`` of validation photos, each of its own part."""
    rows = [split_row(path, f"part of {path}") for path in scores]
    return made_run(tmp_path / "runs", "x", rows, scores, **changes)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return _run(tmp_path)


@pytest.fixture
def sharp(tmp_path: Path) -> Run:
    """60 good and 60 defective parts that no threshold need mistake."""
    defects = {f"defect/{i}.png": 0.8 + i / 1000 for i in range(60)}
    return _run(tmp_path, defects | {f"good/{i}.png": 0.1 + i / 1000 for i in range(60)})


def _choose(
    run: Run,
    criteria: Criteria | None = None,
    events: list[Event] | None = None,
    *,
    data: Path | None = None,
    views: str = "none",
) -> job.ThresholdReport:
    return job.choose_threshold(
        run,
        criteria or Criteria(),
        Request(data=data, views=views, device="cpu", command="fastdefect threshold"),
        on_event=silent if events is None else events.append,
    )


def _kept(run: Run) -> dict[str, Any]:
    """``operating_point.json``, which must be JSON as its standard has it."""

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    text = run.path("operating_point.json").read_text(encoding="utf-8")
    return dict(json.loads(text, parse_constant=refuse))


def _warnings(events: Sequence[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note) and event.level == "warning"]


# ---- what is chosen ----------------------------------------------------------------------


def test_the_highest_f1_by_hand(run: Run) -> None:
    # Between 0.3 and 0.45: 3 of 4 defects found, 1 overkill, F1 6/8. Rejecting 0.2 and 0.3 as
    # well finds the 4th for one overkill more: 8/10, and no other does better.
    events: list[Event] = []
    found = _choose(run, events=events)
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
    _choose(run, events=events)
    old, then = _warnings(events)
    assert old.startswith("4 of the 8 photos have another label now.")
    assert then == "fitted"


def _corrected(tmp_path: Path) -> Run:
    """A run whose four defects are labelled as good now."""
    rows = [(path, "good", f"part of {path}") for path in SCORES]
    data = photo_folder(tmp_path / "data", [*rows, ("a.png", "defect", "a")], "part")
    return _run(tmp_path, data=data)


def test_what_is_kept_is_what_decides_from_now_on(run: Run) -> None:
    found = _choose(run)
    kept = _kept(run)
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
    _choose(run, Criteria(max_escape=0.25, max_overkill=0.25))
    _choose(run)
    assert _kept(run)["rule"] == "f1"
    assert _kept(run)["band"] is None


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
    found = _choose(run, criteria)
    assert found.point is not None
    assert (found.point.tally, found.said) == (tally, said)
    assert _kept(run)["said"] == said


def test_the_score_is_that_of_any_defect_at_the_runs_temperature(tmp_path: Path) -> None:
    classes = ("crack", "pore", "good")
    scores = {"crack/0.png": 0.9, "pore/0.png": 0.64, "good/0.png": 0.2, "good/1.png": 0.1}
    run = _run(tmp_path, scores, classes=classes)
    run.put("calibration.json", "none", {"value": 2.0})
    found = _choose(run)
    assert found.point is not None
    assert found.point.tally == Tally(0, 2, 0, 2)
    # At temperature 2 the odds are square roots: of 0.64 / 0.36, 4/3, and of 0.2 / 0.8, 1/2.
    # (The third class has nothing: its root is 1.5e-8.)
    assert found.point.threshold == pytest.approx((4 / 7 + 1 / 3) / 2, abs=1e-6)
    assert _kept(run)["temperature"] == 2.0


def test_views_are_kept_with_the_point(run: Run) -> None:
    shutil.copy(run.predictions_path("valid"), run.predictions_path("valid", "dihedral"))
    run.put("calibration.json", "dihedral", {"value": 3.0})
    found = _choose(run, views="auto")
    assert (found.views, found.temperature) == ("dihedral", 3.0)
    decision = decision_for(run, "stored", "dihedral", "cpu", silent)
    assert (decision.views, decision.temperature) == ("dihedral", 3.0)


def test_a_threshold_that_decides_nothing_is_reported(tmp_path: Path) -> None:
    blind = dict.fromkeys(SCORES, 0.5)
    for criteria, verb in (
        (Criteria(max_escape=0.1), "rejects"),
        (Criteria(max_overkill=0.1), "passes"),
    ):
        other = _run(tmp_path / verb, blind)
        events: list[Event] = []
        _choose(other, criteria, events)
        (warning,) = _warnings(events)
        assert warning.startswith(f"This threshold {verb} every photo: ")
    assert _kept(other)["threshold"] == NONE_REJECTED


# ---- bands -------------------------------------------------------------------------------


def test_both_limits_make_a_band_with_a_load(run: Run) -> None:
    criteria = Criteria(max_escape=0.0, max_overkill=0.0, parts_per_day=1000, defect_rate=0.1)
    found = _choose(run, criteria)
    assert found.point is None
    assert found.band is not None
    assert found.load is not None
    # OK below 0.2 (0.1 and 0.15 pass), reject above 0.6: 0.7 and 0.9; four are looked at.
    tally = found.band.tally
    assert (tally.defective_in_band, tally.good_in_band) == (2, 2)
    assert tally.wrong == Tally(0, 4, 0, 4)
    assert found.load.expected == pytest.approx(500)
    assert found.said == "escapes at most 0% and overkill at most 0%, people between"
    kept = _kept(run)
    assert (kept["rule"], kept["threshold"], kept["high"]) == (
        "band",
        pytest.approx(0.175),
        pytest.approx(0.65),
    )
    decision = decision_for(run, "stored", None, "cpu", silent)
    assert decision.has_band
    assert (decision.threshold, decision.high) == (found.band.low, found.band.high)


def test_a_band_without_enough_parts_for_its_guarantee_is_reported(run: Run) -> None:
    events: list[Event] = []
    found = _choose(run, Criteria(max_escape=0.1, max_overkill=0.2, confidence=0.95), events)
    assert found.band is not None
    assert (found.band.low, found.band.high) == (0, NONE_REJECTED)
    escape, overkill, weakened = _warnings(events)
    # Each at 97.5 %: log(0.025) / log(0.9) = 35.01, / log(0.8) = 16.53.
    assert escape == (
        "4 defective parts can't support an escape rate of at most 10% with 97.5% confidence, "
        "even if none were wrong: that takes 36, 32 more. No photo is passed without a person."
    )
    assert overkill == (
        "4 good parts can't support an overkill rate of at most 20% with 97.5% confidence, even "
        "if none were wrong: that takes 17, 13 more. No photo is rejected without a person."
    )
    assert "were also chosen on the validation photos" in weakened


# ---- promises ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        # log(0.05) / log(0.9) = 28.4 parts
        (
            Criteria(max_escape=0.1, confidence=0.95),
            "4 defective parts can't support an escape rate of at most 10% with 95% confidence, "
            "even if none were wrong: that takes 29, 25 more.",
        ),
        # log(0.005) / log(0.999) = 5295.7
        (
            Criteria(max_overkill=0.001, confidence=0.995),
            "4 good parts can't support an overkill rate of at most 0.1% with 99.5% confidence, "
            "even if none were wrong: that takes 5,296, 5,292 more.",
        ),
    ],
)
def test_nothing_is_kept_where_a_promise_has_too_few_parts(
    run: Run, criteria: Criteria, said: str
) -> None:
    with pytest.raises(DataError) as caught:
        _choose(run, criteria)
    assert caught.value.message == said
    assert not run.path("operating_point.json").exists()
    _choose(run)
    before = run.path("operating_point.json").read_bytes()
    with pytest.raises(DataError):
        _choose(run, criteria)
    assert run.path("operating_point.json").read_bytes() == before


def test_what_the_hint_allows_is_allowed(run: Run) -> None:
    with pytest.raises(DataError) as caught:
        _choose(run, Criteria(max_escape=0.1, confidence=0.95))
    best = re.search(r"support ([0-9.]+)% at best", caught.value.hint)
    assert best is not None
    # 1 - 0.05 ** (1 / 4) is 0.527129: 52.71 % would be too little to ask for.
    assert best[1] == "52.72"
    found = _choose(run, Criteria(max_escape=float(best[1]) / 100, confidence=0.95))
    assert found.promise is not None
    assert found.promise.supported


def test_photos_of_one_part_are_one_piece_of_evidence(tmp_path: Path) -> None:
    scores = {f"defect/{i}.png": 0.9 for i in range(40)} | {"good/0.png": 0.1}
    rows = [split_row(path, "the only casting") for path in scores]
    run = made_run(tmp_path / "runs", "x", rows, scores)
    with pytest.raises(DataError, match="^1 defective part can't .* takes 29, 28 more"):
        _choose(run, Criteria(max_escape=0.1, confidence=0.95))


def test_a_promise_is_kept_with_its_proof_and_weakened_by_validation(sharp: Run) -> None:
    events: list[Event] = []
    found = _choose(sharp, Criteria(max_escape=0.1, confidence=0.95), events)
    assert found.promise is not None
    assert found.point is found.promise.point
    assert found.said == "escape rate of at most 10% on unseen parts, with 95% confidence"
    kept = _kept(sharp)
    assert kept["settings"] == {"limit": 0.1, "confidence": 0.95}
    assert kept["promise"]["n_parts"] == 60
    assert kept["promise"]["p_value"] <= 0.05
    (warning,) = _warnings(events)
    assert "weakens the guarantee" in warning
    assert "--data DIR" in warning


def test_a_guarantee_that_only_rejecting_all_can_keep_is_reported(tmp_path: Path) -> None:
    # 40 parts are enough, but defects and good ones are mixed all the way down.
    scores = {f"{kind}/{i}.png": i / 40 for kind in ("defect", "good") for i in range(40)}
    run = _run(tmp_path, scores)
    events: list[Event] = []
    found = _choose(run, Criteria(max_escape=0.08, confidence=0.95), events)
    assert found.point is not None
    assert found.point.tally.overkills == 40
    assert "rejects every photo" in _warnings(events)[0]


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
        _choose(run, criteria)
    assert not run.path("operating_point.json").exists()


@pytest.mark.parametrize("views", ["random:3", "seven"])
def test_views_must_be_fixed(run: Run, views: str) -> None:
    with pytest.raises(UsageError, match=f"--views {views}"):
        _choose(run, views=views)
    assert not run.path("operating_point.json").exists()


def test_a_run_without_a_good_class_has_no_threshold(tmp_path: Path) -> None:
    run = _run(tmp_path, good=None)
    with pytest.raises(DataError, match="needs a good class, but x has none") as caught:
        _choose(run)
    assert "--good" in caught.value.hint
    assert not run.path("operating_point.json").exists()


@pytest.mark.parametrize(("left", "missing"), [("good", "defective"), ("defect", "good")])
def test_validation_of_one_class_has_no_threshold(tmp_path: Path, left: str, missing: str) -> None:
    run = _run(tmp_path, {path: p for path, p in SCORES.items() if path.startswith(left)})
    with pytest.raises(DataError, match=f"none of the 4 photos is {missing}"):
        _choose(run)
    assert not run.path("operating_point.json").exists()


# ---- other photos ------------------------------------------------------------------------


@dataclass
class Alphabetic:
    """In place of a trained model: right of every photo."""

    photos: EvaluationPhotos

    def predict(self, views: Sequence[Any], **_: Any) -> Predictions:
        right = [photo.label == "defect" for photo in self.photos.photos]
        y_prob = np.where(np.array(right)[:, None], [0.9, 0.1], [0.2, 0.8])
        return predictions_of(self.photos.photos, ("defect", "good"), ("good",), y_prob)


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve parts of two photos each that the run never saw."""
    monkeypatch.setattr(job, "load_model", lambda run, photos, device: Alphabetic(photos))
    return photo_folder(tmp_path / "shift 2", castings_of(12, 2), "part")


def test_other_photos_can_choose_and_keep_a_promise_whole(run: Run, other: Path) -> None:
    events: list[Event] = []
    found = _choose(run, Criteria(max_escape=0.4, confidence=0.95), events, data=other)
    assert found.promise is not None
    assert found.promise.n_parts == 6
    assert found.source == f"{other}: 24 photos of 12 parts"
    assert _warnings(events) == []
    assert run.read_openings() == []


def test_old_labels_are_reported_too_as_the_temperature_is_of_them(
    tmp_path: Path, other: Path
) -> None:
    events: list[Event] = []
    _choose(_corrected(tmp_path), events=events, data=other)
    assert _warnings(events)[0].startswith("4 of the 8 photos have another label now.")


def test_the_folder_that_one_stands_in_has_a_name(
    run: Run, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(other)
    assert _choose(run, data=Path()).source == ".: 24 photos of 12 parts"


def test_to_choose_on_the_sealed_test_is_to_open_it(
    run: Run, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastdefect.data.reading.manifest import list_photos, read_photos

    manifest = read_photos(list_photos(other), good=("good",))
    rows = [
        {**split_row(photo.name, "p", "test"), "sha256": photo.sha256} for photo in manifest.photos
    ]
    old = [split_row(path, path) for path in SCORES]
    write_csv(run.path("split.csv"), [*old, *rows], tuple(rows[0]))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="--device cuda"):
        job.choose_threshold(
            run, Criteria(), Request(data=other, views="none", device="cuda"), on_event=silent
        )
    with pytest.raises(UsageError):
        _choose(run, data=other, views="random:2")
    assert run.read_openings() == []
    _choose(run, data=other)
    (opening,) = run.read_openings()
    assert opening["what"] == "choosing a threshold, 24 photos"
    assert opening["command"] == "fastdefect threshold"
