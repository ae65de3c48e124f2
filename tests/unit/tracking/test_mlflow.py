"""Runs of MLflow: where they are, what they hold, and how they are resumed."""

import os
from pathlib import Path
from typing import Any

import pytest
from helpers.tracker_libraries import install_mlflow
from helpers.trackers import opening_of, pictures

from fastdefect.run import RunStatus
from fastdefect.tracking.mlflow import MlflowRun
from fastdefect.tracking.tracker import Closing


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    # What the module sets as a default is removed again after the test.
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return install_mlflow(monkeypatch)


def _only(stores: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    ((uri, store),) = stores.items()
    return uri, store


def test_without_a_server_the_runs_are_in_a_database_in_the_folder_of_the_runs(
    stores: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    run = MlflowRun(opening_of(tmp_path))
    uri, store = _only(stores)
    assert uri == f"sqlite:///{tmp_path.resolve().as_posix()}/mlflow.db"
    assert f'mlflow ui --backend-store-uri "{uri}"' in run.where
    place = store["experiments"]["fastdefect"].artifact_location
    assert place == (tmp_path / "mlflow-artifacts").resolve().as_uri()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_configuration_of_mlflow_decides(
    stores: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "castings")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    run = MlflowRun(opening_of(tmp_path))
    uri, store = _only(stores)
    assert (uri, run.where) == ("http://server:5000", "http://server:5000")
    assert store["experiments"]["castings"].artifact_location is None
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:secret@server/path", "https://server/path"),
        ("https://me:p@ss@server", "https://server"),
        ("postgresql://me:secret@server/db", "postgresql://server/db"),
        ("databricks", "databricks"),
    ],
)
def test_a_password_is_not_shown(
    stores: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uri: str,
    shown: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    run = MlflowRun(opening_of(tmp_path))
    assert _only(stores)[0] == uri
    assert run.where == shown


def test_settings_epochs_results_and_files_are_logged(
    stores: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    run = MlflowRun(opening_of(tmp_path, name="one/fold-1", parent="around"))
    run.log_epoch(1, {"epoch": 1.0, "f1": 0.5})
    files = pictures(tmp_path / "one")
    run.close(Closing(RunStatus.FINISHED, 1, {"final/valid/per_class/a+b": 0.5}, files))
    made = _only(stores)[1]["runs"][run.id]
    assert made.name == "one/fold-1"
    assert made.tags == {"fastdefect.version": "1", "mlflow.parentRunId": "around"}
    assert made.params == {"training.epochs": "2", "report.target": "()"}
    assert [(each.key, each.value, each.step) for each in made.metrics] == [
        *(("epoch", 1.0, 1), ("f1", 0.5, 1), ("final/valid/per_class/a_b", 0.5, 1)),
    ]
    assert made.artifacts == [str(file) for file in files]
    assert made.status == "FINISHED"


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (RunStatus.EARLY_STOPPING, "FINISHED"),
        (RunStatus.INTERRUPTED, "KILLED"),
        (RunStatus.RUNNING, "KILLED"),
        (RunStatus.DIVERGED, "FAILED"),
    ],
)
def test_the_status_is_that_of_the_run(
    status: RunStatus, shown: str, stores: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    run = MlflowRun(opening_of(tmp_path))
    run.close(Closing(status, 0, {}, ()))
    assert _only(stores)[1]["runs"][run.id].status == shown


def test_a_resumed_run_has_the_epochs_of_the_store(
    stores: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    killed = MlflowRun(opening_of(tmp_path))
    for epoch in (1, 2, 3):
        killed.log_epoch(epoch, {"epoch": float(epoch)})
    # The training was killed before it noted the third.
    resumed = MlflowRun(opening_of(tmp_path, id=killed.id, epochs=2))
    assert (resumed.id, resumed.epochs) == (killed.id, 3)
    runs = _only(stores)[1]["runs"]
    assert list(runs) == [killed.id]
    assert runs[killed.id].status == "RUNNING"


def test_an_experiment_is_used_again(stores: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    ids = {MlflowRun(opening_of(tmp_path)).id for _ in range(2)}
    assert len(ids) == 2
    assert list(_only(stores)[1]["experiments"]) == ["fastdefect"]
