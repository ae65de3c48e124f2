"""MLflow and Weights & Biases as far as fastdefect uses them, in memory.

``test_signatures.py`` compares them with the libraries where these are installed.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class Metric:
    """``mlflow.entities.Metric``."""

    def __init__(self, key: str, value: float, timestamp: int, step: int) -> None:
        self.key, self.value, self.timestamp, self.step = key, value, timestamp, step


class Param:
    """``mlflow.entities.Param``."""

    def __init__(self, key: str, value: str) -> None:
        self.key, self.value = key, value


class MlflowClient:
    """``mlflow.MlflowClient``; its stores last as long as the test."""

    stores: dict[str, dict[str, Any]]

    def __init__(self, tracking_uri: str | None = None) -> None:
        empty: dict[str, Any] = {"experiments": {}, "runs": {}}
        self.store = self.stores.setdefault(str(tracking_uri), empty)

    def get_experiment_by_name(self, name: str) -> Any:
        return self.store["experiments"].get(name)

    def create_experiment(self, name: str, artifact_location: str | None = None) -> str:
        made = SimpleNamespace(experiment_id=name, artifact_location=artifact_location)
        self.store["experiments"][name] = made
        return name

    def create_run(
        self, experiment_id: str, tags: dict[str, Any] | None = None, run_name: str | None = None
    ) -> Any:
        run_id = f"run-{len(self.store['runs'])}"
        self.store["runs"][run_id] = SimpleNamespace(
            experiment=experiment_id, name=run_name, tags=tags, status="RUNNING", metrics=[],
            params={}, artifacts=[],
        )  # fmt: skip
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id))

    def get_run(self, run_id: str) -> Any:
        metrics = {each.key: each.value for each in self.store["runs"][run_id].metrics}
        return SimpleNamespace(data=SimpleNamespace(metrics=metrics))

    def update_run(self, run_id: str, status: str | None = None) -> None:
        self.store["runs"][run_id].status = status

    def log_batch(
        self, run_id: str, metrics: Sequence[Metric] = (), params: Sequence[Param] = ()
    ) -> None:
        run = self.store["runs"][run_id]
        run.metrics.extend(metrics)
        run.params.update({each.key: each.value for each in params})

    def log_artifact(self, run_id: str, local_path: str) -> None:
        self.store["runs"][run_id].artifacts.append(local_path)

    def set_terminated(self, run_id: str, status: str | None = None) -> None:
        self.store["runs"][run_id].status = status


@dataclass
class WandbRunInMemory:
    """``wandb.Run``."""

    options: dict[str, Any]
    id: str
    url: str = "https://wandb.example/one"
    summary: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list["Artifact"] = field(default_factory=list)
    exit_code: int | None = None

    def define_metric(self, name: str, step_metric: str | None = None) -> None:
        self.options["step_metric"] = step_metric

    def log(self, data: dict[str, Any]) -> None:
        self.rows.append(data)

    def log_artifact(self, artifact_or_path: "Artifact") -> None:
        self.artifacts.append(artifact_or_path)

    def finish(self, exit_code: int | None = None) -> None:
        self.exit_code = exit_code


class Artifact:
    """``wandb.Artifact``."""

    def __init__(self, name: str, type: str) -> None:
        self.name, self.type, self.files = name, type, list[str]()

    def add_file(self, local_path: str) -> None:
        self.files.append(local_path)


class Image:
    """``wandb.Image``."""

    def __init__(self, data_or_path: str) -> None:
        self.path = data_or_path


class Settings:
    """``wandb.Settings``, with its fields as keywords."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields


@dataclass
class Wandb:
    """The module ``wandb`` of a user with this mode, and with or without a login."""

    mode: str = "online"
    has_login: bool = False
    runs: list[WandbRunInMemory] = field(default_factory=list)
    server: dict[str, Any] = field(default_factory=dict)

    def setup(self) -> Any:
        return SimpleNamespace(settings=SimpleNamespace(mode=self.mode))

    def login(self, verify: bool = True, prompt: bool = True) -> bool:
        assert not prompt, "a key is requested in the middle of a training"
        assert not verify, "the network is used although the user may want to work offline"
        return self.has_login

    def init(
        self,
        project: str | None = None,
        dir: str | None = None,
        id: str | None = None,
        name: str | None = None,
        config: dict[str, Any] | None = None,
        group: str | None = None,
        mode: str | None = None,
        reinit: str | None = None,
        resume: str | None = None,
        settings: Settings | None = None,
    ) -> WandbRunInMemory:
        options = {key: value for key, value in locals().items() if key != "self"}
        made = WandbRunInMemory(options, id or f"run-{len(self.runs)}")
        made.summary.update(self.server)
        self.runs.append(made)
        return made

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let ``import wandb`` give this module."""
        module = ModuleType("wandb")
        for name in ("setup", "login", "init"):
            setattr(module, name, getattr(self, name))
        for kind in (Artifact, Image, Settings):
            setattr(module, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, "wandb", module)


def install_mlflow(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Let ``import mlflow`` give this module; return its stores, by URI."""
    stores: dict[str, dict[str, Any]] = {}
    monkeypatch.setattr(MlflowClient, "stores", stores, raising=False)
    module, entities = ModuleType("mlflow"), ModuleType("mlflow.entities")
    vars(module).update(MlflowClient=MlflowClient, entities=entities)
    vars(entities).update(Metric=Metric, Param=Param)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    return stores
