"""``--tune head``: the backbone stays as it is, and a linear head is fitted to what it sees.

The same door as ``fit``, and the same files: a history of one epoch, the model, the last state.
Nothing is drawn at random but the folds, which follow from the seed.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from fastai.learner import Learner
from numpy.typing import NDArray
from torch import nn

from fastdefect.aliases import Floats
from fastdefect.config import TrainingConfig
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DataError
from fastdefect.events import EpochDone, FitEnded, FitStarted, Note, OnEvent, Progress
from fastdefect.files import cache_folder
from fastdefect.metrics import HEADLINE, best_f1, score
from fastdefect.run import Run, RunStatus
from fastdefect.training.callbacks import HISTORY_COLUMNS, History, Position
from fastdefect.training.checkpoint import Checkpoint, restore_model, save_checkpoint
from fastdefect.training.feature_cache import FeatureCache
from fastdefect.training.fit import Fitted, save_model
from fastdefect.training.probe import Probe, fit_probe

Features = NDArray[np.float32]


class _Stopped(Exception):  # noqa: N818 - it is no error
    """Ctrl-C while the network was looking."""


def fit_head(
    learn: Learner,
    data: TrainingData,
    preprocessing: Preprocessing,
    training: TrainingConfig,
    run: Run,
    *,
    on_event: OnEvent,
    stop_requested: Callable[[], bool],
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Fill the head of ``learn`` by a probe of the training photos; the run then holds its model.

    A run that was interrupted begins anew, with the features that are kept on disk. Raises
    ``DataError`` if the network gives no numbers.
    """
    history = checkpoint.history if checkpoint else History()
    history.keep = "last"
    learn.create_opt()  # it takes no step: the last state has a place for it
    if checkpoint:
        restore_model(checkpoint, learn)
    else:
        save_checkpoint(run.path("checkpoint.safetensors"), learn, Position(), history)
    on_event(FitStarted(1, len(history.rows), str(run.folder)))
    reason = RunStatus.FINISHED
    if not history.rows:
        try:
            row = _fit(learn, data, preprocessing, training.seed, on_event, stop_requested)
        except _Stopped:
            reason = RunStatus.INTERRUPTED
        else:
            history.rows.append(row)
            run.write("history.csv", history.rows, HISTORY_COLUMNS)
            save_checkpoint(run.path("checkpoint.safetensors"), learn, Position(epoch=1), history)
            on_event(EpochDone(row, best=True))
    if history.rows:
        save_model(run, learn.model, 1)  # after the last state, which can make it again
    on_event(FitEnded(reason, len(history.rows), history.best_epoch))
    return Fitted(reason, history)


def _fit(
    learn: Learner,
    data: TrainingData,
    preprocessing: Preprocessing,
    seed: int,
    on_event: OnEvent,
    stop_requested: Callable[[], bool],
) -> dict[str, Any]:
    """Look, fit and fill; what it came to, a row of the history."""
    began = time.perf_counter()
    side, valid = data.split.train, data.split.valid
    learned, held_back = _look(learn, data, preprocessing, on_event, stop_requested)
    labels = data.manifest.labels[list(side)]
    probe = fit_probe([learned], labels, [data.split.parts[i] for i in side], seed=seed)
    probe.fill(learn.model[1][-1])
    _tell(probe, labels, data, on_event)
    sides = {"train": (learned, labels), "valid": (held_back, data.manifest.labels[list(valid)])}
    return _row(learn.model[1], sides, data, time.perf_counter() - began)


def _look(
    learn: Learner,
    data: TrainingData,
    preprocessing: Preprocessing,
    on_event: OnEvent,
    stop_requested: Callable[[], bool],
) -> tuple[Features, Features]:
    """Features of the training and of the validation photos, as they are."""
    cache = FeatureCache(learn.model[0], preprocessing, learn.dls.device, cache_folder())
    train, valid = data.rows(data.split.train), data.rows(data.split.valid)
    total = len(train) + len(valid)

    def told(done: int) -> None:
        on_event(Progress("looking with the frozen backbone", done, total))
        if stop_requested():
            raise _Stopped

    features = cache.look(data.store, [*train, *valid], on_batch=told)
    try:
        cache.save()
    except OSError as error:
        on_event(Note(f"The features can't be kept in {cache.path}: {error.strerror}."))
    if not np.isfinite(features).all():
        raise DataError(
            "Expected numbers from the frozen backbone, but some are infinite or none.",
            "Check --weights: they may be damaged, or of another --arch.",
        )
    if known := total - cache.computed:
        on_event(Note(f"{known} of {total} photos were looked at before ({cache.path})."))
    return features[: len(train)], features[len(train) :]


def _tell(probe: Probe, labels: NDArray[np.int64], data: TrainingData, on_event: OnEvent) -> None:
    if probe.held_out is None:
        on_event(Note("A class has too few parts to cross-validate the head."))
        return
    of = score(labels, probe.held_out, data.manifest.classes, data.manifest.good)
    on_event(
        Note(
            f"A linear head on frozen features reaches AUC {of.auc:.3f}, accuracy "
            f"{of.accuracy:.1%} over folds of whole parts of train (C = {probe.strength:g})."
        )
    )


def _row(
    head: nn.Module,
    sides: dict[str, tuple[Features, NDArray[np.int64]]],
    data: TrainingData,
    seconds: float,
) -> dict[str, Any]:
    """A row of ``history.csv``: both sides measured alike, by the features that are there."""
    manifest = data.manifest
    good = manifest.classes.index(manifest.good) if manifest.good is not None else None
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


def _probabilities(head: nn.Module, features: Features) -> Floats:
    device = next(head.parameters()).device
    with torch.inference_mode():
        logits = head(torch.from_numpy(features).to(device))
    return logits.cpu().double().softmax(dim=1).numpy()
