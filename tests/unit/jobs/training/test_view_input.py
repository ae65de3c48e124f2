"""The views of ``--view-input``: what is refused, and what is reported."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.benchmarks import load

from fastdefect.config import DataConfig
from fastdefect.data.load import load_training_data
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DataError
from fastdefect.events import Event, Note, silent
from fastdefect.jobs.training import view_input
from fastdefect.jobs.training.view_input import report_views, views_of_input

render = load("view_input").render
ASKED = DataConfig(view_input=True)


def data_of(folder: Path, **shown: object) -> TrainingData:
    """40 parts with a photo of each camera."""
    table = render(folder, 40, **shown)
    config = DataConfig(data=table, image_size=32, parts="csv", tiles="none")
    return load_training_data(config, seed=1, workers=0, on_event=silent)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return data_of(tmp_path_factory.mktemp("cameras"))


def with_views(data: TrainingData, views: list[str]) -> TrainingData:
    """The same photos with other views, in their order."""
    photos = [
        replace(photo, columns=(("view", view),))
        for photo, view in zip(data.manifest.photos, views, strict=True)
    ]
    return replace(data, manifest=replace(data.manifest, photos=tuple(photos)))


def test_the_input_has_the_views_of_all_sides(data: TrainingData) -> None:
    assert views_of_input(ASKED, data) == ("side", "top")
    assert views_of_input(DataConfig(), data) == ()
    views = ["side" if i % 2 else "top" for i in range(len(data.manifest.photos))]
    views[data.split.test[0]] = "below"
    assert views_of_input(ASKED, with_views(data, views)) == ("below", "side", "top")


@pytest.mark.parametrize(("view", "said"), [("top", "only top"), ("", "no known view")])
def test_one_view_is_refused(data: TrainingData, view: str, said: str) -> None:
    with pytest.raises(DataError, match=f"two views or more to train on, but found {said}"):
        views_of_input(ASKED, with_views(data, [view] * len(data.manifest.photos)))


def test_a_view_of_each_photo_is_refused(data: TrainingData) -> None:
    views = [f"v{i}" for i in range(len(data.manifest.photos))]
    with pytest.raises(DataError, match="up to 32 views, but found 80"):
        views_of_input(ASKED, with_views(data, views))


def reported(data: TrainingData, known: tuple[str, ...]) -> list[Event]:
    events: list[Event] = []
    report_views(known, data, 1, events.append)
    return events


def test_the_photos_of_each_view_are_counted(data: TrainingData) -> None:
    n = len(data.split.train) // 2
    (note,) = reported(data, ("side", "top"))
    assert isinstance(note, Note)
    assert f"Photos of train: side {n}, top {n}." in note.text
    assert reported(data, ()) == []


def test_a_view_without_photos_to_train_on_is_a_warning(data: TrainingData) -> None:
    views = [photo.view or "" for photo in data.manifest.photos]
    first, second = data.split.train[:2]
    views[first], views[second], views[data.split.valid[0]] = "", "", ""
    notes = reported(with_views(data, views), ("below", "side", "top"))
    assert "2 without a view; 1 of 8 photos of valid" in notes[0].text  # type: ignore[union-attr]
    assert "No training photo shows below" in notes[1].text  # type: ignore[union-attr]


def test_a_view_that_tells_the_class_is_a_warning(data: TrainingData) -> None:
    views = ["side" if photo.label == "defect" else "top" for photo in data.manifest.photos]
    notes = reported(with_views(data, views), ("side", "top"))
    assert "predicted from the view alone: AUC 1.00" in notes[-1].text  # type: ignore[union-attr]
    assert notes[-1].level == "warning"  # type: ignore[union-attr]


def test_too_few_parts_to_test_the_view_are_no_warning(
    data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_input, "probe_table", lambda *_, **__: None)
    assert len(reported(data, ("side", "top"))) == 1
