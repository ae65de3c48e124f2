"""Runs that are compared with their models, and the photos that they are asked about."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.compared import CASTINGS, RIGHT, ROWS, compare_in, warnings_of
from helpers.folders import photo_folder
from helpers.made_runs import SIZE, made_run
from safetensors.torch import save_file
from torch import nn

from fastdefect.config import DataConfig, ModelConfig, RunConfig
from fastdefect.config_resolve import to_toml
from fastdefect.data.load import load_training_data
from fastdefect.data.splitting.split import run_rows
from fastdefect.errors import DataError
from fastdefect.events import Event, Note, silent
from fastdefect.files import read_csv, write_csv, write_text
from fastdefect.run import Run, RunKind
from fastdefect.training.backbones import build_backbone, contiguous_state
from fastdefect.training.baseline import SMALL_CNN
from fastdefect.training.head import build_head


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


# ---- with models, and the photos that they are asked about


def _model(run: Run, seed: int) -> Run:
    """Give a run a real network, of random weights."""
    torch.manual_seed(seed)
    backbone, _ = build_backbone(SMALL_CNN, "none", SIZE)
    # As vision_learner nests them.
    model = nn.Sequential(nn.Sequential(backbone.body), build_head(128, 2, spatial=True))
    save_file(contiguous_state(model), run.path("model.safetensors"))
    return run


@pytest.fixture
def models(tmp_path: Path, runs: Path) -> tuple[Run, Run]:
    """Two random models on the same split of the castings' photos."""
    data = photo_folder(tmp_path / "data", CASTINGS, "part")
    config = DataConfig(data=data, image_size=SIZE)
    loaded = load_training_data(config, seed=1, workers=0, on_event=silent)
    rows = run_rows(loaded.manifest, loaded.split)
    small = RunConfig(model=ModelConfig(SMALL_CNN, "none")).model
    one, other = (
        _model(made_run(runs, name, rows, RIGHT, data=data, model=small), seed)
        for seed, name in enumerate(("one", "other"))
    )
    return one, other


def test_the_test_is_opened_and_noted_in_each_run(models: tuple[Run, Run], tmp_path: Path) -> None:
    report = compare_in(tmp_path / "out", *models, split="test")
    n = sum(row["split"] == "test" for row in read_csv(models[0].path("split.csv")))
    assert (report.pairs[0].comparison.n, report.pairs[0].opening) == (n, 1)
    for run in models:
        (noted,) = run.read_openings()
        assert (noted["command"], noted["what"]) == (
            "fastdefect compare",
            f"comparison, {n} photos",
        )
        assert len(read_csv(run.predictions_path("test"))) == n
    assert compare_in(tmp_path / "out", *models, split="test").pairs[0].opening == 2


def test_members_of_a_series_share_a_test_that_is_opened_once(
    models: tuple[Run, Run], tmp_path: Path
) -> None:
    one, other = models
    alone = Run(shutil.copytree(one.folder, tmp_path / "elsewhere" / "alone"))
    alone.note_opening("fastdefect evaluate", "a look")
    parent = Run(one.folder.parent)
    parent.begin(one.read_config(), "fastdefect quick-test", RunKind.QUICK_TEST, datetime.now(UTC))
    for run in models:
        run.update_state(kind=RunKind.MEMBER)

    events: list[Event] = []
    out = tmp_path / "out"
    report = compare_in(out, one, other, one, split="test", on_event=events.append)
    assert [pair.opening for pair in report.pairs] == [1, 1]
    written = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    assert [pair["opening"] for pair in written["comparisons"]] == [1, 1]
    assert len(parent.read_openings()) == 1
    assert warnings_of(events) == []

    # Who keeps a test of its own has it noted all the same.
    report = compare_in(out, one, other, alone, split="test", on_event=events.append)
    assert [pair.opening for pair in report.pairs] == [2, 2]
    assert (len(parent.read_openings()), len(alone.read_openings())) == (2, 2)
    assert len(warnings_of(events)) == 2


def test_a_refused_comparison_opens_nothing(models: tuple[Run, Run], tmp_path: Path) -> None:
    rows = [
        {**row, "split": "test" if row["split"] == "valid" else row["split"]}
        for row in read_csv(models[1].path("split.csv"))
    ]
    models[1].write("split.csv", rows)
    with pytest.raises(DataError, match="have different splits"):
        compare_in(tmp_path, *models, split="test")
    assert models[0].read_openings() == models[1].read_openings() == []


def test_other_photos_need_no_common_split(models: tuple[Run, Run], tmp_path: Path) -> None:
    one, other = models
    other.write(
        "split.csv", [{**row, "split": "train"} for row in read_csv(other.path("split.csv"))]
    )
    new = photo_folder(tmp_path / "line 2", [(f"{c}/{i}.png", c) for c in ("defect", "good")
                                             for i in range(40, 48)])  # fmt: skip
    for path in new.rglob("*.png"):
        path.write_bytes(path.read_bytes() + b"\0")  # as no photo of the runs is
    events: list[Event] = []
    report = compare_in(tmp_path / "out", one, other, data=new, on_event=events.append)
    assert (report.split, report.where) == ("data", "line 2")
    assert report.pairs[0].comparison.n == 16
    assert report.pairs[0].opening is None
    assert warnings_of(events) == []


def test_photos_that_a_run_was_trained_on_are_reported(
    models: tuple[Run, Run], tmp_path: Path
) -> None:
    one, other = models
    known = [row for row in read_csv(one.path("split.csv")) if row["split"] == "train"][:3]
    known += [row for row in read_csv(one.path("split.csv")) if row["split"] == "valid"][:2]
    for row in known:
        target = tmp_path / "again" / row["label"] / Path(row["path"]).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(one.read_config().data.data / row["path"], target)
    other.write("split.csv", [{**row, "sha256": "0"} for row in read_csv(other.path("split.csv"))])
    events: list[Event] = []
    again = {"data": tmp_path / "again", "on_event": events.append}
    report = compare_in(tmp_path / "out", one, other, **again)
    assert report.pairs[0].comparison.n == 2
    events.clear()
    compare_in(tmp_path / "out", one, other, include_trained=True, **again)
    assert warnings_of(events) == [
        "one was trained on 3 of the 5 photos of again. They are included: the figures are too "
        "good. 2 of the others are validation photos: the epoch and the threshold were chosen on "
        "them.",
        "The runs compared with other were trained on the parts of 3 photos. They are included: "
        "the figures are too good.",
    ]


def test_runs_that_find_parts_differently_are_compared_on_what_both_measure(
    models: tuple[Run, Run], tmp_path: Path
) -> None:
    """``one`` reads parts from file names; for ``other`` each photo is its own part."""
    one, other = (
        _with_parts(run, parts) for run, parts in zip(models, ("regex", "none"), strict=True)
    )
    rows = read_csv(one.path("split.csv"))
    train = next(row["path"] for row in rows if row["split"] == "train")
    again = tmp_path / "again"
    for path in [train, *(row["path"] for row in rows if row["split"] == "test")]:
        (again / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(one.read_config().data.data / path, again / path)
    sibling = again / train.replace("-0.png", "-9.png").replace("-1.png", "-9.png")
    sibling.write_bytes((again / train).read_bytes() + b"\0")  # another photo of that part
    n = sum(row["split"] == "test" for row in rows)
    for runs in ((one, other), (other, one)):
        events: list[Event] = []
        report = compare_in(tmp_path / "out", *runs, data=again, on_event=events.append)
        assert report.pairs[0].comparison.n == n
        notes = [event.text for event in events if isinstance(event, Note)]
        assert (
            "1 photo is left out because some of the runs were trained on its part. "
            f"{n} photos can be compared."
        ) in notes


def _with_parts(run: Run, parts: Any) -> Run:
    config = run.read_config()
    data = replace(config.data, parts=parts, part_from=r"/(\d+)-" if parts == "regex" else None)
    write_text(run.path("config.toml"), to_toml(replace(config, data=data)))
    # The names of the parts in the CSV of the training are not those in the file names.
    rows = [{**row, "given_part": ""} for row in read_csv(run.path("split.csv"))]
    run.write("split.csv", rows)
    return run


def test_labels_that_were_corrected_since_are_reported(runs: Path, tmp_path: Path) -> None:
    data = photo_folder(tmp_path / "data", CASTINGS, "part")
    before, after = (made_run(runs, name, ROWS, RIGHT, data=data) for name in ("a", "b"))
    rows = read_csv(data / "photos.csv")
    write_csv(data / "photos.csv", [{**rows[0], "label": "good"}, *rows[1:]], tuple(rows[0]))
    events: list[Event] = []
    compare_in(tmp_path / "out", before, after, on_event=events.append)
    assert [text[:45] for text in warnings_of(events)] == [
        "1 of the 32 photos has another label now. The"
    ] * 2


def test_a_model_with_more_classes_can_be_compared_too(
    models: tuple[Run, Run], tmp_path: Path
) -> None:
    """Of a class that a run never heard of it says 0."""
    one, other = models
    torch.manual_seed(5)
    backbone, _ = build_backbone(SMALL_CNN, "none", SIZE)
    model = nn.Sequential(nn.Sequential(backbone.body), build_head(128, 3, spatial=True))
    save_file(contiguous_state(model), other.path("model.safetensors"))
    spec = other.read("model.json")
    other.write("model.json", {**spec, "classes": ["dent", "good", "defect"]})
    other.predictions_path("valid").unlink()
    other.write(
        "operating_point.json",
        {"views": "none", "temperature": 1.0, "threshold": 0.0, "high": None, "said": "all"},
    )
    report = compare_in(tmp_path / "out", one, other, data=one.read_config().data.data)
    figures = report.pairs[0].comparison.figures
    assert figures["overkill_rate"].difference.after == 1.0
    assert figures["escape_rate"].difference.after == 0.0
    shown = [photo for c in report.pairs[0].comparison.changes for photo in c.photos]
    said = {row["path"]: row for row in read_csv(other.predictions_path("data"))}
    assert shown
    for photo in shown:
        of = said[photo.path]
        dented = float(of["p_dent"]) > float(of["p_defect"])
        assert photo.after == ("dent" if dented else "defect")
