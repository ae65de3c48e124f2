"""The training of a network: stages, callbacks, checkpoints and the best model."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler, SchedCos
from fastai.learner import Learner
from safetensors import safe_open
from torch import nn

from fastdefect.aliases import Floats
from fastdefect.config import TrainingConfig
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.reading.manifest import Manifest
from fastdefect.data.training_data import TrainingData
from fastdefect.events import FitEnded, FitStarted, Note, OnEvent
from fastdefect.metrics import HEADLINE, best_f1, score
from fastdefect.run import Run, RunStatus
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
from fastdefect.training.finite import StopIfNotFinite
from fastdefect.training.forecast import Forecast
from fastdefect.training.precision import precision_of, repeated_batches
from fastdefect.training.predict import Predictor
from fastdefect.training.processes import Processes
from fastdefect.training.shared import Alone, Together
from fastdefect.training.tensor_file import write_tensors


@dataclass(frozen=True)
class FitInputs:
    """The inputs of a fit.

    ``learn`` holds the network and the loaders, ``data`` the photos and their split,
    ``preprocessing`` the steps before the network, and ``training`` the settings.
    """

    learn: Learner
    data: TrainingData
    preprocessing: Preprocessing
    training: TrainingConfig


@dataclass(frozen=True)
class Stage:
    """Consecutive epochs under one schedule."""

    first_epoch: int
    epochs: int
    frozen: bool
    discriminative: bool


@dataclass(frozen=True)
class Fitted:
    """The end of a fit: ``finished``, ``early stopping`` or ``interrupted``."""

    reason: RunStatus
    history: History


def stages(training: TrainingConfig) -> list[Stage]:
    """Return the frozen epochs, if any, then the whole network with discriminative rates."""
    frozen = training.freeze_epochs
    whole = Stage(frozen, training.epochs - frozen, frozen=False, discriminative=frozen > 0)
    return [Stage(0, frozen, True, False), whole] if frozen else [whole]


def annealed_from(training: TrainingConfig) -> int:
    """Return the first epoch (from 1) of the schedule's last quarter; 1 if all epochs count alike.

    In this quarter, one-cycle and cosine schedules are at a quarter of the maximum rate or less.
    """
    if training.keep != "annealed" or training.scheduler == "flat":
        return 1
    whole = training.epochs - training.freeze_epochs
    return training.epochs - math.ceil(whole / 4) + 1


def fit(
    inputs: FitInputs,
    run: Run,
    *,
    on_event: OnEvent,
    stop_requested: Callable[[], bool],
    checkpoint: Checkpoint | None = None,
    processes: Processes | None = None,
) -> Fitted:
    """Train the learner; after each epoch the run holds its history, state and best model.

    From ``checkpoint`` the training continues with the same results as without a stop. If several
    ``processes`` train together, each calls this with the same inputs, and only the first one
    writes to ``run``. Raises ``DivergedError`` if a loss or a gradient is not finite; the step is
    then not taken.
    """
    learn, training = inputs.learn, inputs.training
    history, position = _progress(checkpoint, training)
    decay = training.weight_average
    average = WeightAverage(learn.model, decay) if decay > 0 else None
    network = average.averaged if average else learn.model  # this one is measured and saved
    work = (
        Together(processes, learn, position, stop_requested) if processes else Alone(stop_requested)
    )
    if checkpoint:
        restore_model(checkpoint, learn, average)
        if position.batch == 0 and work.writes:
            _repair_best(run, network, history)
    learn.metrics = fastai_metrics(
        [*HEADLINE, "best_f1"], _scorer(inputs.data.manifest), work.validated
    )

    def save_state() -> None:
        if work.writes:
            run.write("history.csv", history.rows, HISTORY_COLUMNS)
            save_checkpoint(run.path("checkpoint.safetensors"), learn, position, history, average)

    def save_best() -> None:
        if work.writes:
            save_model(run, network, len(history.rows))

    early = StopEarly(history, training.patience)
    request = StopOnRequest(work.stop_requested, save_state)
    report = Report(history, position, training.epochs, on_event)
    forecast = Forecast(training, position, on_event, resumed=checkpoint is not None)
    saving = SaveBest(history, save_state, save_best)
    train_accuracy = _train_accuracy(inputs, network, work)
    on_event(FitStarted(training.epochs, position.epoch, str(run.folder)))
    # A run killed between its last epoch and its report has no epochs left.
    early.stopped = early.out_of_patience
    for stage in stages(training):
        if early.stopped or request.stopped:
            break
        if position.epoch >= stage.first_epoch + stage.epochs:
            continue
        _prepare(learn, stage, position, checkpoint)
        if not run.path("checkpoint.safetensors").exists():
            save_state()  # a fit killed in its first epoch can be resumed too
        draws = RepeatableDraws(training.seed, position, stage.first_epoch)
        row = EpochRow(history, position, stage.first_epoch, train_accuracy, work.agreed)
        finite = StopIfNotFinite(_names(inputs.data), stage.first_epoch)
        callbacks = [draws, finite, row, saving, early, report, forecast, request, *work.callbacks]
        with work.connected():
            _run_stage(
                learn, stage, position, training, [*callbacks, *([average] if average else [])]
            )
    if repeated := repeated_batches(learn):
        on_event(Note(f"Computed in fp32, as fp16 overflows: {repeated} of the batches."))
    reason = _reason(early, request)
    on_event(FitEnded(reason, len(history.rows), history.best_epoch))
    return Fitted(reason, history)


def _names(data: TrainingData) -> tuple[list[str], list[str]]:
    photos, split = data.manifest.photos, data.split
    return [photos[i].name for i in split.train], [photos[i].name for i in split.valid]


def _progress(checkpoint: Checkpoint | None, training: TrainingConfig) -> tuple[History, Position]:
    history = checkpoint.history if checkpoint else History()
    history.keep, history.annealed_from = training.keep, annealed_from(training)
    return history, checkpoint.position if checkpoint else Position()


def _reason(early: StopEarly, request: StopOnRequest) -> RunStatus:
    if request.stopped:
        return RunStatus.INTERRUPTED
    return RunStatus.EARLY_STOPPING if early.stopped else RunStatus.FINISHED


def _prepare(
    learn: Learner, stage: Stage, position: Position, checkpoint: Checkpoint | None
) -> None:
    """Create the stage's optimizer; restore its state if the checkpoint was saved in this stage."""
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
    good = manifest.good_indices

    def all_metrics(y_true: Any, y_prob: Any) -> dict[str, float]:
        metrics = score(y_true, y_prob, manifest.classes, manifest.good)
        found = {name: getattr(metrics, name) for name in HEADLINE}
        return {**found, "best_f1": best_f1(y_true, y_prob, good)}

    return all_metrics


def _train_accuracy(
    inputs: FitInputs, network: nn.Module, work: Alone | Together
) -> Callable[[], float]:
    """Return a function for the accuracy on a fixed sample of the training photos.

    The sample has at most as many photos as validation, so that both accuracies are comparable
    and the measurement is cheap.
    """
    learn, data = inputs.learn, inputs.data
    size = min(len(data.split.train), len(data.split.valid))
    rng = np.random.default_rng(inputs.training.seed)
    sample = tuple(int(i) for i in np.sort(rng.choice(data.split.train, size, replace=False)))
    y_true = data.manifest.labels[list(sample)]
    predictor = Predictor(network, inputs.preprocessing, learn.dls.device)

    view_of = dict(zip(data.rows(sample), data.views(sample), strict=True))

    def predict(rows: Sequence[int]) -> Floats:
        seen_from = [view_of[row] for row in rows]
        return predictor.probabilities(data.store, rows, seen_from=seen_from)

    def measure() -> float:
        with precision_of(learn):  # the precision in which fastai validates
            y_prob = work.predicted(predict, data.rows(sample))
        if not np.isfinite(y_prob).all():  # fp16 overflows
            y_prob = work.predicted(predict, data.rows(sample))
        return float((y_prob.argmax(axis=1) == y_true).mean())

    return measure


def save_model(run: Run, network: nn.Module, epoch: int) -> None:
    """Write the network's weights as the run's best model, with their epoch (from 1)."""
    state = contiguous_state(network)
    write_tensors(run.path("model.safetensors"), state, {"epoch": str(epoch)})


def _repair_best(run: Run, network: nn.Module, history: History) -> None:
    # The checkpoint is written before the best model. If the fit was killed in between, the
    # restored checkpoint holds the weights of the best model.
    if history.best_epoch != len(history.rows) or not history.rows:
        return
    if run.path("model.safetensors").exists():
        with safe_open(run.path("model.safetensors"), framework="pt") as file:
            if (file.metadata() or {}).get("epoch") == str(history.best_epoch):
                return
    save_model(run, network, len(history.rows))
