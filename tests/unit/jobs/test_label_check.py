"""The job of ``label-check``: wrong labels planted in the predictions of a run on disk."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.folders import castings_of, photo_folder
from PIL import Image

from fastdefect.config import DataConfig, RunConfig
from fastdefect.data.loaders import Preprocessing
from fastdefect.errors import RunError
from fastdefect.evaluation.predictions import Predictions
from fastdefect.events import Event, Note, silent
from fastdefect.files import read_csv, write_csv
from fastdefect.jobs.label_check import LabelCheck, label_check
from fastdefect.run import Run, RunKind
from fastdefect.run_registry import create_run
from fastdefect.training.learner import ModelSpec

CLASSES = ("defect", "good")
# 16 parts of two photos. Both photos of part 3 are planted, and one of part 8 and of part 11;
# the more of the other class, the surer.
PLANTED = {"good/3-0.png": 0.95, "good/3-1.png": 0.9, "defect/8-1.png": 0.97, "good/11-0.png": 0.88}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return photo_folder(tmp_path / "data", castings_of(16, 2), "part")


def predictions() -> Predictions:
    """The model is 0.9 sure of most; of the planted ones it is sure of the other class."""
    rows = castings_of(16, 2)
    y_true = np.array([CLASSES.index(label) for _, label, _ in rows], np.int64)
    own = np.array([1 - PLANTED[name] if name in PLANTED else 0.9 for name, *_ in rows])
    y_prob = np.empty((len(rows), 2))
    y_prob[np.arange(len(rows)), y_true] = own
    y_prob[np.arange(len(rows)), 1 - y_true] = 1 - own
    return Predictions(tuple(name for name, *_ in rows), CLASSES, ("good",), y_true, y_prob)


def made_run(
    data: Path, kind: RunKind = RunKind.CROSS_VALIDATION, given: Predictions | None = None
) -> Run:
    """What ``fit`` leaves of such predictions, with folds or without."""
    run = create_run(data.parent / "runs", "x", RunConfig(data=DataConfig(data)), "fit", kind=kind)
    given = given or predictions()
    part_of = {name: part for name, _, part in castings_of(16, 2)}
    parts = [{"part": part_of[name]} for name in given.names]
    spec = ModelSpec(
        "none", CLASSES, ("good",), Preprocessing(16, "squish", (0.5,) * 3, (0.5,) * 3)
    )
    if kind == RunKind.TRAINING:
        run.write("model.json", spec.as_json())
        run.path("model.safetensors").write_bytes(b"weights")
        run.write_predictions("valid", given.rows(), given.columns(), "none")
        sides = {"split": "valid", "sha256": ""}
        run.write("split.csv", [
            {"path": row["path"], "label": row["label"], **part, **sides}
            for row, part in zip(given.rows(), parts, strict=True)
        ])  # fmt: skip
        return run
    run.fold(1).folder.mkdir()
    run.fold(1).write("model.json", spec.as_json())
    rows = [{**row, "fold": 1, **part} for row, part in zip(given.rows(), parts, strict=True)]
    run.write_predictions("oof", rows, [*given.columns(), "fold", "part"], "none")
    return run


def check(run: Run, show: int = 40, events: list[Event] | None = None) -> LabelCheck:
    return label_check(
        run, show=show, device="cpu", on_event=silent if events is None else events.append
    )


def notes(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Note))


def test_planted_labels_are_found_and_ranked(data: Path) -> None:
    events: list[Event] = []
    run = made_run(data)
    found = check(run, events=events)
    ranked = sorted(PLANTED, key=lambda name: -PLANTED[name])
    assert [row["path"] for row in found.rows()] == ranked
    assert found.source == "oof"
    assert events == []
    first, second, *_ = found.rows()
    assert (first["label"], first["suggested"]) == ("defect", "good")
    assert first["margin"] == pytest.approx(0.03 - 0.97)
    assert (first["part"], first["part_photos"], first["part_suspects"]) == ("part 8", 2, 1)
    assert (second["part"], second["part_photos"], second["part_suspects"]) == ("part 3", 2, 2)


def test_the_files_hold_the_same(data: Path) -> None:
    run = made_run(data)
    found = check(run)
    table, sheet = found.files
    assert table == run.folder / "label-check.csv"
    rows = read_csv(table)
    assert list(rows[0]) == [
        *("path", "label", "suggested", "margin", "confidence"),
        *("part", "part_photos", "part_suspects"),
    ]
    assert rows == [
        {key: str(value) for key, value in row.items()} for row in found.as_json()["suspects"]
    ]
    assert found.as_json()["photos"] == 32
    assert sheet == run.folder / "label-check.png"
    with Image.open(sheet) as picture:
        assert picture.width > 900  # four tiles and their margins


def test_only_so_many_are_shown_but_all_are_listed(data: Path) -> None:
    run = made_run(data)
    whole = check(run).files[1].read_bytes()
    found = check(run, show=1)
    assert len(found.suspects) == len(read_csv(found.files[0])) == 4
    assert found.files[1].read_bytes() != whole


def test_an_ordinary_run_is_checked_on_its_validation_photos_only(data: Path) -> None:
    events: list[Event] = []
    found = check(made_run(data, RunKind.TRAINING), events=events)
    assert found.source == "valid"
    assert found.rows()[0]["path"] == "defect/8-1.png"
    assert "Only the 32 validation photos of x" in notes(events)
    assert "fastdefect fit --final folds" in notes(events)


@pytest.mark.parametrize("kind", [RunKind.CROSS_VALIDATION, RunKind.TRAINING])
def test_the_test_stays_sealed(data: Path, kind: str) -> None:
    run = made_run(data, kind)
    check(run)
    assert not list(run.folder.rglob("openings.json"))


def test_no_suspects_leave_no_sheet_not_even_an_old_one(data: Path) -> None:
    run = made_run(data)
    assert check(run).files[1].exists()
    given = predictions()
    sure = np.eye(2)[given.y_true] * 0.8 + 0.1
    shutil.rmtree(run.folder)
    run = made_run(data, given=Predictions(given.names, CLASSES, ("good",), given.y_true, sure))
    (run.folder / "label-check.png").write_bytes(b"old")
    found = check(run)
    assert found.suspects == ()
    assert found.files == (run.folder / "label-check.csv",)
    assert read_csv(found.files[0]) == []
    assert not (run.folder / "label-check.png").exists()


def test_photos_that_are_gone(data: Path) -> None:
    run = made_run(data)
    shutil.move(data, data.parent / "elsewhere")
    with pytest.raises(RunError, match="The photos of x can't be found"):
        check(run)
    photo_folder(data, castings_of(2, 1), "part")
    with pytest.raises(RunError, match="Expected the 4 photos to show in .* all are missing"):
        check(run)
    assert not list(run.folder.glob("label-check*"))


def test_labels_that_were_corrected_since_are_reported(data: Path) -> None:
    """The first photo left, the label of the second was changed, the third can't be read."""
    run = made_run(data)
    rows = [row for row in read_csv(data / "photos.csv") if row["path"] != "defect/8-1.png"]
    for row in rows:
        if row["path"] == "good/3-0.png":
            row["label"] = "defect"
    write_csv(data / "photos.csv", rows, ("path", "label", "part"))
    (data / "good" / "3-1.png").write_bytes(b"no photo")
    events: list[Event] = []
    found = check(run, events=events)
    assert len(found.suspects) == 4
    assert "1 of the 4 photos to show is missing" in notes(events)
    assert "1 of the 32 photos has another label now" in notes(events)
    assert "train again" in notes(events)
    assert found.files[1].exists()


def test_folds_that_are_not_finished(data: Path) -> None:
    run = made_run(data)
    run.predictions_path("oof").unlink()
    with pytest.raises(RunError, match="not all of its folds are finished") as caught:
        check(run)
    assert f"fit --resume {run.folder}" in caught.value.hint


def test_predictions_without_parts(data: Path) -> None:
    run = made_run(data)
    given = predictions()
    run.write_predictions("oof", given.rows(), given.columns(), "none")
    with pytest.raises(RunError, match="Expected the parts in .* it has no column"):
        check(run)


def test_what_to_do_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    data = photo_folder(tmp_path / "my parts" / "data", castings_of(16, 2), "part")
    run, given = made_run(data), predictions()
    pasted = f'fastdefect fit --resume "{run.folder}"'
    run.write_predictions("oof", given.rows(), given.columns(), "none")
    with pytest.raises(RunError, match="Expected the parts in .* it has no column") as caught:
        check(run)
    assert caught.value.hint.endswith(pasted)
    run.predictions_path("oof").unlink()
    with pytest.raises(RunError, match="not all of its folds") as caught:
        check(run)
    assert caught.value.hint.endswith(pasted)


def test_a_run_without_a_model(data: Path) -> None:
    run = made_run(data, RunKind.TRAINING)
    run.path("model.safetensors").unlink()
    with pytest.raises(RunError, match="has no model yet"):
        check(run)
