"""Fits of a tiny network, whole, stopped and resumed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastai.learner import Learner

from fastdefect.config import TrainingConfig
from fastdefect.config_resolve import resolve
from fastdefect.data.training_data import TrainingData
from fastdefect.events import Event, silent
from fastdefect.run import Run
from fastdefect.run_registry import create_run
from fastdefect.training.checkpoint import load_checkpoint
from fastdefect.training.fit import Fitted
from helpers.learners import TRAINING, fit_made, made_learner


def never() -> bool:
    return False


def new_fit(folder: Path, name: str = "run") -> Run:
    return create_run(folder, name, resolve({}), "test")


def fit_once(
    data: TrainingData,
    run: Run,
    training: TrainingConfig = TRAINING,
    *,
    on_event: Callable[[Event], None] = silent,
    stop: Callable[[], bool] = never,
    seed: int = 0,
    **loaders: Any,
) -> tuple[Fitted, Learner]:
    """Start a run, or resume it from its checkpoint."""
    path = run.path("checkpoint.safetensors")
    learn = made_learner(data, training, seed=seed, **loaders)
    checkpoint = load_checkpoint(path) if path.exists() else None
    fitted = fit_made(
        learn, data, training, run, on_event=on_event, stop=stop, checkpoint=checkpoint
    )
    return fitted, learn
