"""``--tune head``: fit a linear head to the features of a frozen backbone.

``fit_head`` has the signature of ``fit`` and writes the same files: a history of one epoch, the
model and a checkpoint. Only the folds are drawn at random; they follow from the seed.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fastdefect.aliases import Floats, Floats32
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DataError
from fastdefect.events import EpochDone, FitEnded, FitStarted, Note, OnEvent, Progress
from fastdefect.files import cache_folder
from fastdefect.metrics import HEADLINE, best_f1, score
from fastdefect.run import Run, RunStatus
from fastdefect.training.callbacks import HISTORY_COLUMNS, History, Position
from fastdefect.training.checkpoint import Checkpoint, restore_model, save_checkpoint
from fastdefect.training.feature_cache import FeatureCache
from fastdefect.training.features import FrozenBackbone
from fastdefect.training.fit import FitInputs, Fitted, save_model
from fastdefect.training.probe import Probe, fit_probe


class _Stopped(Exception):  # noqa: N818 - it is no error
    """A request to stop while the features are computed."""


def fit_head(
    inputs: FitInputs,
    run: Run,
    *,
    on_event: OnEvent,
    stop_requested: Callable[[], bool],
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Fit a linear probe to the training photos and copy it to the head; the run holds the model.

    An interrupted run starts again and uses the features cached on disk. Raises ``DataError`` if
    a feature is not finite.
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
            row = _fit(inputs, on_event, stop_requested)
        except _Stopped:
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


def _fit(
    inputs: FitInputs, on_event: OnEvent, stop_requested: Callable[[], bool]
) -> dict[str, Any]:
    """Compute the features, fit the probe, fill the head; return the row of the history."""
    started = time.perf_counter()
    learn, data = inputs.learn, inputs.data
    side, valid = data.split.train, data.split.valid
    train_features, valid_features = _features(inputs, on_event, stop_requested)
    labels = data.manifest.labels[list(side)]
    parts = [data.split.parts[i] for i in side]
    probe = fit_probe([train_features], labels, parts, seed=inputs.training.seed)
    probe.fill(learn.model[1][-1])
    _report(probe, labels, data, on_event)
    sides = {
        "train": (train_features, labels),
        "valid": (valid_features, data.manifest.labels[list(valid)]),
    }
    return _row(learn.model[1], sides, data, time.perf_counter() - started)


def _features(
    inputs: FitInputs, on_event: OnEvent, stop_requested: Callable[[], bool]
) -> tuple[Floats32, Floats32]:
    """Return the features of the training and of the validation photos, without augmentation."""
    learn, data = inputs.learn, inputs.data
    backbone = FrozenBackbone(learn.model[0], inputs.preprocessing, learn.dls.device)
    cache = FeatureCache(backbone, cache_folder())
    train, valid = data.rows(data.split.train), data.rows(data.split.valid)
    total = len(train) + len(valid)

    def on_batch(done: int) -> None:
        on_event(Progress("computing features with the frozen backbone", done, total))
        if stop_requested():
            raise _Stopped

    features = cache.features(data.store, [*train, *valid], on_batch=on_batch)
    try:
        cache.save()
    except OSError as error:
        on_event(
            Note(
                f"Expected to cache the features in {cache.path}, but it can't be written: "
                f"{error.strerror}. The training continues; the next one computes them again."
            )
        )
    if not np.isfinite(features).all():
        raise DataError(
            "Expected finite features from the frozen backbone, but some are infinite or NaN.",
            "Check --weights: the file may be damaged or belong to another --arch.",
        )
    if known := total - cache.computed:
        on_event(Note(f"The features of {known} of {total} photos come from {cache.path}."))
    return features[: len(train)], features[len(train) :]


def _report(probe: Probe, labels: NDArray[np.int64], data: TrainingData, on_event: OnEvent) -> None:
    if probe.held_out is None:
        on_event(Note("A class has too few parts to cross-validate the head."))
        return
    metrics = score(labels, probe.held_out, data.manifest.classes, data.manifest.good)
    on_event(
        Note(
            f"A linear head on frozen features reaches AUC {metrics.auc:.3f}, accuracy "
            f"{metrics.accuracy:.1%} over folds of whole parts of train (C = {probe.strength:g})."
        )
    )


def _row(
    head: nn.Module,
    sides: dict[str, tuple[Floats32, NDArray[np.int64]]],
    data: TrainingData,
    seconds: float,
) -> dict[str, Any]:
    """Return a row of ``history.csv``, both sides measured by their features."""
    manifest = data.manifest
    good = manifest.good_indices
    y_prob = {side: _probabilities(head, features) for side, (features, _) in sides.items()}
    y_true = {side: labels for side, (_, labels) in sides.items()}
    found = {s: score(y_true[s], y_prob[s], manifest.classes, manifest.good) for s in sides}
    loss = {
        s: float(-np.log(np.maximum(y_prob[s][np.arange(len(y_true[s])), y_true[s]], 1e-12)).mean())
        for s in sides
    }
    valid = {name: float(getattr(found["valid"], name)) for name in HEADLINE if name != "accuracy"}
    return {
        "epoch": 1,
        **{f"{side}_loss": loss[side] for side in sides},
        **{f"{side}_accuracy": float(found[side].accuracy) for side in sides},
        "gap": float(found["train"].accuracy - found["valid"].accuracy),
        **valid,
        "best_f1": float(best_f1(y_true["valid"], y_prob["valid"], good)),
        "learning_rate": 0.0,
        "seconds": seconds,
    }


def _probabilities(head: nn.Module, features: Floats32) -> Floats:
    device = next(head.parameters()).device
    with torch.inference_mode():
        logits = head(torch.from_numpy(features).to(device))
    return logits.cpu().double().softmax(dim=1).numpy()
