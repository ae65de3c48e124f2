"""A whole training in miniature: photos, loaders, a tiny network, a learner."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.learner import Learner

from fastdefect.config import TrainingConfig
from fastdefect.data.splitting.split import Split
from fastdefect.data.training_data import TrainingData
from fastdefect.events import OnEvent, silent
from fastdefect.run import Run
from fastdefect.training.checkpoint import Checkpoint
from fastdefect.training.fit import FitInputs, Fitted, fit
from fastdefect.training.head import Head
from fastdefect.training.learner import ModelSpec, build_learner, build_loss
from fastdefect.training.precision import choose_precision
from helpers.nets import tiny_backbone
from helpers.photos import PREPROCESSING, made_loaders, made_manifest, made_store

# Three batches of four an epoch, and a fourth of two: 14 photos to train on.
COUNTS = {"def": 12, "ok": 12}
TRAINING = TrainingConfig(
    epochs=3, batch_size=4, learning_rate=0.02, patience=0, seed=7, device="cpu"
)


def made_data(views: Sequence[str] = (), **store: Any) -> TrainingData:
    """24 photos, of which 14 to train on, 8 to validate and 2 to test; with ``views`` in turn."""
    manifest = made_manifest(COUNTS, "ok", shift=3)
    if views:
        photos = [
            replace(photo, columns=(("view", views[i % len(views)]),))
            for i, photo in enumerate(manifest.photos)
        ]
        manifest = replace(manifest, photos=tuple(photos))
    split = Split(
        tuple(range(14)), tuple(range(14, 22)), (22, 23), tuple(str(i) for i in range(24))
    )
    return TrainingData(manifest, made_store(27, **store), split)


def made_learner(
    data: TrainingData,
    training: TrainingConfig = TRAINING,
    *,
    seed: int = 0,
    cbs: Sequence[Callback] = (),
    **loaders: Any,
) -> Learner:
    """A learner of a tiny network with the first weights of ``seed``."""
    dls = made_loaders(
        data.manifest,
        data.store,
        data.split.train,
        data.split.valid,
        **{
            "augment": "basic",
            "balanced": True,
            "batch_size": training.batch_size,
            "seed": training.seed,
            "preprocessing": made_spec(data).preprocessing,
            **loaders,
        },
    )
    backbone = tiny_backbone(seed)
    torch.manual_seed(seed)  # the head's weights
    loss = build_loss([0.8, 1.2], training.label_smoothing, torch.device("cpu"))
    precision = choose_precision(training.precision, torch.device("cpu"))
    learn = build_learner(
        dls, backbone, loss, spec=made_spec(data), training=training, precision=precision
    )
    learn.add_cbs(cbs)
    return learn


def made_spec(data: TrainingData, head: Head = "mlp", members: int = 1) -> ModelSpec:
    """The model of ``made_learner``, or one with another head or more members."""
    manifest = data.manifest
    views = tuple(sorted({photo.view for photo in manifest.photos if photo.view}))
    steps = replace(PREPROCESSING, view_input=views)
    return ModelSpec("tiny", manifest.classes, manifest.good, steps, head, members)


def fit_made(
    learn: Learner,
    data: TrainingData,
    training: TrainingConfig,
    run: Run,
    *,
    on_event: OnEvent = silent,
    stop: Callable[[], bool] = lambda: False,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Run ``training.fit`` on ``learn``; by default without a listener and without a stop."""
    inputs = FitInputs(learn, data, made_spec(data).preprocessing, training)
    return fit(inputs, run, on_event=on_event, stop_requested=stop, checkpoint=checkpoint)


def with_training(**changes: Any) -> TrainingConfig:
    """``TRAINING`` with some settings changed."""
    return replace(TRAINING, **changes)
