"""The run folder: created, opened and listed."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from helpers.new_runs import CONFIG, new_run

from fastdefect.errors import RunError
from fastdefect.files import read_csv
from fastdefect.run import SCHEMA, Run, RunKind, RunStatus
from fastdefect.run_registry import (
    create_run,
    open_run,
    summarise,
)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of runs; the tests stand elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return tmp_path / "runs"


@pytest.mark.parametrize("schema", [SCHEMA + 1, None, "1"])
def test_another_schema_is_refused(schema: Any, runs: Path) -> None:
    run = new_run(runs, "foreign")
    run.update_state(schema=schema)
    with pytest.raises(RunError, match=f"expected schema {SCHEMA}, but got {schema}") as caught:
        open_run("foreign", runs)
    assert "version" in caught.value.hint


def test_state_changes_keep_the_rest(runs: Path) -> None:
    run = new_run(runs, "x")
    run.update_state(status=RunStatus.FINISHED, best_epoch=2)
    state = run.read_state()
    assert (state["status"], state["best_epoch"]) == (RunStatus.FINISHED, 2)
    assert state["command"] == "fastdefect fit"


def test_a_folder_without_run_json_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run: it has no run.json"):
        Run(tmp_path).read_state()


def test_history_comes_back_as_numbers(runs: Path) -> None:
    run = new_run(runs, "x")
    assert run.read_history() == []
    run.write(
        "history.csv", [{"epoch": 1, "f1": 1 / 3}, {"epoch": 2, "f1": math.nan}], ["epoch", "f1"]
    )
    rows = run.read_history()
    assert rows[0] == {"epoch": 1.0, "f1": 1 / 3}
    assert math.isnan(rows[1]["f1"])


def test_metrics_gather_by_split(runs: Path) -> None:
    run = new_run(runs, "x")
    assert run.read("metrics.json") == {}
    run.put("metrics.json", "valid", {"f1": 0.5})
    run.put("metrics.json", "test", {"f1": math.nan})
    run.put("metrics.json", "valid", {"f1": 0.75})
    assert run.read("metrics.json") == {"valid": {"f1": 0.75}, "test": {"f1": None}}


def test_tta_results_gather_by_split_and_views(runs: Path) -> None:
    run = new_run(runs, "x")
    run.put("tta.json", ("valid", "flips"), {"f1": 1})
    run.put("tta.json", ("valid", "dihedral"), {"f1": 2})
    run.put("tta.json", ("test", "flips"), {"f1": 3})
    assert json.loads((run.folder / "tta.json").read_text(encoding="utf-8")) == {
        "valid": {"flips": {"f1": 1}, "dihedral": {"f1": 2}},
        "test": {"flips": {"f1": 3}},
    }


def test_predictions_are_named_by_split_and_views(runs: Path) -> None:
    run = new_run(runs, "x")
    assert run.predictions_path("valid").name == "predictions-valid.csv"
    assert run.predictions_path("test", "dihedral").name == "predictions-test-dihedral.csv"
    # No colon: Windows would take what follows it for a stream of the file.
    assert run.predictions_path("valid", "random:4").name == "predictions-valid-random-4.csv"
    run.write_predictions("valid", [{"path": "a.png", "p_ok": 0.1}], ["path", "p_ok"], "none")
    assert read_csv(run.predictions_path("valid")) == [{"path": "a.png", "p_ok": "0.1"}]


def test_findings_have_a_row_per_photo(runs: Path) -> None:
    run = new_run(runs, "x")
    finding = {
        "kind": "duplicate",
        "severity": "warning",
        "message": "2 photos are one",
        "value": 2.0,
        "interval": (1.0, 3.0),
        "paths": ("a.png", "b.png"),
    }
    bare = {**finding, "kind": "layout", "interval": None, "paths": (), "value": None}
    run.write_findings([finding, bare])

    rows = read_csv(run.folder / "findings.csv")
    assert [(row["kind"], row["path"], row["low"]) for row in rows] == [
        ("duplicate", "a.png", "1.0"),
        ("duplicate", "b.png", "1.0"),
        ("layout", "", ""),
    ]
    kept = json.loads((run.folder / "findings.json").read_text(encoding="utf-8"))
    assert [len(entry["paths"]) for entry in kept] == [2, 0]


def test_openings_of_the_test_are_counted(runs: Path) -> None:
    run = new_run(runs, "x")
    assert run.read_openings() == []
    assert [run.note_opening(f"command {n}", "a look") for n in (1, 2)] == [1, 2]
    assert [entry["command"] for entry in run.read_openings()] == ["command 1", "command 2"]


@pytest.mark.parametrize("content", ["{", "{}", "null"])
def test_damaged_openings_are_an_error(content: str, runs: Path) -> None:
    run = new_run(runs, "x")
    (run.folder / "openings.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=r"openings\.json"):
        run.note_opening("command", "a look")
    assert (run.folder / "openings.json").read_text(encoding="utf-8") == content


def test_a_run_of_an_older_version_is_a_training(runs: Path) -> None:
    run = new_run(runs, "x")
    assert run.read_kind() == RunKind.TRAINING
    state = run.read_state()
    del state["kind"]
    (run.folder / "run.json").write_text(json.dumps(state), encoding="utf-8")
    assert run.read_kind() == RunKind.TRAINING


def test_a_kind_of_another_version_is_refused(runs: Path) -> None:
    run = new_run(runs, "x")
    run.update_state(kind="siamese")
    with pytest.raises(RunError, match=r"run\.json: expected one of the kinds trai.*'siamese'"):
        run.read_kind()
    assert summarise(run)["status"] == "unreadable"


def test_run_json_has_the_values_of_older_runs(runs: Path) -> None:
    run = create_run(runs, "x", CONFIG, "", kind=RunKind.LEARNING_CURVE)
    run.update_state(status=RunStatus.EARLY_STOPPING)
    text = run.path("run.json").read_text(encoding="utf-8")
    assert '"kind": "learning curve"' in text
    assert '"status": "early stopping"' in text
    assert [str(status) for status in RunStatus] == [
        *("running", "finished", "early stopping", "interrupted", "failed", "diverged"),
        "out of budget",
    ]
    assert [str(kind) for kind in RunKind] == [
        *("training", "cross-validation", "fold", "learning curve", "ablation", "quick test"),
        *("tuning", "unseen types", "each product", "member", "ensemble"),
    ]


def test_decisions_for_an_older_model_are_deleted(runs: Path) -> None:
    run = new_run(runs)
    run.write("operating_point.json", {"threshold": 0.3})
    run.put("calibration.json", "none", {"value": 0.5})
    for views in ("none", "flips"):
        run.write_predictions("valid", [{"path": "a"}], ["path"], views)

    forgotten = run.forget_decisions()

    assert forgotten == (
        "operating_point.json",
        "calibration.json",
        "predictions-valid-flips.csv",
    )
    assert run.read("operating_point.json") == {}
    assert run.read("calibration.json") == {}
    assert run.predictions_path("valid").exists()
    assert run.forget_decisions() == ()


def test_a_data_root_of_an_earlier_version_is_the_place_of_the_data(runs: Path) -> None:
    run = new_run(runs, "x")
    run.write("data_root.json", {"root": "photos/june", "names": {}})
    known = run.read_data_root()
    assert known is not None
    assert known.data == known.folder == Path("photos/june")
    run.write("data_root.json", {"root": "photos/june", "data": None, "names": {}})
    known = run.read_data_root()
    assert known is not None
    assert known.data is None
