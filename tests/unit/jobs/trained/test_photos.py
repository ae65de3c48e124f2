"""The sealed test: every way to it is noted before anything is predicted."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.encode import encode
from helpers.folders import castings_of, photo_folder

from fastdefect.config import DataConfig, RunConfig
from fastdefect.data.load import divide_into_folds, load_training_data
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.splitting.folds import fold_rows, split_for_fold
from fastdefect.data.splitting.split import split_rows
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.events import Event, Note, silent
from fastdefect.files import read_csv
from fastdefect.jobs.trained.photos import EvaluationPhotos, load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.training.sides import keep_known_photos
from fastdefect.run import Run, RunKind
from fastdefect.run_registry import create_fold, create_run
from fastdefect.training.learner import ModelSpec

CONFIG = DataConfig(image_size=16)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return photo_folder(tmp_path / "data", castings_of(12, 2), "part")


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Run:
    """A run with a split and what passes for a model."""
    config = replace(CONFIG, data=data)
    loaded = load_training_data(config, seed=1, workers=0, on_event=silent)
    made = create_run(tmp_path / "runs", "x", RunConfig(data=config), "fit")
    made.write("split.csv", split_rows(loaded.manifest, loaded.split))
    made.path("model.safetensors").write_bytes(b"weights")
    return made


SPEC = ModelSpec(
    "none", ("defect", "good"), ("good",), Preprocessing(64, "squish", (0.0,) * 3, (1.0,) * 3)
)


def _open(
    run: Run, events: list[Event] | None = None, opened_before: int | None = None, **changes: Any
) -> EvaluationPhotos:
    return load_evaluation_photos(
        run,
        replace(Request(split="test", command="fastdefect tta-eval"), **changes),
        SPEC,
        what="a look",
        on_event=silent if events is None else events.append,
        opened_before=opened_before,
    )


def test_each_opening_of_the_test_is_noted_and_counted(run: Run) -> None:
    events: list[Event] = []
    first = _open(run, events)
    assert first.opening == 1
    assert not [event for event in events if isinstance(event, Note)]
    second = _open(run, events, command="another")
    assert second.opening == 2
    (note,) = [event for event in events if isinstance(event, Note)]
    assert note.level == "warning"
    assert "opened for the 2nd time" in note.text
    noted = json.loads((run.folder / "openings.json").read_text(encoding="utf-8"))
    assert [entry["command"] for entry in noted] == ["fastdefect tta-eval", "another"]
    assert noted[0]["what"] == f"a look, {len(first.side)} photos"
    assert noted[0]["time"].endswith("+00:00")
    assert noted[0]["time"] in note.text


def test_a_command_that_asks_twice_opens_the_test_once(run: Run) -> None:
    events: list[Event] = []
    run.note_opening("before", "a look")
    run.note_opening("at the same time", "a look")
    first = _open(run, events, opened_before=1)
    again = _open(run, events, opened_before=1)
    assert (first.opening, again.opening) == (3, 3)
    commands = [entry["command"] for entry in run.read_openings()]
    assert commands == ["before", "at the same time", "fastdefect tta-eval"]
    assert len([event for event in events if isinstance(event, Note)]) == 1
    assert _open(run, opened_before=3).opening == 4  # the same command, typed again


def test_the_photos_are_those_of_the_split(run: Run) -> None:
    photos = _open(run)
    rows = [
        line.split(",") for line in run.path("split.csv").read_text(encoding="utf-8").splitlines()
    ]
    assert {photo.name for photo in photos.photos} == {row[0] for row in rows if row[3] == "test"}
    assert photos.rows == [photo.row for photo in photos.photos]
    assert photos.store[photos.rows].shape[1:] == (16, 16, 3)


def test_validation_opens_nothing(run: Run) -> None:
    assert _open(run, split="valid").opening is None
    assert run.read_openings() == []


def test_the_test_by_another_way_is_opened_all_the_same(run: Run, tmp_path: Path) -> None:
    sealed = [photo for photo in _open(run).photos if photo.label == "good"]
    for photo in sealed:
        (tmp_path / "shift 2" / "good").mkdir(parents=True, exist_ok=True)
        shutil.copy(photo.path, tmp_path / "shift 2" / "good")
    again = _open(run, split="valid", data=tmp_path / "shift 2")
    assert (again.split, again.opening) == ("data", 2)
    assert run.read_openings()[1]["what"] == f"a look, {len(sealed)} photos"


def test_the_test_and_photos_from_elsewhere_exclude_each_other(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--split test and --data exclude each other"):
        _open(run, split="test", data=tmp_path)
    assert run.read_openings() == []


def test_trained_photos_are_included_only_with_other_photos(run: Run) -> None:
    with pytest.raises(UsageError, match="there is no --data"):
        _open(run, split="valid", include_trained=True)


def test_the_test_of_a_run_that_this_run_continues_is_opened_too(run: Run, tmp_path: Path) -> None:
    config = run.read_config()
    model = replace(config.model, from_run=run.folder.as_posix())
    child = create_run(tmp_path / "runs", "child", replace(config, model=model), "fit")
    child.write("split.csv", [
        row for row in read_csv(run.path("split.csv")) if row["split"] == "valid"
    ])  # fmt: skip
    child.path("model.safetensors").write_bytes(b"weights")
    keep_known_photos(child, run)
    for row in read_csv(run.path("split.csv")):
        if row["split"] == "test":
            target = tmp_path / "sealed" / row["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(config.data.data / row["path"], target)
    again = _open(child, split="valid", data=tmp_path / "sealed")
    assert again.opening == 1
    assert child.read_openings()[0]["what"] == f"a look, {len(again.side)} photos"


def test_other_photos_open_nothing(run: Run, tmp_path: Path) -> None:
    other = photo_folder(tmp_path / "other", castings_of(6, 1), "part")
    for path in sorted(other.rglob("*.png")):
        path.write_bytes(path.read_bytes() + b"\0")  # other bytes, same picture
    assert _open(run, split="valid", data=other).opening is None


def test_a_run_without_test_photos_or_without_a_model(run: Run, data: Path) -> None:
    text = run.path("split.csv").read_text(encoding="utf-8").replace(",test,", ",train,")
    run.path("split.csv").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match="has no test photos"):
        _open(run)
    run.path("model.safetensors").unlink()
    with pytest.raises(RunError, match="has no model yet"):
        _open(run, split="valid")
    assert run.read_openings() == []


def test_photos_that_changed_open_nothing(run: Run, data: Path) -> None:
    rows = read_csv(run.path("split.csv"))
    sealed, other = (
        next(r["path"] for r in rows if r["split"] == side) for side in ("test", "train")
    )
    shutil.copy(data / other, data / sealed)
    with pytest.raises(DataError, match="1 changed"):
        _open(run)
    assert run.read_openings() == []


def test_the_folds_of_a_cross_validation_share_one_test(data: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, data=data)
    loaded = load_training_data(config, seed=1, workers=0, on_event=silent)
    folds = divide_into_folds(
        loaded.manifest, loaded.split.parts, config, 2, seed=1, on_event=silent
    )
    parent = create_run(
        tmp_path / "runs", "cv", RunConfig(data=config), "fit", kind=RunKind.CROSS_VALIDATION
    )
    parent.write("folds.csv", fold_rows(loaded.manifest, folds))
    for number in (1, 2):
        own = create_fold(parent, number)
        split = split_for_fold(loaded.manifest, folds, number, valid=0.2, seed=1)
        own.write("split.csv", split_rows(loaded.manifest, split))
        own.path("model.safetensors").write_bytes(b"weights")
        assert _open(own).opening == number
    assert len(parent.read_openings()) == 2
    assert parent.fold(1).read_openings() == parent.read_openings()
    assert not (parent.fold(1).folder / "openings.json").exists()


def _deep_photos(folder: Path, highest: int) -> Path:
    for index in range(4):
        path = folder / ("defect", "good")[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = np.linspace(index, highest - index, 400).reshape(20, 20)
        path.write_bytes(encode(grey.astype(np.uint16), "PNG"))
    return folder


def test_deep_photos_from_elsewhere_have_one_scale_in_a_run_of_8_bits(
    run: Run, tmp_path: Path
) -> None:
    run.write("model.json", SPEC.as_json())
    events: list[Event] = []
    found = _open(run, events, split="valid", data=_deep_photos(tmp_path / "deep", 3000))
    assert found.manifest.white == 4095
    texts = [event.text for event in events if isinstance(event, Note)]
    assert any("trained on photos of 8" in text for text in texts)


def test_in_a_run_of_an_earlier_version_each_deep_photo_has_its_own_scale(
    run: Run, tmp_path: Path
) -> None:
    older = SPEC.as_json()
    del older["white"]
    run.write("model.json", older)
    events: list[Event] = []
    found = _open(run, events, split="valid", data=_deep_photos(tmp_path / "deep", 3000))
    assert found.manifest.white is None
    assert not [each for each in events if isinstance(each, Note) and "8" in each.text]


def test_photos_from_elsewhere_get_the_labels_as_the_run_made_them(
    run: Run, tmp_path: Path
) -> None:
    config = run.read_config()
    made = replace(config.data, rename=("OK=good",), join_defects=True)
    other_run = create_run(tmp_path / "runs", "y", replace(config, data=made), "fit")
    other_run.write("split.csv", run.read("split.csv"))
    other_run.path("model.safetensors").write_bytes(b"weights")
    # Kinds that no photo of the run had, and none that is good.
    rows = [("a.png", "rust"), ("b.png", "rust|hole"), ("c.png", "OK")]
    other = photo_folder(tmp_path / "other", rows)
    # The rendered photos are those of the run.
    photos = _open(other_run, split="valid", data=other, include_trained=True).photos
    assert [photo.label for photo in photos] == ["defect", "defect", "good"]
    assert [dict(photo.columns) for photo in photos] == [
        *({"defect": "rust"}, {"defect": "hole|rust"}, {})
    ]
    with pytest.raises(DataError, match="classes that the run does not have: OK, rust"):
        _open(run, split="valid", data=other)
