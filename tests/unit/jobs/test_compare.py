"""Runs on the same photos: refused where they are not the same, else told apart."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.folders import castings_of, photo_folder
from helpers.made_runs import SIZE, made_run, split_row
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from fastdefect.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from fastdefect.config_resolve import to_toml
from fastdefect.data.load import load_training_data
from fastdefect.data.splitting.split import run_rows
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.events import Event, Note, OnEvent, silent
from fastdefect.files import read_csv, write_csv, write_text
from fastdefect.jobs.compare import CompareReport, compare
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run, RunKind
from fastdefect.training.backbones import build_backbone, contiguous_state
from fastdefect.training.baseline import SMALL_CNN
from fastdefect.training.head import build_head

# 16 parts of two photos, of which every other part is defective; and two to train on.
CASTINGS = castings_of(16, 2)
ROWS = [split_row(path, part) for path, _, part in CASTINGS] + [
    split_row("defect/90-0.png", "part 90", "train"),
    split_row("good/91-0.png", "part 91", "train"),
]
DEFECTS = [row["path"] for row in ROWS[:32] if row["label"] == "defect"]
RIGHT = {row["path"]: 0.9 if row["label"] == "defect" else 0.1 for row in ROWS}


def _with(changes: Mapping[str, float]) -> dict[str, float]:
    return {**RIGHT, **changes}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def _compare(out: Path, *runs: Run, on_event: OnEvent = silent, **request: Any) -> CompareReport:
    asked = replace(Request(device="cpu", command="fastdefect compare"), **request)
    return compare(runs, asked, out=out, on_event=on_event)


def _warnings(events: list[Event]) -> list[str]:
    return [e.text for e in events if isinstance(e, Note) and e.level == "warning"]


def test_identical_runs_differ_in_nothing(runs: Path, tmp_path: Path) -> None:
    before, after = (made_run(runs, name, ROWS, RIGHT) for name in ("a", "b"))
    report = _compare(tmp_path / "out", before, after)
    (pair,) = report.pairs
    assert (pair.before, pair.after, pair.opening) == ("a", "b", None)
    assert {change.difference.difference for change in pair.comparison.figures.values()} == {0.0}
    assert pair.comparison.changes == ()
    assert (pair.comparison.n, pair.comparison.n_parts) == (32, 16)
    assert report.settings == ()
    assert report.files == (tmp_path / "out" / "compare.json",)


def test_a_run_can_be_held_against_itself(runs: Path, tmp_path: Path) -> None:
    run = made_run(runs, "a", ROWS, RIGHT)
    assert [e.name for e in _compare(tmp_path, run, run).entrants] == ["runs/a (1)", "runs/a (2)"]


def test_runs_of_one_name_are_distinguished_by_their_folders(runs: Path, tmp_path: Path) -> None:
    one, other = (made_run(tmp_path / where, "a", ROWS, RIGHT) for where in ("x", "y"))
    assert [e.name for e in _compare(tmp_path, one, other).entrants] == ["x/a", "y/a"]


def test_new_escapes_and_caught_parts_are_listed(runs: Path, tmp_path: Path) -> None:
    data = photo_folder(tmp_path / "data", CASTINGS, "part")
    escaped, caught = DEFECTS[0], DEFECTS[5]
    before = made_run(runs, "before", ROWS, _with({caught: 0.2}), data=data)
    after = made_run(runs, "after", ROWS, _with({escaped: 0.3, "good/1-1.png": 0.7}), data=data)
    report = _compare(tmp_path / "out", before, after)
    changes = report.pairs[0].comparison.changes
    assert [(c.kind, c.part, [p.path for p in c.photos], c.of) for c in changes] == [
        ("newly escapes", "part 0", [escaped], 2),
        ("newly caught", "part 4", [caught], 2),
        ("new overkill", "part 1", ["good/1-1.png"], 2),
    ]
    assert changes[0].photos[0].scores == pytest.approx((0.9, 0.3))
    figure = report.pairs[0].comparison.figures["overkill_rate"]
    assert figure.difference.difference == pytest.approx(1 / 16)

    written = json.loads((tmp_path / "out" / "compare.json").read_text(encoding="utf-8"))
    found = written["comparisons"][0]["changes"][0]
    assert (found["part"], found["photos"][0]["path"]) == ("part 0", escaped)
    assert report.files == (tmp_path / "out" / "compare.json", tmp_path / "out" / "changes.png")
    with Image.open(report.files[1]) as sheet:
        assert sheet.height > 3 * 160

    # Without changes an earlier sheet would be taken for this comparison's.
    assert len(_compare(tmp_path / "out", before, before).files) == 1
    assert not report.files[1].exists()


def test_photos_that_are_gone_cost_the_sheet_only(runs: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    before = made_run(runs, "a", ROWS, RIGHT, data=tmp_path / "gone")
    after = made_run(runs, "b", ROWS, _with({DEFECTS[0]: 0.1}), data=tmp_path / "gone")
    report = _compare(tmp_path, before, after, on_event=events.append)
    assert len(report.pairs[0].comparison.changes) == 1
    assert len(report.files) == 1
    assert "No contact sheet" in _warnings(events)[0]


def test_each_run_is_held_against_the_first(runs: Path, tmp_path: Path) -> None:
    first, second = (made_run(runs, name, ROWS, RIGHT) for name in "ab")
    third = made_run(runs, "c", ROWS, _with({DEFECTS[0]: 0.1}))
    report = _compare(tmp_path, first, second, third)
    assert [(p.before, p.after) for p in report.pairs] == [("a", "b"), ("a", "c")]
    assert [len(p.comparison.changes) for p in report.pairs] == [0, 1]


def test_the_order_of_the_photos_is_of_no_account(runs: Path, tmp_path: Path) -> None:
    said = _with({DEFECTS[3]: 0.2})
    one, other = made_run(runs, "a", ROWS, said), made_run(runs, "b", ROWS[::-1], said)
    comparison = _compare(tmp_path, one, other).pairs[0].comparison
    assert comparison.changes == ()
    assert comparison.figures["f1"].difference.before < 1


def test_each_decides_at_its_own_operating_point(runs: Path, tmp_path: Path) -> None:
    said = _with({DEFECTS[0]: 0.3})
    before, after = (made_run(runs, name, ROWS, said) for name in "ab")
    after.write(
        "operating_point.json",
        {"views": "none", "temperature": 1.0, "threshold": 0.25, "high": None, "said": "by cost"},
    )
    report = _compare(tmp_path, before, after)
    (change,) = report.pairs[0].comparison.changes
    assert (change.kind, change.photos[0].scores) == ("newly caught", pytest.approx((0.3, 0.3)))
    assert [e.decision.rule for e in report.entrants] == ["the most probable class", "by cost"]


def test_settings_that_differ_are_named_by_their_flags(runs: Path, tmp_path: Path) -> None:
    training = TrainingConfig(learning_rate=0.5)
    before = made_run(runs, "a", ROWS, RIGHT)
    after = made_run(
        runs, "b", ROWS, RIGHT, data=Path("else"), training=training, model=ModelConfig("resnet18")
    )
    report = _compare(tmp_path, before, after)
    assert dict(report.settings) == {
        "DATA": (Path("nowhere"), Path("else")),
        "--arch": (ModelConfig().arch, "resnet18"),
        "--learning-rate": (TrainingConfig().learning_rate, 0.5),
    }
    assert report.as_json()["settings"][0] == {"setting": "DATA", "values": ["nowhere", "else"]}


def test_what_each_cost(runs: Path, tmp_path: Path) -> None:
    run = made_run(runs, "a", ROWS, RIGHT)
    (entrant, _) = _compare(tmp_path, run, run).entrants
    assert (entrant.epochs, entrant.seconds) == (2, 4.0)
    assert (entrant.parameters, entrant.megabytes, entrant.arch) == (1234, 0.5, ModelConfig().arch)


def _renamed(rows: list[dict[str, str]], old: str, new: str) -> list[dict[str, str]]:
    return [{**row, "path": new if row["path"] == old else row["path"]} for row in rows]


def test_runs_on_other_photos_are_refused(runs: Path, tmp_path: Path) -> None:
    rows = [dict(row) for row in _renamed(ROWS, "good/1-0.png", "good/other.png")]
    rows[0]["sha256"] = "0" * 64
    rows[1]["label"] = "good"
    rows.append(split_row("good/92-0.png", "part 92"))
    before = made_run(runs, "before", ROWS, RIGHT)
    after = made_run(runs, "after", rows, dict.fromkeys((row["path"] for row in rows), 0.5))
    with pytest.raises(DataError) as caught:
        _compare(tmp_path / "out", before, after)
    said = caught.value.message
    assert "32 and 33 valid photos" in said
    assert "1 only in before (good/1-0.png)" in said
    assert "2 only in after (good/other.png, good/92-0.png)" in said
    assert "1 changed (defect/0-0.png)" in said
    assert "1 with another label (defect/0-1.png)" in said
    assert "--data" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_photos_to_train_on_may_differ(runs: Path, tmp_path: Path) -> None:
    rows = [*ROWS, split_row("good/92-0.png", "part 92", "train")]
    one, other = made_run(runs, "a", ROWS, RIGHT), made_run(runs, "b", rows, RIGHT)
    assert _compare(tmp_path, one, other).pairs[0].comparison.n == 32


def test_runs_of_other_classes_are_refused(runs: Path, tmp_path: Path) -> None:
    one = made_run(runs, "a", ROWS, RIGHT)
    more = made_run(runs, "b", ROWS, RIGHT, classes=("defect", "dent", "good"))
    with pytest.raises(DataError, match=r"their classes: defect, good and defect, dent, good"):
        _compare(tmp_path, one, more)
    no_good = made_run(runs, "c", ROWS, RIGHT, good=None)
    with pytest.raises(DataError, match=r"a and c differ in the good class: good and none"):
        _compare(tmp_path, one, no_good)


def test_a_split_without_photos_is_refused(runs: Path, tmp_path: Path) -> None:
    run = made_run(runs, "a", ROWS, RIGHT)
    with pytest.raises(RunError, match="a has no test photos"):
        _compare(tmp_path, run, run, split="test")


def test_predictions_of_other_photos_are_not_taken_for_the_splits(
    runs: Path, tmp_path: Path
) -> None:
    run, stale = (made_run(runs, name, ROWS, RIGHT) for name in "ab")
    path = stale.predictions_path("valid")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(RunError, match="does not hold the validation photos") as caught:
        _compare(tmp_path, run, stale)
    assert "Delete it" in caught.value.hint


def test_parts_of_either_run_are_one_part(runs: Path, tmp_path: Path) -> None:
    """One told parts by the CSV, the other took each photo for its own."""
    alone = [{**row, "part": row["path"]} for row in ROWS]
    alone[4]["part"] = alone[0]["part"]  # parts 0 and 2 are one to the second run
    events: list[Event] = []
    one, other = made_run(runs, "a", ROWS, RIGHT), made_run(runs, "b", alone, RIGHT)
    report = _compare(tmp_path, one, other, on_event=events.append)
    assert report.pairs[0].comparison.n_parts == 15
    (note,) = [e.text for e in events if isinstance(e, Note)]
    assert "group the photos into parts differently" in note
    assert "15 parts" in note


def test_a_folder_that_can_not_be_written_is_an_error_at_once(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    run = made_run(runs, "a", ROWS, RIGHT)
    with pytest.raises(UsageError, match="expected a path that can be written"):
        _compare(tmp_path / "file" / "out", run, run)


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
    report = _compare(tmp_path / "out", *models, split="test")
    n = sum(row["split"] == "test" for row in read_csv(models[0].path("split.csv")))
    assert (report.pairs[0].comparison.n, report.pairs[0].opening) == (n, 1)
    for run in models:
        (noted,) = run.read_openings()
        assert (noted["command"], noted["what"]) == (
            "fastdefect compare",
            f"comparison, {n} photos",
        )
        assert len(read_csv(run.predictions_path("test"))) == n
    assert _compare(tmp_path / "out", *models, split="test").pairs[0].opening == 2


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
    report = _compare(out, one, other, one, split="test", on_event=events.append)
    assert [pair.opening for pair in report.pairs] == [1, 1]
    written = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    assert [pair["opening"] for pair in written["comparisons"]] == [1, 1]
    assert len(parent.read_openings()) == 1
    assert _warnings(events) == []

    # Who keeps a test of its own has it noted all the same.
    report = _compare(out, one, other, alone, split="test", on_event=events.append)
    assert [pair.opening for pair in report.pairs] == [2, 2]
    assert (len(parent.read_openings()), len(alone.read_openings())) == (2, 2)
    assert len(_warnings(events)) == 2


def test_a_refused_comparison_opens_nothing(models: tuple[Run, Run], tmp_path: Path) -> None:
    rows = [
        {**row, "split": "test" if row["split"] == "valid" else row["split"]}
        for row in read_csv(models[1].path("split.csv"))
    ]
    models[1].write("split.csv", rows)
    with pytest.raises(DataError, match="have different splits"):
        _compare(tmp_path, *models, split="test")
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
    report = _compare(tmp_path / "out", one, other, data=new, on_event=events.append)
    assert (report.split, report.where) == ("data", "line 2")
    assert report.pairs[0].comparison.n == 16
    assert report.pairs[0].opening is None
    assert _warnings(events) == []


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
    report = _compare(tmp_path / "out", one, other, **again)
    assert report.pairs[0].comparison.n == 2
    events.clear()
    _compare(tmp_path / "out", one, other, include_trained=True, **again)
    assert _warnings(events) == [
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
        report = _compare(tmp_path / "out", *runs, data=again, on_event=events.append)
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
    _compare(tmp_path / "out", before, after, on_event=events.append)
    assert [text[:45] for text in _warnings(events)] == [
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
    report = _compare(tmp_path / "out", one, other, data=one.read_config().data.data)
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
