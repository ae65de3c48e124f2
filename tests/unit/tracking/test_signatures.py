"""The libraries in memory take what the real ones take, where these are installed."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from helpers import tracker_libraries as made


def _takes(real: Callable[..., Any], fake: Callable[..., Any]) -> None:
    """Check that ``real`` has the parameters of ``fake``, in the same order if by position."""
    own = [each for each in inspect.signature(fake).parameters.values() if each.name != "self"]
    theirs = inspect.signature(real).parameters
    assert {each.name for each in own} <= set(theirs)
    by_position = [name for name in theirs if name in {each.name for each in own}]
    needed = [each.name for each in own if each.default is inspect.Parameter.empty]
    assert by_position[: len(needed)] == needed


@pytest.mark.filterwarnings("ignore")
def test_mlflow_takes_the_same() -> None:
    mlflow = pytest.importorskip("mlflow")
    _takes(mlflow.MlflowClient, made.MlflowClient)
    for name, method in vars(made.MlflowClient).items():
        if inspect.isfunction(method) and name != "__init__":
            _takes(getattr(mlflow.MlflowClient, name), method)
    for kind in (made.Metric, made.Param):
        _takes(getattr(mlflow.entities, kind.__name__), kind)


@pytest.mark.filterwarnings("ignore")
def test_wandb_takes_the_same() -> None:
    wandb = pytest.importorskip("wandb")
    for name in ("setup", "login", "init"):
        _takes(getattr(wandb, name), getattr(made.Wandb, name))
    for name in ("define_metric", "log", "log_artifact", "finish"):
        _takes(getattr(wandb.Run, name), getattr(made.WandbRunInMemory, name))
    for kind in (made.Artifact, made.Image):
        _takes(getattr(wandb, kind.__name__), kind)
    _takes(wandb.Artifact.add_file, made.Artifact.add_file)
    assert {"console", "silent", "mode"} <= set(wandb.Settings.model_fields)
