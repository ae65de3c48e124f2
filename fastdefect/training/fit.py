"""The story of a training, top to bottom."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler, SchedCos
from fastai.learner import Learner
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from fastdefect.config import TrainingConfig
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.reading.manifest import Manifest
from fastdefect.data.training_data import TrainingData
from fastdefect.events import FitEnded, FitStarted, OnEvent
from fastdefect.files import atomic_path
from fastdefect.metrics import HEADLINE, best_f1, score
from fastdefect.run import EARLY, FINISHED, INTERRUPTED, Run
from fastdefect.training.average import WeightAverage
from fastdefect.training.backbones import contiguous_state
from fastdefect.training.callbacks import (
    HISTORY_COLUMNS,
    EpochRow,
    History,
    Position,
    RepeatableDraws,
    Report,
    SaveBest,
    StopEarly,
    StopOnRequest,
    fastai_metrics,
)
from fastdefect.training.checkpoint import (
    Checkpoint,
    restore_model,
    restore_optimizer,
    save_checkpoint,
)
from fastdefect.training.forecast import Forecast
from fastdefect.training.precision import precision_of
from fastdefect.training.predict import Predictor


@dataclass(frozen=True)
class Stage:
    """A stretch of epochs under one schedule."""

    first_epoch: int
    epochs: int
    frozen: bool
    discriminative: bool


@dataclass(frozen=True)
class Fitted:
    """How a fit ended: ``finished``, ``early stopping`` or ``interrupted``."""

    reason: str
    history: History


def stages(training: TrainingConfig) -> list[Stage]:
    """Frozen epochs first, if any; then the whole network, early layers more slowly."""
    frozen = training.freeze_epochs
    whole = Stage(frozen, training.epochs - frozen, frozen=False, discriminative=frozen > 0)
    return [Stage(0, frozen, True, False), whole] if frozen else [whole]


def annealed_from(training: TrainingConfig) -> int:
    """The first epoch (from 1) of the schedule's last quarter; 1 where all epochs count alike.

    One-cycle and cosine schedules have come down to a quarter of the rate there, or less.
    """
    if training.keep != "annealed" or training.scheduler == "flat":
        return 1
    whole = training.epochs - training.freeze_epochs
    return training.epochs - math.ceil(whole / 4) + 1


def fit(
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
    """Train ``learn``; after each epoch the run holds its history, state and best model.

    From ``checkpoint`` it goes on as if it had never stopped. Raises ``DataError`` if the
    predictions stop being numbers.
    """
    history = checkpoint.history if checkpoint else History()
    history.keep, history.annealed_from = training.keep, annealed_from(training)
    position = checkpoint.position if checkpoint else Position()
    decay = training.weight_average
    average = WeightAverage(learn.model, decay) if decay > 0 else None
    kept = average.averaged if average else learn.model  # what is measured and saved
    if checkpoint:
        restore_model(checkpoint, learn, average)
        if position.batch == 0:
            _mend_best(run, kept, history)
    learn.metrics = fastai_metrics([*HEADLINE, "best_f1"], _scorer(data.manifest))

    def keep_state() -> None:
        run.write_history(history.rows, HISTORY_COLUMNS)
        save_checkpoint(run.checkpoint_path, learn, position, history, average)

    early = StopEarly(history, training.patience)
    request = StopOnRequest(stop_requested, keep_state)
    report = Report(history, position, training.epochs, on_event)
    forecast = Forecast(training, position, on_event, resumed=checkpoint is not None)
    saving = SaveBest(history, keep_state, lambda: save_model(run, kept, len(history.rows)))
    train_accuracy = _train_accuracy(learn, kept, data, preprocessing, training.seed)
    on_event(FitStarted(training.epochs, position.epoch, str(run.folder)))
    # A run killed after its last epoch, before its report, has nothing left to train.
    early.stopped = early.out_of_patience
    for stage in stages(training):
        if early.stopped or request.stopped:
            break
        if position.epoch >= stage.first_epoch + stage.epochs:
            continue
        _prepare(learn, stage, position, checkpoint)
        if not run.checkpoint_path.exists():
            keep_state()  # a fit killed in its first epoch can be resumed too
        draws = RepeatableDraws(training.seed, position, stage.first_epoch)
        row = EpochRow(history, position, stage.first_epoch, train_accuracy)
        callbacks = [draws, row, saving, early, report, forecast, request]
        _run_stage(learn, stage, position, training, [*callbacks, *([average] if average else [])])
    reason = FINISHED
    if request.stopped:
        reason = INTERRUPTED
    elif early.stopped:
        reason = EARLY
    on_event(FitEnded(reason, len(history.rows), history.best_epoch))
    return Fitted(reason, history)


def _prepare(
    learn: Learner, stage: Stage, position: Position, checkpoint: Checkpoint | None
) -> None:
    """A fresh optimizer for each stage, or the checkpoint's if it was taken inside this one."""
    learn.create_opt()
    if stage.frozen:
        learn.freeze()
    else:
        learn.unfreeze()
    inside = position.epoch > stage.first_epoch or position.batch > 0
    if checkpoint and inside:
        restore_optimizer(checkpoint, learn)


def _run_stage(
    learn: Learner,
    stage: Stage,
    position: Position,
    training: TrainingConfig,
    callbacks: list[Callback],
) -> None:
    rate: Any = training.learning_rate
    if stage.discriminative:
        # A factor of 100 from the first layers to the head, as in fastai's fine_tune.
        rate = slice(rate / 100, rate)
    begin = position.epoch - stage.first_epoch
    if training.scheduler == "onecycle":
        learn.fit_one_cycle(stage.epochs, lr_max=rate, cbs=callbacks, start_epoch=begin)
        return
    if training.scheduler == "cosine":
        learn.opt.set_hyper("lr", rate)
        rates = np.array([hyper["lr"] for hyper in learn.opt.hypers])
        callbacks = [ParamScheduler({"lr": SchedCos(rates, rates * 1e-5)}), *callbacks]
    learn.fit(stage.epochs, lr=rate, cbs=callbacks, start_epoch=begin)


def _scorer(manifest: Manifest) -> Callable[[Any, Any], dict[str, float]]:
    good = manifest.classes.index(manifest.good) if manifest.good is not None else None

    def all_metrics(y_true: Any, y_prob: Any) -> dict[str, float]:
        metrics = score(y_true, y_prob, manifest.classes, manifest.good)
        found = {name: getattr(metrics, name) for name in HEADLINE}
        return {**found, "best_f1": best_f1(y_true, y_prob, good)}

    return all_metrics


def _train_accuracy(
    learn: Learner,
    network: nn.Module,
    data: TrainingData,
    preprocessing: Preprocessing,
    seed: int,
) -> Callable[[], float]:
    """Accuracy on a fixed sample of training photos, as many as validate: alike and cheap."""
    size = min(len(data.split.train), len(data.split.valid))
    rng = np.random.default_rng(seed)
    sample = tuple(int(i) for i in np.sort(rng.choice(data.split.train, size, replace=False)))
    y_true = data.manifest.labels[list(sample)]
    predictor = Predictor(network, preprocessing, learn.dls.device)

    def measure() -> float:
        with precision_of(learn):  # as fastai measures on validation photos
            y_prob = predictor.probabilities(data.store, data.rows(sample))
        return float((y_prob.argmax(axis=1) == y_true).mean())

    return measure


def save_model(run: Run, network: nn.Module, epoch: int) -> None:
    """Write the network's weights as the run's best, with the epoch (from 1) they are of."""
    with atomic_path(run.model_path) as temporary:
        save_file(contiguous_state(network), temporary, metadata={"epoch": str(epoch)})


def _mend_best(run: Run, network: nn.Module, history: History) -> None:
    # The checkpoint is written before the best model. If the fit was killed in between, the
    # checkpoint just restored holds the weights that the best model should have.
    if history.best_epoch != len(history.rows) or not history.rows:
        return
    if run.model_path.exists():
        with safe_open(run.model_path, framework="pt") as file:
            if (file.metadata() or {}).get("epoch") == str(history.best_epoch):
                return
    save_model(run, network, len(history.rows))
