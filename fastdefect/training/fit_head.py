"""``--tune head``: fit a linear head to the features of a frozen backbone.

``fit_head`` has the signature of ``fit`` and writes the same files: a history of one epoch, the
model and a checkpoint. Only the folds are drawn at random; they follow from the seed.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fastdefect.aliases import Floats, Floats32
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DataError
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.files import cache_folder
from fastdefect.good import Good
from fastdefect.metrics import score
from fastdefect.run import Run
from fastdefect.training.bag_probe import Tiles
from fastdefect.training.checkpoint import Checkpoint
from fastdefect.training.feature_cache import FeatureCache
from fastdefect.training.features import FrozenBackbone
from fastdefect.training.fit import FitInputs, Fitted
from fastdefect.training.head_probe import fill_head, folds_text
from fastdefect.training.once import Stopped, history_row, in_one_epoch
from fastdefect.training.probe import Probe


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
    return in_one_epoch(
        _fit, inputs, run, on_event=on_event, stop_requested=stop_requested, checkpoint=checkpoint
    )


def _fit(
    inputs: FitInputs, on_event: OnEvent, stop_requested: Callable[[], bool]
) -> dict[str, Any]:
    """Compute the features, fit the probe, fill the head; return the row of the history."""
    started = time.perf_counter()
    learn, data = inputs.learn, inputs.data
    side, valid = data.split.train, data.split.valid
    train_tiles = Tiles.of(data.store, data.rows(side), data.kept_tiles(side))
    valid_tiles = Tiles.of(data.store, data.rows(valid))
    train_features, valid_features = _features(
        inputs, train_tiles, valid_tiles, on_event, stop_requested
    )
    labels = data.manifest.labels[list(side)]
    head, seed = learn.model[1], inputs.training.seed
    probe = fill_head(head, [train_features], train_tiles, data, inputs.preprocessing, seed=seed)
    _report(probe, labels, data, inputs.preprocessing, on_event)

    def probabilities(features: Floats32, tiles: Tiles, side: tuple[int, ...]) -> Floats:
        seen = inputs.preprocessing.seen(data.views(side), learn.dls.device)
        return _probabilities(head, features, seen, tiles, data.manifest.good_indices)

    y_true = {"train": labels, "valid": data.manifest.labels[list(valid)]}
    y_prob = {
        "train": probabilities(train_features, train_tiles, side),
        "valid": probabilities(valid_features, valid_tiles, valid),
    }
    return history_row(y_true, y_prob, data, time.perf_counter() - started)


def _features(
    inputs: FitInputs,
    train: Tiles,
    valid: Tiles,
    on_event: OnEvent,
    stop_requested: Callable[[], bool],
) -> tuple[Floats32, Floats32]:
    """Return the features of the tiles, or photos, of both sides, without augmentation."""
    learn, data = inputs.learn, inputs.data
    backbone = FrozenBackbone(learn.model[0], inputs.preprocessing.of_tiles(), learn.dls.device)
    cache = FeatureCache(backbone, cache_folder())
    total = len(train.rows) + len(valid.rows)

    def on_batch(done: int) -> None:
        on_event(Progress("computing features with the frozen backbone", done, total))
        if stop_requested():
            raise Stopped

    rows = [*train.rows.tolist(), *valid.rows.tolist()]
    features = cache.features(data.store.cells, rows, on_batch=on_batch)
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
    what = "tiles" if inputs.preprocessing.tiles > 1 else "photos"
    if known := total - cache.computed:
        on_event(Note(f"The features of {known} of {total} {what} come from {cache.path}."))
    return features[: len(train.rows)], features[len(train.rows) :]


def _report(
    probe: Probe,
    labels: NDArray[np.int64],
    data: TrainingData,
    steps: Preprocessing,
    on_event: OnEvent,
) -> None:
    if probe.held_out is None:
        on_event(Note("A class has too few parts to cross-validate the head."))
        return
    metrics = score(labels, probe.held_out, data.manifest.classes, data.manifest.good)
    on_event(
        Note(
            f"A linear head on frozen features reaches AUC {metrics.auc:.3f}, accuracy "
            f"{metrics.accuracy:.1%} {folds_text(steps)} (C = {probe.strength:g})."
        )
    )


def _probabilities(
    head: nn.Module,
    features: Floats32,
    seen: Sequence[torch.Tensor],
    tiles: Tiles,
    good: Good,
) -> Floats:
    device = next(head.parameters()).device
    training = head.training
    head.eval()  # in training mode, some photos count as without a view
    with torch.inference_mode():
        logits = head(torch.from_numpy(features).to(device), *seen).cpu().double()
    head.train(training)
    if tiles.most > 1:
        logits = torch.from_numpy(tiles.pooled(logits.numpy(), good))
    return np.asarray(logits.softmax(dim=1).numpy())
