"""Runs in a run: folds and the networks of an ensemble."""

from pathlib import Path

import pytest
from helpers.new_runs import CONFIG

from fastdefect.config_resolve import resolve
from fastdefect.errors import RunError
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.run_registry import (
    create_fold,
    create_member,
    create_run,
    list_runs,
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


def _cross_validation(runs: Path, k: int = 3) -> Run:
    config = resolve({"arch": "resnet18", "folds": k})
    return create_run(runs, "cv", config, "fastdefect fit --folds 3", kind=RunKind.CROSS_VALIDATION)


def test_a_fold_is_a_run_with_the_settings_of_its_parent(runs: Path) -> None:
    parent = _cross_validation(runs)
    own = create_fold(parent, 2)
    assert own == parent.fold(2)
    assert own.read_kind() == RunKind.FOLD
    assert own.read_config() == parent.read_config()
    assert own.read_state()["command"] == "fastdefect fit --folds 3"
    assert open_run(None, runs).name == "cv"  # not the fold
    assert open_run("cv/fold-2", runs).folder == own.folder.resolve()
    assert [run.name for run in list_runs(runs)] == ["cv"]


def test_an_existing_fold_is_restarted(runs: Path) -> None:
    parent = _cross_validation(runs)
    create_fold(parent, 1).update_state(status="failed")
    assert create_fold(parent, 1).read_state()["status"] == RunStatus.RUNNING


def test_a_moved_fold_counts_its_own_openings(runs: Path) -> None:
    parent = _cross_validation(runs)
    moved = create_fold(parent, 1).folder.rename(runs.parent / "moved")
    assert Run(moved).note_opening("command", "a look") == 1
    assert parent.read_openings() == []


def test_a_cross_validation_has_no_model_and_names_a_fold(runs: Path) -> None:
    parent = _cross_validation(runs)
    with pytest.raises(
        RunError, match="cv has no single model: it is a cross-validation"
    ) as caught:
        parent.require_model()
    assert str(parent.fold(1).folder) in caught.value.hint
    own = create_fold(parent, 1)
    with pytest.raises(RunError, match="fold-1 has no model yet"):
        own.require_model()
    own.path("model.safetensors").write_bytes(b"weights")
    own.require_model()


def test_the_summary_of_a_cross_validation_is_out_of_fold(runs: Path) -> None:
    parent = _cross_validation(runs, 5)
    assert summarise(parent)["valid"] == {}
    parent.put("metrics.json", "oof", {"f1": 0.8})
    parent.put("metrics.json", "fold-1", {"f1": 0.1})
    row = summarise(parent)
    assert (row["folds"], row["valid"]) == (5, {"f1": 0.8})


def _ensemble(runs: Path) -> tuple[Run, Run, Run]:
    """An ensemble without a model yet, and its two trainings."""
    parent = create_run(runs, "e", CONFIG, "fastdefect fit --members 2", kind=RunKind.ENSEMBLE)
    first, second = (create_member(parent, f"member-{n}", CONFIG) for n in (1, 2))
    return parent, first, second


def test_an_ensemble_has_a_model_once_all_its_networks_are_trained(runs: Path) -> None:
    parent, first, _ = _ensemble(runs)
    with pytest.raises(RunError, match="no model yet: not all of its networks") as caught:
        parent.require_model()
    assert caught.value.hint == f"Resume it with: fastdefect fit --resume {parent.folder}"
    with pytest.raises(RunError, match="no epoch is finished"):
        first.require_model()
    parent.path("model.safetensors").write_bytes(b"weights")
    parent.require_model()


def test_the_history_of_an_ensemble_is_that_of_its_networks(runs: Path) -> None:
    parent, first, second = _ensemble(runs)
    first.write("history.csv", [{"epoch": 1, "seconds": 2}], ["epoch", "seconds"])
    second.write("history.csv", [{"epoch": n, "seconds": 3} for n in (1, 2)], ["epoch", "seconds"])
    assert [row["seconds"] for row in parent.read_whole_history()] == [2, 3, 3]
    assert first.read_whole_history() == first.read_history() == [{"epoch": 1, "seconds": 2}]
    parent.put("metrics.json", "valid", {"f1": 0.9})
    row = summarise(parent)
    assert (row["trainings"], row["epochs"], row["valid"]) == (2, 3, {"f1": 0.9})


def test_an_ensemble_and_its_networks_have_one_test(runs: Path) -> None:
    parent, first, second = _ensemble(runs)
    assert [run.note_opening("command", "a look") for run in (first, parent, second)] == [1, 2, 3]
    assert len(parent.read_openings()) == 3
