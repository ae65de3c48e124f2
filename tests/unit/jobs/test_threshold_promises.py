"""``threshold`` with a band or a guarantee, and on other photos."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.folders import castings_of, photo_folder
from helpers.made_runs import made_run, split_row
from helpers.thresholds import SCORES, _corrected, choose_for, kept_of, scored_run, warnings_of

from fastdefect.errors import DataError, UsageError
from fastdefect.evaluation.decisions.criteria import Criteria
from fastdefect.evaluation.decisions.operating_point import NONE_REJECTED, Tally
from fastdefect.evaluation.predictions import Predictions, predictions_of
from fastdefect.events import Event, silent
from fastdefect.files import write_csv
from fastdefect.jobs import threshold as job
from fastdefect.jobs.trained.decision import decision_for
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return scored_run(tmp_path)


@pytest.fixture
def sharp(tmp_path: Path) -> Run:
    """60 good and 60 defective parts that no threshold need mistake."""
    defects = {f"defect/{i}.png": 0.8 + i / 1000 for i in range(60)}
    return scored_run(tmp_path, defects | {f"good/{i}.png": 0.1 + i / 1000 for i in range(60)})


# ---- bands -------------------------------------------------------------------------------


def test_both_limits_make_a_band_with_a_load(run: Run) -> None:
    criteria = Criteria(max_escape=0.0, max_overkill=0.0, parts_per_day=1000, defect_rate=0.1)
    found = choose_for(run, criteria)
    assert found.point is None
    assert found.band is not None
    assert found.load is not None
    # OK below 0.2 (0.1 and 0.15 pass), reject above 0.6: 0.7 and 0.9; four are looked at.
    tally = found.band.tally
    assert (tally.defective_in_band, tally.good_in_band) == (2, 2)
    assert tally.wrong == Tally(0, 4, 0, 4)
    assert found.load.expected == pytest.approx(500)
    assert found.said == "escapes at most 0% and overkill at most 0%, people between"
    kept = kept_of(run)
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
    found = choose_for(run, Criteria(max_escape=0.1, max_overkill=0.2, confidence=0.95), events)
    assert found.band is not None
    assert (found.band.low, found.band.high) == (0, NONE_REJECTED)
    escape, overkill, weakened = warnings_of(events)
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
        choose_for(run, criteria)
    assert caught.value.message == said
    assert not run.path("operating_point.json").exists()
    choose_for(run)
    before = run.path("operating_point.json").read_bytes()
    with pytest.raises(DataError):
        choose_for(run, criteria)
    assert run.path("operating_point.json").read_bytes() == before


def test_what_the_hint_allows_is_allowed(run: Run) -> None:
    with pytest.raises(DataError) as caught:
        choose_for(run, Criteria(max_escape=0.1, confidence=0.95))
    best = re.search(r"support ([0-9.]+)% at best", caught.value.hint)
    assert best is not None
    # 1 - 0.05 ** (1 / 4) is 0.527129: 52.71 % would be too little to ask for.
    assert best[1] == "52.72"
    found = choose_for(run, Criteria(max_escape=float(best[1]) / 100, confidence=0.95))
    assert found.promise is not None
    assert found.promise.supported


def test_photos_of_one_part_are_one_piece_of_evidence(tmp_path: Path) -> None:
    scores = {f"defect/{i}.png": 0.9 for i in range(40)} | {"good/0.png": 0.1}
    rows = [split_row(path, "the only casting") for path in scores]
    run = made_run(tmp_path / "runs", "x", rows, scores)
    with pytest.raises(DataError, match="^1 defective part can't .* takes 29, 28 more"):
        choose_for(run, Criteria(max_escape=0.1, confidence=0.95))


def test_a_promise_is_kept_with_its_proof_and_weakened_by_validation(sharp: Run) -> None:
    events: list[Event] = []
    found = choose_for(sharp, Criteria(max_escape=0.1, confidence=0.95), events)
    assert found.promise is not None
    assert found.point is found.promise.point
    assert found.said == "escape rate of at most 10% on unseen parts, with 95% confidence"
    kept = kept_of(sharp)
    assert kept["settings"] == {"limit": 0.1, "confidence": 0.95}
    assert kept["promise"]["n_parts"] == 60
    assert kept["promise"]["p_value"] <= 0.05
    (warning,) = warnings_of(events)
    assert "weakens the guarantee" in warning
    assert "--data DIR" in warning


def test_a_guarantee_that_only_rejecting_all_can_keep_is_reported(tmp_path: Path) -> None:
    # 40 parts are enough, but defects and good ones are mixed all the way down.
    scores = {f"{kind}/{i}.png": i / 40 for kind in ("defect", "good") for i in range(40)}
    run = scored_run(tmp_path, scores)
    events: list[Event] = []
    found = choose_for(run, Criteria(max_escape=0.08, confidence=0.95), events)
    assert found.point is not None
    assert found.point.tally.overkills == 40
    assert "rejects every photo" in warnings_of(events)[0]


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
    found = choose_for(run, Criteria(max_escape=0.4, confidence=0.95), events, data=other)
    assert found.promise is not None
    assert found.promise.n_parts == 6
    assert found.source == f"{other}: 24 photos of 12 parts"
    assert warnings_of(events) == []
    assert run.read_openings() == []


def test_old_labels_are_reported_too_as_the_temperature_is_of_them(
    tmp_path: Path, other: Path
) -> None:
    events: list[Event] = []
    choose_for(_corrected(tmp_path), events=events, data=other)
    assert warnings_of(events)[0].startswith("4 of the 8 photos have another label now.")


def test_the_folder_that_one_stands_in_has_a_name(
    run: Run, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(other)
    assert choose_for(run, data=Path()).source == ".: 24 photos of 12 parts"


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
        choose_for(run, data=other, views="random:2")
    assert run.read_openings() == []
    choose_for(run, data=other)
    (opening,) = run.read_openings()
    assert opening["what"] == "choosing a threshold, 24 photos"
    assert opening["command"] == "fastdefect threshold"
