"""A training in one epoch: a model that is computed, not trained in steps."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastdefect.aliases import Floats
from fastdefect.data.training_data import TrainingData
from fastdefect.events import EpochDone, FitEnded, FitStarted, OnEvent
from fastdefect.metrics import HEADLINE, best_f1, score
from fastdefect.metrics.weighted import Labels
from fastdefect.run import Run, RunStatus
from fastdefect.training.callbacks import HISTORY_COLUMNS, History, Position
from fastdefect.training.checkpoint import Checkpoint, restore_model, save_checkpoint
from fastdefect.training.fit import FitInputs, Fitted, save_model

StopRequested = Callable[[], bool]
# Computes the model in place and returns the row of ``history.csv``.
Solve = Callable[[FitInputs, OnEvent, StopRequested], dict[str, Any]]


class Stopped(Exception):  # noqa: N818 - it is no error
    """A request to stop while the model is computed."""


def in_one_epoch(
    solve: Solve,
    inputs: FitInputs,
    run: Run,
    *,
    on_event: OnEvent,
    stop_requested: StopRequested,
    checkpoint: Checkpoint | None,
) -> Fitted:
    """Let ``solve`` compute the model; the run holds the files of a training of one epoch.

    An interrupted run starts again. ``solve`` raises ``Stopped`` if ``stop_requested``.
    """
    learn = inputs.learn
    history = checkpoint.history if checkpoint else History()
    history.keep = "last"
    learn.create_opt()  # it takes no step, but the checkpoint format includes its state
    if checkpoint:
        restore_model(checkpoint, learn)
    else:
        save_checkpoint(run.path("checkpoint.safetensors"), learn, Position(), history)
    on_event(FitStarted(1, len(history.rows), str(run.folder)))
    reason = RunStatus.FINISHED
    if not history.rows:
        try:
            row = solve(inputs, on_event, stop_requested)
        except Stopped:
            reason = RunStatus.INTERRUPTED
        else:
            history.rows.append(row)
            run.write("history.csv", history.rows, HISTORY_COLUMNS)
            save_checkpoint(run.path("checkpoint.safetensors"), learn, Position(epoch=1), history)
            on_event(EpochDone(row, best=True))
    if history.rows:
        save_model(run, learn.model, 1)  # after the checkpoint, from which it can be restored
    on_event(FitEnded(reason, len(history.rows), history.best_epoch))
    return Fitted(reason, history)


def history_row(
    y_true: Mapping[str, Labels], y_prob: Mapping[str, Floats], data: TrainingData, seconds: float
) -> dict[str, Any]:
    """Return a row of ``history.csv`` from labels (n,) and probabilities of train and valid."""
    manifest = data.manifest
    found = {s: score(y_true[s], y_prob[s], manifest.classes, manifest.good) for s in y_true}
    loss = {
        s: float(-np.log(np.maximum(y_prob[s][np.arange(len(y_true[s])), y_true[s]], 1e-12)).mean())
        for s in y_true
    }
    valid = {name: float(getattr(found["valid"], name)) for name in HEADLINE if name != "accuracy"}
    return {
        "epoch": 1,
        **{f"{side}_loss": loss[side] for side in y_true},
        **{f"{side}_accuracy": float(found[side].accuracy) for side in y_true},
        "gap": float(found["train"].accuracy - found["valid"].accuracy),
        **valid,
        "best_f1": float(best_f1(y_true["valid"], y_prob["valid"], manifest.good_indices)),
        "learning_rate": 0.0,
        "seconds": seconds,
    }
