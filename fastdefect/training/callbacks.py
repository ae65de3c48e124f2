"""fastai callbacks: repeatable draws, the history, the best model and early stopping.

Every random number of the training is a pure function of (seed, epoch, position), so no generator
state has to be saved. A resumed run is therefore bit-identical to one without a stop, for any
number of workers.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback
from torch import nn

from fastdefect.data.augment.pipelines import item_seed
from fastdefect.events import BatchDone, EpochDone, OnEvent

# Separates the draws inside the network (MixUp, dropout) from those of the photos.
_NETWORK_STREAM = 0x6E6574

HISTORY_COLUMNS = (
    "epoch train_loss valid_loss train_accuracy valid_accuracy gap f1 best_f1 precision recall "
    "auc escape_rate overkill_rate learning_rate seconds"
).split()


@dataclass
class Position:
    """The position in the fit: finished epochs, and finished batches of the current epoch.

    ``loss_sum`` is the sum of the training loss over the ``photos`` of the current epoch;
    ``learning_rate`` is the head's rate in the last batch.
    """

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    photos: int = 0
    learning_rate: float = 0.0


@dataclass
class History:
    """The rows of ``history.csv`` so far, which determine the best epoch.

    With ``keep`` "last" the last epoch is the model, else the best by F1. Epochs before
    ``annealed_from`` (from 1) count only until there is a later one: at a high learning rate an
    epoch may classify a small validation set correctly by chance, with an unsuitable threshold.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    keep: str = "best"
    annealed_from: int = 1

    @property
    def best_epoch(self) -> int | None:
        """The epoch (from 1) of the model's weights; None before the first with a finite F1.

        Epochs are compared by F1 at their best threshold, rounded to two digits, then by AUC,
        then by lower validation loss. The order is total: an epoch that is no longer the best,
        and has no saved weights, never becomes the best again.
        """
        if self.keep == "last":
            return len(self.rows) or None
        return self._best_by_f1

    @property
    def epochs_since_best(self) -> int:
        """The number of epochs since the best by F1; all epochs if none has a finite F1.

        0 while the learning rate is high, because later epochs may still be better.
        """
        if len(self.rows) < self.annealed_from:
            return 0
        return len(self.rows) - (self._best_by_f1 or 0)

    @property
    def _best_by_f1(self) -> int | None:
        ranked = [row for row in self.rows if math.isfinite(row["f1"])]
        return int(max(ranked, key=self._rank)["epoch"]) if ranked else None

    def _rank(self, row: dict[str, Any]) -> tuple[bool, float, float, float]:
        # Histories of earlier versions have no best_f1, only the F1 of the most probable class.
        f1, auc = row.get("best_f1", row["f1"]), row["auc"]
        annealed = row["epoch"] >= self.annealed_from
        return annealed, round(f1, 2), auc if math.isfinite(auc) else 0.0, -row["valid_loss"]


class RepeatableDraws(Callback):
    """Seeds every epoch's order and every batch's MixUp and dropout from (seed, epoch, batch).

    It also continues an epoch at the batch where an interrupted fit stopped.
    """

    order = -5  # after fastai has set the mode, before MixUp draws

    def __init__(self, seed: int, position: Position, first_epoch: int) -> None:
        self.seed, self.position, self.first_epoch = seed, position, first_epoch

    def before_train(self) -> None:
        """Set the epoch for the draws of the training photos; skip the batches already done."""
        epoch = self.first_epoch + self.epoch
        done = self.position.batch if epoch == self.position.epoch else 0
        self.dl.start(epoch, done)
        for _ in range(done):  # the same additions as in TrainEvalCallback, to the bit
            self.learn.pct_train += 1.0 / (len(self.dl) * self.n_epoch)

    def before_validate(self) -> None:
        """Set the epoch for the validation photos, which ``learn.tta`` augments."""
        self.dl.start(self.first_epoch + self.epoch, 0)

    def before_batch(self) -> None:
        """Seed the random numbers of the network for this batch."""
        if self.training:
            batch = self.position.batch
            epoch = self.first_epoch + self.epoch
            torch.manual_seed(item_seed(self.seed ^ _NETWORK_STREAM, epoch, batch))


class FrozenStatistics(Callback):
    """Keeps the pretrained running statistics of the backbone's batch-norm layers.

    The statistics of a few small batches are noisy and would change the features. Scale and
    shift of the layers are still trained.
    """

    order = -8  # after fastai has set the mode

    def before_train(self) -> None:
        """Set the layers to evaluation mode."""
        for layer in self.learn.model[0].modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()


class EpochRow(Callback):
    """Sums the training loss and adds a row to the history after each epoch.

    Training accuracy is measured like validation accuracy: with the same weights, in evaluation
    mode and without augmentation. ``train_accuracy`` is called after the validation.
    """

    order = 55  # after fastai's Recorder

    def __init__(
        self,
        history: History,
        position: Position,
        first_epoch: int,
        train_accuracy: Callable[[], float],
        agreed: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    ) -> None:
        """``agreed`` returns the row of the first of several processes, for all of them."""
        self.history, self.position = history, position
        self.first_epoch, self.train_accuracy = first_epoch, train_accuracy
        self.agreed = agreed

    def before_epoch(self) -> None:
        """Start the epoch's clock."""
        self.started = time.perf_counter()

    def after_batch(self) -> None:
        """Add the batch to the epoch's loss."""
        if self.training:
            size = batch_photos(self.learn, len(self.yb[0]))
            self.position.loss_sum += float(self.loss.detach()) * size
            self.position.photos += size
            self.position.batch += 1
            self.position.learning_rate = float(self.opt.hypers[-1]["lr"])

    def after_epoch(self) -> None:
        """Add the epoch's row to the history."""
        record = dict(zip(self.recorder.metric_names[1:], self.recorder.values[-1], strict=False))
        if not record or self.first_epoch + self.epoch != self.position.epoch:
            return  # skipped by SkipToEpoch: the history contains it already
        train_accuracy = self.train_accuracy()
        row = {
            "epoch": self.position.epoch + 1,
            "train_loss": self.position.loss_sum / max(self.position.photos, 1),
            "valid_loss": float(record["valid_loss"]),
            "train_accuracy": train_accuracy,
            "valid_accuracy": float(record["accuracy"]),
            "gap": train_accuracy - float(record["accuracy"]),
            **{
                name: float(record[name])
                for name in ("f1 best_f1 precision recall auc escape_rate overkill_rate".split())
            },
            "learning_rate": self.position.learning_rate,
            "seconds": time.perf_counter() - self.started,
        }
        self.history.rows.append(self.agreed(row))
        self.position.epoch += 1
        self.position.batch, self.position.photos, self.position.loss_sum = 0, 0, 0.0


class SaveBest(SaveModelCallback):
    """Saves the model whenever its epoch is the best so far (see ``History``).

    fastai's own callback prints, pickles and loses its best between two stages; this one uses
    the history. After each epoch the checkpoint is written first and the best model second: if
    the run is killed between the two, the checkpoint restores the best model.
    """

    def __init__(
        self, history: History, save_checkpoint: Callable[[], None], save_best: Callable[[], None]
    ) -> None:
        super().__init__(monitor="f1", comp=np.greater)
        self.history, self.save_checkpoint, self.save_best = history, save_checkpoint, save_best

    def after_epoch(self) -> None:
        """Save the state, and the model if it is the best."""
        if not self.recorder.values[-1]:
            return
        self.save_checkpoint()
        if self.history.best_epoch == len(self.history.rows):
            self.save_best()

    def after_fit(self) -> None:
        """Do nothing: the caller reads the best model after the last stage."""


class StopEarly(EarlyStoppingCallback):
    """Ends the fit when F1 has not improved for ``patience`` epochs; 0 disables it."""

    def __init__(self, history: History, patience: int) -> None:
        super().__init__(monitor="f1", comp=np.greater, patience=patience)
        self.history = history
        self.stopped = False

    @property
    def out_of_patience(self) -> bool:
        """Whether the best epoch was ``patience`` or more epochs ago."""
        return 0 < self.patience <= self.history.epochs_since_best

    def after_epoch(self) -> None:
        """Stop if F1 has not improved for too long."""
        if self.recorder.values[-1] and self.out_of_patience:
            self.stopped = True
            raise CancelFitException()


class Report(Callback):
    """Reports each batch and epoch as an event."""

    order = 62  # after SaveBest: a reported epoch is saved

    def __init__(
        self, history: History, position: Position, epochs: int, on_event: OnEvent
    ) -> None:
        self.history, self.position = history, position
        self.epochs, self.on_event = epochs, on_event
        self.epoch_seconds: list[float] = []

    def before_train(self) -> None:
        """Start counting this epoch's photos per second."""
        self.started, self.photos = time.perf_counter(), 0

    def after_batch(self) -> None:
        """Report the rate and the remaining time, including validation after the first epoch."""
        if not self.training:
            return
        self.photos += batch_photos(self.learn, len(self.yb[0]))
        seconds = time.perf_counter() - self.started
        done_here = max(self.photos / max(self.dl.n, 1), 1e-9)
        epoch_estimate = (
            self.epoch_seconds[-1] if self.epoch_seconds else seconds / min(done_here, 1.0)
        )
        fraction = self.position.batch / self.n_iter
        remaining = epoch_estimate * (self.epochs - self.position.epoch - min(fraction, 1.0))
        self.on_event(
            BatchDone(
                epoch=self.position.epoch + 1,
                batch=self.position.batch,
                batches=self.n_iter,
                images_per_second=self.photos / max(seconds, 1e-9),
                seconds_left=max(remaining, 0.0),
                loss=float(self.loss.detach()),
            )
        )

    def after_epoch(self) -> None:
        """Report the epoch's row."""
        if not self.recorder.values[-1]:
            return
        row = self.history.rows[-1]
        self.epoch_seconds.append(row["seconds"])
        self.on_event(EpochDone(row, best=self.history.best_epoch == row["epoch"]))


class StopOnRequest(Callback):
    """Saves the state and ends the fit after the current batch if ``requested`` returns true."""

    order = 99  # after every other callback

    def __init__(self, requested: Callable[[], bool], save_checkpoint: Callable[[], None]) -> None:
        self.requested, self.save_checkpoint = requested, save_checkpoint
        self.stopped = False

    def after_batch(self) -> None:
        """Stop on request; an interrupted validation is repeated on resume."""
        if self.requested():
            self.save_checkpoint()
            self.stopped = True
            raise CancelFitException()


def batch_photos(learn: Any, own: int) -> int:
    """Return the number of photos in the batch of ``learn``; this process has ``own`` of them."""
    shared = getattr(learn, "shared_steps", None)
    return shared.share.photos if shared else own


def fastai_metrics(
    names: Sequence[str],
    score_of: Callable[[Any, Any], dict[str, float]],
    whole: Callable[[torch.Tensor], torch.Tensor] = lambda rows: rows,
) -> list[Any]:
    """Return fastai metrics that share one scoring of the validation predictions.

    ``score_of(y_true, y_prob)`` returns all of them; it is called once per epoch. ``whole`` maps
    the rows of this process to those of all processes.
    """
    from fastai.learner import Metric

    values: dict[str, float] = {}

    class Shared(Metric):
        """Accumulates logits; the first metric computes the scores, the others read them."""

        def __init__(self, name: str, lead: bool) -> None:
            self._name, self.lead = name, lead

        def reset(self) -> None:
            """Clear the accumulated validation."""
            self.logits: list[torch.Tensor] = []
            self.labels: list[torch.Tensor] = []

        def accumulate(self, learn: Any) -> None:
            """Keep a batch's logits and labels."""
            if self.lead:
                self.logits.append(learn.pred.detach().float().cpu().as_subclass(torch.Tensor))
                self.labels.append(learn.y.detach().cpu().as_subclass(torch.Tensor))

        @property
        def value(self) -> float:
            """The metric over the validation photos since ``reset``."""
            if self.lead:
                y_prob = whole(torch.cat(self.logits)).double().softmax(1).numpy()
                values.update(score_of(whole(torch.cat(self.labels)).numpy(), y_prob))
            return values[self._name]

        @property
        def name(self) -> str:
            """The metric's column in the history."""
            return self._name

    return [Shared(name, lead=index == 0) for index, name in enumerate(names)]
