"""Runs on the same photos: refused where they are not the same, else told apart."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from helpers.compared import CASTINGS, RIGHT, ROWS, compare_in, warnings_of
from helpers.folders import photo_folder
from helpers.made_runs import made_run, split_row
from PIL import Image

from fastdefect.config import ModelConfig, TrainingConfig
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.events import Event, Note

DEFECTS = [row["path"] for row in ROWS[:32] if row["label"] == "defect"]


def with_changes(changes: Mapping[str, float]) -> dict[str, float]:
    return {**RIGHT, **changes}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def test_identical_runs_differ_in_nothing(runs: Path, tmp_path: Path) -> None:
    before, after = (made_run(runs, name, ROWS, RIGHT) for name in ("a", "b"))
    report = compare_in(tmp_path / "out", before, after)
    (pair,) = report.pairs
    assert (pair.before, pair.after, pair.opening) == ("a", "b", None)
    assert {change.difference.difference for change in pair.comparison.figures.values()} == {0.0}
    assert pair.comparison.changes == ()
    assert (pair.comparison.n, pair.comparison.n_parts) == (32, 16)
    assert report.settings == ()
    assert report.files == (tmp_path / "out" / "compare.json",)


def test_a_run_can_be_held_against_itself(runs: Path, tmp_path: Path) -> None:
    run = made_run(runs, "a", ROWS, RIGHT)
    assert [e.name for e in compare_in(tmp_path, run, run).entrants] == ["runs/a (1)", "runs/a (2)"]


def test_runs_of_one_name_are_distinguished_by_their_folders(runs: Path, tmp_path: Path) -> None:
    one, other = (made_run(tmp_path / where, "a", ROWS, RIGHT) for where in ("x", "y"))
    assert [e.name for e in compare_in(tmp_path, one, other).entrants] == ["x/a", "y/a"]


def test_new_escapes_and_caught_parts_are_listed(runs: Path, tmp_path: Path) -> None:
    data = photo_folder(tmp_path / "data", CASTINGS, "part")
    escaped, caught = DEFECTS[0], DEFECTS[5]
    before = made_run(runs, "before", ROWS, with_changes({caught: 0.2}), data=data)
    after = made_run(
        runs, "after", ROWS, with_changes({escaped: 0.3, "good/1-1.png": 0.7}), data=data
    )
    report = compare_in(tmp_path / "out", before, after)
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
    assert len(compare_in(tmp_path / "out", before, before).files) == 1
    assert not report.files[1].exists()


def test_photos_that_are_gone_cost_the_sheet_only(runs: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    before = made_run(runs, "a", ROWS, RIGHT, data=tmp_path / "gone")
    after = made_run(runs, "b", ROWS, with_changes({DEFECTS[0]: 0.1}), data=tmp_path / "gone")
    report = compare_in(tmp_path, before, after, on_event=events.append)
    assert len(report.pairs[0].comparison.changes) == 1
    assert len(report.files) == 1
    assert "No contact sheet" in warnings_of(events)[0]


def test_each_run_is_held_against_the_first(runs: Path, tmp_path: Path) -> None:
    first, second = (made_run(runs, name, ROWS, RIGHT) for name in "ab")
    third = made_run(runs, "c", ROWS, with_changes({DEFECTS[0]: 0.1}))
    report = compare_in(tmp_path, first, second, third)
    assert [(p.before, p.after) for p in report.pairs] == [("a", "b"), ("a", "c")]
    assert [len(p.comparison.changes) for p in report.pairs] == [0, 1]


def test_the_order_of_the_photos_is_of_no_account(runs: Path, tmp_path: Path) -> None:
    said = with_changes({DEFECTS[3]: 0.2})
    one, other = made_run(runs, "a", ROWS, said), made_run(runs, "b", ROWS[::-1], said)
    comparison = compare_in(tmp_path, one, other).pairs[0].comparison
    assert comparison.changes == ()
    assert comparison.figures["f1"].difference.before < 1


def test_each_decides_at_its_own_operating_point(runs: Path, tmp_path: Path) -> None:
    said = with_changes({DEFECTS[0]: 0.3})
    before, after = (made_run(runs, name, ROWS, said) for name in "ab")
    after.write(
        "operating_point.json",
        {"views": "none", "temperature": 1.0, "threshold": 0.25, "high": None, "said": "by cost"},
    )
    report = compare_in(tmp_path, before, after)
    (change,) = report.pairs[0].comparison.changes
    assert (change.kind, change.photos[0].scores) == ("newly caught", pytest.approx((0.3, 0.3)))
    assert [e.decision.rule for e in report.entrants] == ["the most probable class", "by cost"]


def test_settings_that_differ_are_named_by_their_flags(runs: Path, tmp_path: Path) -> None:
    training = TrainingConfig(learning_rate=0.5)
    before = made_run(runs, "a", ROWS, RIGHT)
    after = made_run(
        runs, "b", ROWS, RIGHT, data=Path("else"), training=training, model=ModelConfig("resnet18")
    )
    report = compare_in(tmp_path, before, after)
    assert dict(report.settings) == {
        "DATA": (Path("nowhere"), Path("else")),
        "--arch": (ModelConfig().arch, "resnet18"),
        "--learning-rate": (TrainingConfig().learning_rate, 0.5),
    }
    assert report.as_json()["settings"][0] == {"setting": "DATA", "values": ["nowhere", "else"]}


def test_what_each_cost(runs: Path, tmp_path: Path) -> None:
    run = made_run(runs, "a", ROWS, RIGHT)
    (entrant, _) = compare_in(tmp_path, run, run).entrants
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
        compare_in(tmp_path / "out", before, after)
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
    assert compare_in(tmp_path, one, other).pairs[0].comparison.n == 32


def test_runs_of_other_classes_are_refused(runs: Path, tmp_path: Path) -> None:
    one = made_run(runs, "a", ROWS, RIGHT)
    more = made_run(runs, "b", ROWS, RIGHT, classes=("defect", "dent", "good"))
    with pytest.raises(DataError, match=r"their classes: defect, good and defect, dent, good"):
        compare_in(tmp_path, one, more)
    no_good = made_run(runs, "c", ROWS, RIGHT, good=None)
    with pytest.raises(DataError, match=r"a and c differ in the good class: good and none"):
        compare_in(tmp_path, one, no_good)


def test_a_split_without_photos_is_refused(runs: Path, tmp_path: Path) -> None:
    run = made_run(runs, "a", ROWS, RIGHT)
    with pytest.raises(RunError, match="a has no test photos"):
        compare_in(tmp_path, run, run, split="test")


def test_predictions_of_other_photos_are_not_taken_for_the_splits(
    runs: Path, tmp_path: Path
) -> None:
    run, stale = (made_run(runs, name, ROWS, RIGHT) for name in "ab")
    path = stale.predictions_path("valid")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(RunError, match="does not hold the validation photos") as caught:
        compare_in(tmp_path, run, stale)
    assert "Delete it" in caught.value.hint


def test_parts_of_either_run_are_one_part(runs: Path, tmp_path: Path) -> None:
    """One told parts by the CSV, the other took each photo for its own."""
    alone = [{**row, "part": row["path"]} for row in ROWS]
    alone[4]["part"] = alone[0]["part"]  # parts 0 and 2 are one to the second run
    events: list[Event] = []
    one, other = made_run(runs, "a", ROWS, RIGHT), made_run(runs, "b", alone, RIGHT)
    report = compare_in(tmp_path, one, other, on_event=events.append)
    assert report.pairs[0].comparison.n_parts == 15
    (note,) = [e.text for e in events if isinstance(e, Note)]
    assert "group the photos into parts differently" in note
    assert "15 parts" in note


def test_a_folder_that_can_not_be_written_is_an_error_at_once(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    run = made_run(runs, "a", ROWS, RIGHT)
    with pytest.raises(UsageError, match="expected a path that can be written"):
        compare_in(tmp_path / "file" / "out", run, run)


# ---- by part -----------------------------------------------------------------------------


def test_parts_are_compared_and_listed_with_their_most_suspicious_photo(
    runs: Path, tmp_path: Path
) -> None:
    data = photo_folder(tmp_path / "data", CASTINGS, "part")
    escaped, caught = DEFECTS[0], DEFECTS[5]
    twin = DEFECTS[1]  # of the part of ``escaped``, which it does not let escape
    before = made_run(runs, "before", ROWS, with_changes({caught: 0.2}), data=data)
    after = made_run(
        runs, "after", ROWS, with_changes({escaped: 0.3, "good/1-1.png": 0.7}), data=data
    )
    found = compare_in(tmp_path / "out", before, after, decide="part")
    (pair,) = found.pairs
    assert (pair.comparison.n, pair.comparison.n_parts, pair.comparison.unit) == (16, 16, "part")
    changes = [(c.kind, c.part, [p.path for p in c.photos]) for c in pair.comparison.changes]
    assert changes == [("new overkill", "part 1", ["good/1-1.png"])]
    assert twin in pair.photos.names
    assert set(pair.photos.every_name) == {row["path"] for row in ROWS[:32]}
    titles = [table.title for table in found.tables()]
    assert titles[0] == "before -> after on validation: 16 parts"
    mean = compare_in(tmp_path / "mean", before, after, decide="part", part_rule="mean")
    assert mean.pairs[0].comparison.changes == ()


def test_runs_that_decide_on_photos_and_on_parts_are_not_compared(
    runs: Path, tmp_path: Path
) -> None:
    before, after = (made_run(runs, name, ROWS, RIGHT) for name in ("a", "b"))
    point = {"views": "none", "temperature": 1.0, "threshold": 0.5, "high": None, "said": "hand"}
    after.write("operating_point.json", {**point, "part_rule": "mean"})
    with pytest.raises(UsageError, match=r"a by photo, b by part \(mean\)"):
        compare_in(tmp_path / "out", before, after)
    found = compare_in(tmp_path / "out", before, after, decide="part")
    rules = [entrant.decision.part_rule for entrant in found.entrants]
    assert rules == ["worst", "mean"]  # each as it decides
