"""Stored predictions have the labels of their time; a note counts those that changed since."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.folders import castings_of, photo_folder
from helpers.made_runs import made_run, split_row

from fastdefect.events import Event, Note, silent
from fastdefect.files import read_csv, write_csv
from fastdefect.jobs.trained.decision import judge_validation
from fastdefect.jobs.trained.labels import keep_predictions, tell_old_labels
from fastdefect.run import Run

CASTINGS = castings_of(6, 2)
VALID = [path for path, _, part in CASTINGS if part != "part 5"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return photo_folder(tmp_path / "data", CASTINGS, "part")


@pytest.fixture
def run(data: Path) -> Run:
    rows = [
        split_row(path, part, "valid" if path in VALID else "train") for path, _, part in CASTINGS
    ]
    return made_run(data.parent / "runs", "x", rows, dict.fromkeys(VALID, 0.5), data=data)


def told(run: Run) -> list[str]:
    events: list[Event] = []
    predictions = judge_validation(run, "none", "cpu", silent).predictions
    tell_old_labels(run, predictions, events.append)
    return [event.text for event in events if isinstance(event, Note)]


def relabel(data: Path, *names: str) -> None:
    other = {"good": "defect", "defect": "good"}
    rows = [
        {**row, "label": other[row["label"]]} if row["path"] in names else row
        for row in read_csv(data / "photos.csv")
    ]
    write_csv(data / "photos.csv", rows, ("path", "label", "part"))


def test_unchanged_labels_are_not_mentioned(run: Run, data: Path) -> None:
    assert told(run) == []
    relabel(data, "good/5-0.png")  # a train photo
    assert told(run) == []


def test_changed_labels_are_counted_in_one_note(run: Run, data: Path) -> None:
    relabel(data, "good/1-0.png")
    (note,) = told(run)
    assert note == (
        "1 of the 10 photos has another label now. The stored predictions of x are used with the "
        f"labels of that time. To use the current labels: fastdefect evaluate {run.folder}"
    )
    relabel(data, "good/3-0.png", "defect/0-1.png")
    assert told(run)[0].startswith("3 of the 10 photos have another label now.")


def test_a_photo_in_another_class_folder_has_another_label(run: Run, data: Path) -> None:
    """It has another name then, and is found by its bytes."""
    (data / "photos.csv").unlink()
    rows = [
        {**row, "sha256": hashlib.sha256((data / row["path"]).read_bytes()).hexdigest()}
        for row in read_csv(run.path("split.csv"))
    ]
    run.write("split.csv", rows)
    shutil.move(data / "good" / "1-0.png", data / "defect" / "corrected.png")
    assert told(run)[0].startswith("1 of the 10 photos has another label now.")


def test_a_temperature_of_old_labels_is_fitted_again(run: Run) -> None:
    stored = judge_validation(run, "none", "cpu", silent).predictions
    events: list[Event] = []
    keep_predictions(run, ("valid",), stored, "none", events.append)
    keep_predictions(run, ("data",), replace(stored, y_true=1 - stored.y_true), "none", silent)
    assert (events, run.read("calibration.json")) == ([], {"none": {"value": 1.0}})
    run.put("calibration.json", "mirror", {"value": 2.0})
    run.path("operating_point.json").touch()
    now = replace(stored, y_true=np.where(np.arange(10) < 1, 1 - stored.y_true, stored.y_true))
    keep_predictions(run, ("valid",), now, "none", events.append)
    assert run.read("calibration.json") == {"mirror": {"value": 2.0}}
    (note,) = events
    assert isinstance(note, Note)
    assert "was fitted to other labels of validation" in note.text
    assert note.text.endswith(f"fastdefect threshold {run.folder}")
    assert judge_validation(run, "none", "cpu", silent).predictions.y_true[0] == now.y_true[0]


def test_without_the_photos_nothing_is_reported(run: Run, data: Path) -> None:
    shutil.rmtree(data)
    assert told(run) == []
