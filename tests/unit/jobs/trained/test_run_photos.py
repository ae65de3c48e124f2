"""A run outlives its folder: its photos are found where they are now, and what differs is told."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.folders import castings_of, photo_folder

from fastdefect.config import DataConfig, RunConfig
from fastdefect.data.load import load_training_data
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.splitting import found as found_module
from fastdefect.data.splitting.split import split_rows
from fastdefect.errors import DataError, UsageError
from fastdefect.events import Event, Note, silent
from fastdefect.files import read_csv
from fastdefect.jobs.trained.photos import EvaluationPhotos, load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import (
    ALL_SIDES,
    read_to_resume,
    settle_root,
)
from fastdefect.run import Run
from fastdefect.run_registry import create_member, create_run
from fastdefect.training.learner import ModelSpec

SPEC = ModelSpec(
    "none", ("defect", "good"), ("good",), Preprocessing(16, "squish", (0.0,) * 3, (1.0,) * 3)
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Class folders, without a CSV."""
    folder = photo_folder(tmp_path / "data", castings_of(12, 2), "part")
    (folder / "photos.csv").unlink()
    return folder


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Run:
    config = DataConfig(data=data, image_size=16, parts="none", valid=0.25, test=0.25)
    loaded = load_training_data(config, seed=1, workers=0, on_event=silent)
    made = create_run(tmp_path / "runs", "x", RunConfig(data=config), "fit")
    made.write("split.csv", split_rows(loaded.manifest, loaded.split))
    made.path("model.safetensors").write_bytes(b"weights")
    return made


def load(run: Run, split: str = "valid", events: list[Event] | None = None) -> EvaluationPhotos:
    on_event = silent if events is None else events.append
    return load_evaluation_photos(run, Request(split=split), SPEC, what="look", on_event=on_event)


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def names_of(run: Run, split: str) -> list[str]:
    return [row["path"] for row in read_csv(run.path("split.csv")) if row["split"] == split]


def resume(run: Run, events: list[Event] | None = None) -> Any:
    on_event = silent if events is None else events.append
    return read_to_resume(run, run.read_config().data, workers=0, on_event=on_event)


def test_unchanged_photos_are_read_without_a_word(run: Run) -> None:
    events: list[Event] = []
    photos = load(run, events=events)
    assert [photo.name for photo in photos.photos] == names_of(run, "valid")
    assert texts(events) == []
    assert photos.manifest.classes == SPEC.classes
    assert photos.manifest.good == ("good",)


def test_a_missing_folder_leads_to_data_root(run: Run, data: Path) -> None:
    data.rename(data.parent / "elsewhere")
    for ask in (load, resume):
        with pytest.raises(DataError, match="does not exist now") as caught:
            ask(run)
        assert "--data-root DIR" in caught.value.hint
        assert "--data " not in caught.value.hint


@pytest.mark.parametrize("root", [".", "archive", "archive/2026"])
def test_a_folder_is_named_once_and_remembered(run: Run, data: Path, root: str) -> None:
    before = load(run)
    (data.parent / "archive").mkdir()
    data.rename(data.parent / "archive" / "2026")
    events: list[Event] = []
    settle_root(run, data.parent / root, ("valid",), events.append)
    assert texts(events) == [
        f"Found 24 of the 24 photos of x in {(data.parent / root).absolute()}; the run remembers "
        "it."
    ]
    after = load(run)
    assert [photo.sha256 for photo in after.photos] == [photo.sha256 for photo in before.photos]
    assert (after.store[after.rows] == before.store[before.rows]).all()
    assert run.read_openings() == []
    manifest, _ = resume(run)
    assert [photo.name for photo in manifest.photos] == [
        row["path"] for row in read_csv(run.path("split.csv"))
    ]


def test_corrected_labels_are_followed_below_a_folder_far_above(run: Run, data: Path) -> None:
    data.rename(data.parent / "moved")
    settle_root(run, data.parent, ALL_SIDES, silent)
    name = next(name for name in names_of(run, "valid") if name.startswith("good"))
    shutil.move(data.parent / "moved" / name, data.parent / "moved" / "defect")
    events: list[Event] = []
    assert {p.label for p in load(run, events=events).photos if p.name == name} == {"defect"}
    assert any("1 good -> defect" in text for text in texts(events))


def test_photos_without_their_folders_keep_the_labels_of_the_training(run: Run, data: Path) -> None:
    before = load(run)
    flat = data.parent / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(data.rglob("*.png"))):
        shutil.move(path, flat / f"{number}.png")
    shutil.rmtree(data)
    settle_root(run, flat, ALL_SIDES, silent)
    after = load(run)
    assert [(p.name, p.label) for p in after.photos] == [(p.name, p.label) for p in before.photos]


def test_a_folder_with_too_few_of_them_is_not_remembered(run: Run, data: Path) -> None:
    part = data.parent / "part"
    for name in (*names_of(run, "valid"), names_of(run, "train")[0]):
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / name, part / name)
    shutil.rmtree(data)
    (part / "empty").mkdir()
    with pytest.raises(DataError, match="none of the 24 photos of x is below it"):
        settle_root(run, part / "empty", (), silent)
    with pytest.raises(UsageError, match="expected a folder, but it does not exist"):
        settle_root(run, part / "nowhere", (), silent)
    (part / "empty").rmdir()
    with pytest.raises(DataError, match=r"found only 7 of 24; 6 missing or unreadable: "):
        settle_root(run, part, ("test",), silent)
    assert run.read_data_root() is None
    settle_root(run, part, ("valid",), silent)
    events: list[Event] = []
    assert len(load(run, events=events).side) == 6
    (text,) = texts(events)
    assert text.startswith("Missing: 17 photos of x (")
    with pytest.raises(DataError, match="found only 7 of 24"):
        load(run, "test")
    assert run.read_openings() == []


def test_a_remembered_folder_that_is_gone_is_named(run: Run, data: Path) -> None:
    data.rename(data.parent / "moved")
    settle_root(run, data.parent / "moved", (), silent)
    (data.parent / "moved").rename(data.parent / "again")
    with pytest.raises(DataError, match=r"found again below .*moved, but this folder does not"):
        load(run)
    settle_root(run, data.parent / "again", ("valid",), silent)
    assert load(run).side


def test_a_run_inside_another_shares_its_folder(run: Run, data: Path) -> None:
    inner = create_member(run, "member-1", run.read_config())
    inner.write("split.csv", read_csv(run.path("split.csv")))
    data.rename(data.parent / "moved")
    settle_root(inner, data.parent / "moved", (), silent)
    assert not inner.path("data_root.json").exists()
    assert run.read_data_root() == inner.read_data_root() is not None


def test_new_photos_are_noted_and_left_out(run: Run, data: Path) -> None:
    before = load(run)
    for number in range(3):
        (data / "good" / f"0-new-{number}.png").write_bytes(
            next(data.rglob("*.png")).read_bytes() + bytes([number])
        )
    (data / "good" / "0-broken.png").write_bytes(b"")
    run.write_findings([
        {"kind": "unreadable", "severity": "warning", "message": "", "value": 1, "interval": None,
         "paths": ["good/0-broken.png"]}
    ])  # fmt: skip
    events: list[Event] = []
    after = load(run, events=events)
    assert texts(events) == [
        "3 photos in data are not in the run; left out: good/0-new-0.png, good/0-new-1.png, "
        "good/0-new-2.png."
    ]
    assert [photo.name for photo in after.photos] == [photo.name for photo in before.photos]
    manifest, _ = resume(run)
    assert len(manifest.photos) == 24


def _relabel(data: Path, run: Run, split: str, label: str) -> str:
    name = next(name for name in names_of(run, split) if not name.startswith(label))
    (data / label).mkdir(exist_ok=True)
    shutil.move(data / name, data / label / f"corrected-{Path(name).name}")
    return name


def test_a_corrected_label_is_used_by_an_evaluation_and_refused_by_a_resume(
    run: Run, data: Path
) -> None:
    name = _relabel(data, run, "valid", "defect")
    events: list[Event] = []
    photos = load(run, events=events)
    assert [photo.label for photo in photos.photos if photo.name == name] == ["defect"]
    moved, changed = texts(events)
    assert f"{name} -> defect/corrected-" in moved
    assert "1 label has changed since the training: 1 good -> defect." in changed
    events.clear()
    with pytest.raises(DataError, match=rf"1 label changed .*good -> defect\): {name}") as caught:
        resume(run, events)
    assert "--from RUN" in caught.value.hint
    assert texts(events) == []


def test_a_class_that_the_run_does_not_have(run: Run, data: Path) -> None:
    _relabel(data, run, "test", "scratch")
    assert load(run).side  # valid is as it was
    with pytest.raises(DataError, match=r"Found 1 photo with a current label .*\(scratch\)"):
        load(run, "test")
    assert run.read_openings() == []


def test_a_renamed_photo_is_the_same_photo(run: Run, data: Path) -> None:
    before = resume(run)
    for path in sorted((data / "good").iterdir()):
        path.rename(path.with_name(f"z{path.name}"))
    events: list[Event] = []
    after = resume(run, events)
    assert any("12 photos of x moved since the training" in text for text in texts(events))
    assert [(p.name, p.sha256, p.label) for p in after[0].photos] == [
        (p.name, p.sha256, p.label) for p in before[0].photos
    ]
    assert (after[1][:] == before[1][:]).all()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "1 changed: "),
        (lambda path: path.unlink(), "1 missing or unreadable: "),
    ],
)
def test_a_changed_or_removed_photo_is_an_error_that_names_it(
    run: Run, data: Path, harm: Callable[[Path], object], says: str
) -> None:
    name = names_of(run, "test")[0]
    harm(data / name)
    with pytest.raises(DataError, match=f"found only 23 of 24; {says}{name}"):
        load(run, "test")
    with pytest.raises(DataError, match=says):
        resume(run)
    assert run.read_openings() == []


def test_what_changed_in_train_does_not_stop_an_evaluation(run: Run, data: Path) -> None:
    name = names_of(run, "train")[0]
    (data / name).write_bytes((data / name).read_bytes() + b"\0")
    events: list[Event] = []
    settle_root(run, data, ("valid",), silent)
    assert load(run, events=events).side
    assert texts(events) == [f"Changed: 1 photo of x (train 1): {name}."]
    with pytest.raises(DataError, match=f"1 changed: {name}"):
        resume(run)


def test_what_is_removed_from_train_does_not_stop_an_evaluation(run: Run, data: Path) -> None:
    name = names_of(run, "train")[0]
    (data / name).unlink()
    events: list[Event] = []
    assert load(run, events=events).side
    assert texts(events) == [f"Missing: 1 photo of x (train 1): {name}."]


def test_the_data_below_a_folder_far_above_is_remembered(run: Run, data: Path) -> None:
    inner = data.parent / "archive" / "line 2" / "castings"
    inner.parent.mkdir(parents=True)
    data.rename(inner)
    photo_folder(data.parent / "archive" / "other", [("a/1.png", "a"), ("b/2.png", "b")])
    settle_root(run, data.parent / "archive", ALL_SIDES, silent)
    found = run.read_data_root()
    assert found is not None
    assert (found.folder, found.data) == (data.parent / "archive", inner)
    flat = data.parent / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(inner.rglob("*.png"))):
        shutil.copy(path, flat / f"{number}.png")
    settle_root(run, flat, ALL_SIDES, silent)
    found = run.read_data_root()
    assert found is not None
    assert found.data is None


def test_a_command_reads_each_file_once_to_find_it(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Counter[Path] = Counter()
    real = found_module.read_bytes

    def counting(path: Path) -> bytes:
        read[path] += 1
        return real(path)

    monkeypatch.setattr(found_module, "read_bytes", counting)
    data.rename(data.parent / "moved")
    settle_root(run, data.parent / "moved", ("valid",), silent)
    load(run)
    photos = [path for path in read if path.suffix == ".png"]
    assert len(photos) == 24
    assert {read[path] for path in photos} == {1}


def test_a_csv_follows_its_folder(tmp_path: Path) -> None:
    """Parts, labels and the other columns come from the CSV in its new place."""
    folder = photo_folder(tmp_path / "a", castings_of(12, 2), "part")
    config = DataConfig(data=folder / "photos.csv", image_size=16, valid=0.25, test=0.25)
    loaded = load_training_data(config, seed=1, workers=0, on_event=silent)
    run = create_run(tmp_path / "runs", "x", RunConfig(data=config), "fit")
    run.write("split.csv", split_rows(loaded.manifest, loaded.split))
    run.path("model.safetensors").write_bytes(b"weights")
    folder.rename(tmp_path / "b")
    settle_root(run, tmp_path, ALL_SIDES, silent)
    manifest, _ = resume(run)
    assert replace(manifest, root=loaded.manifest.root, findings=()).classes == SPEC.classes
    assert [p.part for p in manifest.photos] == [p.part for p in loaded.manifest.photos]
