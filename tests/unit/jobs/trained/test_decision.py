"""How a run decides: what is stored, what is asked for, and what is refused."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.folders import castings_of, photo_folder
from helpers.made_runs import made_run, split_row
from numpy.typing import NDArray

from fastdefect.config import DataConfig, RunConfig
from fastdefect.data.load import load_training_data
from fastdefect.data.splitting.split import split_rows
from fastdefect.errors import DataError, FastdefectError, RunError, UsageError
from fastdefect.evaluation.decisions.calibration import fit_temperature
from fastdefect.evaluation.decisions.operating_point import NONE_REJECTED, Costs
from fastdefect.evaluation.predictions import Predictions, predictions_of, read_predictions
from fastdefect.events import Event, Note, silent
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.jobs.trained import decision as job
from fastdefect.jobs.trained.photos import EvaluationPhotos
from fastdefect.jobs.training.calibration import keep_temperature
from fastdefect.run import Run
from fastdefect.run_registry import create_run

CLASSES = ("defect", "good")
POINT: dict[str, Any] = {
    "views": "dihedral",
    "temperature": 1.5,
    "threshold": 0.3,
    "high": None,
    "said": "highest F1",
}
# Half of the photos are defective; the model is right of all but two, and quite sure.
P_DEFECT = {
    **{f"defect/{i}.png": p for i, p in enumerate([0.99, 0.97, 0.9, 0.05])},
    **{f"good/{i}.png": p for i, p in enumerate([0.01, 0.02, 0.1, 0.96])},
}


def _run(tmp_path: Path, p_defect: dict[str, float] | None = None, **changes: Any) -> Run:
    p_defect = P_DEFECT if p_defect is None else p_defect
    rows = [split_row(path, f"part {path[:-5]}{int(path[-5]) // 2}") for path in p_defect]
    return made_run(tmp_path / "runs", "x", rows, p_defect, **changes)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run at temperature 1 whose photos are gone: all must come from what it kept."""
    return _run(tmp_path)


def _decide(
    run: Run,
    threshold: str = "stored",
    views: str | None = None,
    events: list[Event] | None = None,
) -> DecisionRule:
    on_event = silent if events is None else events.append
    return job.decision_for(run, threshold, views, "cpu", on_event)


def _calibration_file(run: Run) -> Path:
    return run.folder / "calibration.json"


# ---- what is asked for -------------------------------------------------------------------


@pytest.mark.parametrize("threshold", ["stored", "argmax"])
def test_the_most_probable_class_decides_where_nothing_was_chosen(run: Run, threshold: str) -> None:
    run.put("calibration.json", "none", {"value": 2.5})
    expected = DecisionRule("none", 2.5, None, None, "the most probable class")
    assert _decide(run, threshold) == expected


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0.0), ("1", 1.0), ("0.25", 0.25), ("1e-3", 1e-3)]
)
def test_a_number_is_the_threshold(run: Run, text: str, value: float) -> None:
    run.write("operating_point.json", POINT)  # has no say
    assert _decide(run, text) == DecisionRule("none", 1.0, value, None, f"threshold {text}")


@pytest.mark.parametrize(
    "text", ["strict", "", "nan", "inf", "-0.1", "1.1", "Stored", "0,5", "50%"]
)
def test_other_texts_are_refused_before_anything_is_made(run: Run, text: str) -> None:
    _calibration_file(run).unlink()
    with pytest.raises(UsageError, match="expected stored, argmax or a number from 0 to 1"):
        _decide(run, text)
    assert not _calibration_file(run).exists()


def test_a_number_needs_a_good_class(tmp_path: Path) -> None:
    run = _run(tmp_path, good=None)
    with pytest.raises(UsageError, match="needs a good class, but x has none"):
        _decide(run, "0.3")
    assert _decide(run, "stored").threshold is None


@pytest.mark.parametrize("threshold", ["stored", "argmax", "0.5"])
@pytest.mark.parametrize("views", ["random:3", "seven"])
def test_views_that_are_random_or_unknown_are_refused(run: Run, threshold: str, views: str) -> None:
    with pytest.raises(UsageError, match=f"--views {views}"):
        _decide(run, threshold, views)
    run.write("operating_point.json", POINT)
    with pytest.raises(UsageError, match=f"--views {views}"):
        _decide(run, threshold, views)


def test_a_device_that_is_not_there_is_found_out_first(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="--device cuda"):
        job.decision_for(run, "argmax", None, "cuda", silent)


# ---- the operating point -----------------------------------------------------------------


@pytest.mark.parametrize("views", [None, "dihedral", "auto"])
def test_the_stored_point_decides_at_its_own_views_and_temperature(
    run: Run, views: str | None
) -> None:
    run.put("calibration.json", "dihedral", {"value": 9.0})  # fitted anew since it was chosen
    run.write("operating_point.json", POINT)
    assert _decide(run, views=views) == DecisionRule("dihedral", 1.5, 0.3, None, "highest F1")
    assert _decide(run, "argmax").threshold is None


@pytest.mark.parametrize("high", [0.3, 0.9, NONE_REJECTED])
def test_a_band_is_stored_with_both_ends(run: Run, high: float) -> None:
    run.write("operating_point.json", {**POINT, "high": high})
    found = _decide(run)
    assert (found.threshold, found.high) == (0.3, high)
    assert found.has_band is (high > 0.3)


@pytest.mark.parametrize("threshold", [0.0, NONE_REJECTED])
def test_thresholds_that_reject_all_or_none_survive_the_file(run: Run, threshold: float) -> None:
    run.write("operating_point.json", {**POINT, "threshold": threshold})
    assert _decide(run).threshold == threshold


def test_other_views_than_the_points_are_refused_with_three_ways_out(run: Run) -> None:
    run.write("operating_point.json", POINT)
    with pytest.raises(UsageError) as caught:
        _decide(run, views="flips")
    assert "was chosen for views dihedral" in caught.value.message
    for way_out in ("Remove --views", "threshold --views flips", "--threshold argmax"):
        assert way_out in caught.value.hint
    run.put("calibration.json", "flips", {"value": 1.0})
    assert _decide(run, "argmax", "flips").views == "flips"


@pytest.mark.parametrize("missing", list(POINT))
def test_a_point_without_a_field_is_damaged(run: Run, missing: str) -> None:
    run.write(
        "operating_point.json", {key: value for key, value in POINT.items() if key != missing}
    )
    with pytest.raises(RunError, match=f"operating_point.json is damaged: .*{missing}") as caught:
        _decide(run)
    assert "fastdefect threshold" in caught.value.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"threshold": None},
        {"threshold": 1.1},
        {"threshold": -0.1},
        {"threshold": "high"},
        {"threshold": "nan"},
        {"threshold": [0.5]},
        {"threshold": True},
        {"temperature": 0},
        {"temperature": 1e9},
        {"temperature": "nan"},
        {"high": 0.2},
        {"high": 2},
        {"high": "x"},
        {"views": "seven"},
        {"views": "random:3"},
        {"views": ["none"]},
        {"views": None},
    ],
)
def test_a_point_that_makes_no_sense_is_damaged(run: Run, changes: dict[str, Any]) -> None:
    run.write("operating_point.json", {**POINT, **changes})
    with pytest.raises(RunError, match="operating_point.json is damaged") as caught:
        _decide(run)
    assert "or delete it" in caught.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_a_point_that_is_no_json_object_is_an_error(run: Run, text: str) -> None:
    run.path("operating_point.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match="operating_point.json"):
        _decide(run)


def test_costs_are_there_where_the_point_was_chosen_by_them(run: Run) -> None:
    assert job.stored_costs(run) is None
    run.write("operating_point.json", {**POINT, "rule": "f1", "settings": {}})
    assert job.stored_costs(run) is None
    settings = {"escape": 500.0, "overkill": 5.0, "defect_rate": 0.02}
    run.write("operating_point.json", {**POINT, "rule": "cost", "settings": settings})
    assert job.stored_costs(run) == Costs(500, 5, 0.02)


@pytest.mark.parametrize(
    "settings", [None, {}, {"escape": 1}, {"escape": "a", "overkill": 1, "defect_rate": 0.1}]
)
def test_costs_that_make_no_sense_are_damaged(run: Run, settings: Any) -> None:
    run.write("operating_point.json", {**POINT, "rule": "cost", "settings": settings})
    with pytest.raises(RunError, match="operating_point.json is damaged"):
        job.stored_costs(run)


# ---- the temperature ---------------------------------------------------------------------


def test_a_temperature_is_fitted_once_to_what_was_predicted(run: Run) -> None:
    _calibration_file(run).unlink()
    valid = read_predictions(run.predictions_path("valid"), CLASSES, ("good",))
    expected = fit_temperature(valid.y_true, valid.y_prob)
    assert expected.value > 1.2  # two sure mistakes among eight
    assert _decide(run).temperature == expected.value
    kept = json.loads(_calibration_file(run).read_text(encoding="utf-8"))
    assert kept == {"none": expected.as_json()}
    run.predictions_path("valid").unlink()  # neither these nor the photos are needed again
    assert _decide(run).temperature == expected.value


@pytest.mark.parametrize(
    "entry", [{}, [], 5, "warm", {"value": 0}, {"value": "nan"}, {"value": -1}, {"value": 1e9}]
)
def test_a_damaged_calibration_is_an_error(run: Run, entry: Any) -> None:
    run.put("calibration.json", "none", entry)
    with pytest.raises(RunError, match="calibration.json of x is damaged") as caught:
        _decide(run)
    assert caught.value.hint == "Delete it: it is then written again."


def test_validation_of_one_class_is_reported_and_not_calibrated(tmp_path: Path) -> None:
    run = _run(tmp_path, {f"good/{i}.png": 0.1 for i in range(4)})
    _calibration_file(run).unlink()
    events: list[Event] = []
    assert _decide(run, events=events).temperature == 1
    (note,) = events
    assert note == Note("Not calibrated: all validation photos are of one class.", "warning")
    assert not _calibration_file(run).exists()


def test_predictions_that_are_not_finite_are_not_taken_for_one_class(tmp_path: Path) -> None:
    run = _run(tmp_path, {**P_DEFECT, "good/5.png": float("inf")})
    _calibration_file(run).unlink()
    events: list[Event] = []
    with pytest.raises(DataError, match="of 1 of 9 photos are not"):
        _decide(run, events=events)
    assert events == []


def test_temperatures_are_kept_by_views(run: Run) -> None:
    valid = read_predictions(run.predictions_path("valid"), CLASSES, ("good",))
    kept = keep_temperature(run, "flips", valid)
    assert kept == fit_temperature(valid.y_true, valid.y_prob)
    assert run.read("calibration.json") == {"none": {"value": 1.0}, "flips": kept.as_json()}


# ---- the validation photos ---------------------------------------------------------------


def test_what_was_predicted_is_read_with_its_parts(run: Run) -> None:
    judged = job.judge_validation(run, "none", "cpu", silent)
    assert dict(zip(judged.predictions.names, judged.parts, strict=True)) == {
        path: f"part {path[:-5]}{int(path[-5]) // 2}" for path in P_DEFECT
    }


def test_predictions_of_unknown_photos_are_an_error(run: Run) -> None:
    run.write("split.csv", [split_row("good/0.png", "p")])
    with pytest.raises(RunError, match="names a photo that is not in .*split.csv") as caught:
        job.judge_validation(run, "none", "cpu", silent)
    assert "Delete" in caught.value.hint


@dataclass
class Constant:
    """In place of a trained model: the same answer for every photo; counts its views."""

    photos: EvaluationPhotos
    n_views: int = 0

    def predict(self, views: Sequence[Any], **_: Any) -> Predictions:
        self.n_views = len(views)
        y_prob: NDArray[np.float64] = np.tile([0.75, 0.25], (len(self.photos.side), 1))
        return predictions_of(self.photos.photos, CLASSES, ("good",), y_prob)


def test_what_was_not_predicted_is_now_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = photo_folder(tmp_path / "data", castings_of(12, 2), "part")
    config = DataConfig(data=data, image_size=16)
    loaded = load_training_data(config, seed=1, workers=0, on_event=silent)
    run = create_run(tmp_path / "runs", "photos", RunConfig(data=config), "fit")
    run.write("split.csv", split_rows(loaded.manifest, loaded.split))
    run.write("model.json", _run(tmp_path).read("model.json"))
    run.path("model.safetensors").write_bytes(b"weights")
    made: list[Constant] = []

    def load(run: Run, photos: EvaluationPhotos, device: str) -> Constant:
        made.append(Constant(photos))
        return made[-1]

    monkeypatch.setattr(job, "load_model", load)
    first = job.judge_validation(run, "flips", "cpu", silent)
    assert (made[0].photos.split, made[0].n_views) == ("valid", 4)
    names = {row["path"] for row in split_rows(loaded.manifest, loaded.split)
             if row["split"] == "valid"}  # fmt: skip
    assert set(first.predictions.names) == names
    assert len(set(first.parts)) == len(names) / 2
    again = job.judge_validation(run, "flips", "cpu", silent)
    assert len(made) == 1
    assert (again.predictions.names, again.parts) == (first.predictions.names, first.parts)
    assert again.predictions.y_prob.tobytes() == first.predictions.y_prob.tobytes()
    assert run.read_openings() == []


def test_a_run_without_a_model_decides_nothing(run: Run) -> None:
    run.path("model.safetensors").unlink()
    _calibration_file(run).unlink()
    with pytest.raises(FastdefectError, match="has no model yet"):
        _decide(run)
