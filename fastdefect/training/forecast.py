"""A forecast of the training time on this machine, from the first steps."""

import time
from statistics import median
from typing import Any

import torch
from fastai.callback.core import Callback
from torch import nn

from fastdefect.config import TrainingConfig
from fastdefect.events import Note, OnEvent
from fastdefect.text import counted
from fastdefect.training.callbacks import Position, batch_photos
from fastdefect.training.efficientnet_lite import (
    EFFICIENTNET_LITE0,
    EfficientNetLite0,
    build_efficientnet_lite0,
)
from fastdefect.training.head import build_head

STEPS = 6  # timed; the first one is warm-up and does not count
# Prediction time of a photo divided by its training time: measured 0.22 to 0.29, by network.
PREDICTION_SHARE = 0.25
SHORTEST_S = 60.0
LONG_S = 30 * 60.0
# A smaller network is recommended if it saves at least this share of the time.
_SAVES = 0.3


class Forecast(Callback):
    """Reports once the time of the remaining epochs, and that of a smaller network.

    The results of the training do not depend on it. It reports nothing for a resumed training
    (``resumed``) or one of less than a minute. It waits while the backbone is frozen, because
    these steps are cheaper than the later ones.
    """

    order = 63  # after Report: the time of the other callbacks counts

    def __init__(
        self, training: TrainingConfig, position: Position, on_event: OnEvent, *, resumed: bool
    ) -> None:
        self.training_config, self.position, self.on_event = training, position, on_event
        self.done = resumed
        self.steps: list[tuple[float, float]] = []

    def before_train(self) -> None:
        """Start the timer of the first step."""
        self.ended = time.perf_counter()

    def before_batch(self) -> None:
        """Note when the photos are loaded and the network starts."""
        self.started = time.perf_counter()

    def after_batch(self) -> None:
        """Record the time of the step; report once there are enough steps."""
        if self.done or not self.training:
            return
        now, photos = time.perf_counter(), batch_photos(self.learn, len(self.xb[0]))
        loading, computing = self.started - self.ended, now - self.started
        self.ended = now
        if self.position.epoch < self.training_config.freeze_epochs:
            return
        self.steps.append((loading / photos, computing / photos))
        if len(self.steps) >= min(STEPS, self.n_iter):
            self.done = True
            self._report()

    def _report(self) -> None:
        counting = self.steps[1:] or self.steps
        loading, computing = (median(step[i] for step in counting) for i in (0, 1))
        seconds = self._seconds_left(loading, computing)
        if seconds < SHORTEST_S:
            return
        epochs = counted(self.training_config.epochs - self.position.epoch, "epoch")
        text = f"About {duration(seconds)} for {epochs} on this machine."
        if (
            seconds > LONG_S
            and (smaller := self._with_smaller_network(loading)) < (1 - _SAVES) * seconds
        ):
            text += (
                f" --arch {EFFICIENTNET_LITE0} would take about {duration(smaller)} "
                "(its steps were timed on random pixels)."
            )
        self.on_event(Note(text))

    def _seconds_left(self, loading: float, computing: float) -> float:
        """Return the seconds of the remaining epochs from the loading and training time per photo.

        Each epoch ends with predictions of all photos of valid and of at most as many of train.
        """
        train, valid = self.dls.train.n, self.dls.valid.n
        predictions = PREDICTION_SHARE * (valid + min(train, valid))
        epochs = self.training_config.epochs - self.position.epoch
        return epochs * (train * (loading + computing) + predictions * computing)

    def _with_smaller_network(self, loading: float) -> float:
        """Return the seconds with the smaller network.

        Infinite if the training already uses it or the memory is too small.
        """
        if isinstance(self.learn.model[0], EfficientNetLite0):
            return float("inf")
        computing = seconds_per_photo(
            self.xb[0].shape,
            self.dls.device,
            mixed=hasattr(self.learn, "autocast_on_device"),
            trains_statistics=self.training_config.batch_norm == "train",
        )
        # Of several processes each computes a part of the batch.
        own = len(self.xb[0])
        share = own / batch_photos(self.learn, own)
        return self._seconds_left(loading, computing * share)


def seconds_per_photo(
    shape: torch.Size, device: torch.device, *, mixed: bool, trains_statistics: bool
) -> float:
    """Return the training time of EfficientNet-Lite0 per photo, with batches of ``shape``.

    It is the faster of two steps on random pixels, after one warm-up step. Infinite if the memory
    is too small. The state of torch's generator does not change.
    """
    try:
        with torch.random.fork_rng(devices=[]):  # weights and pixels are drawn on the CPU
            network: Any = nn.Sequential(
                build_efficientnet_lite0(), build_head(1280, 2, spatial=True, kind="linear")
            )
            pixels = torch.rand(shape)
        layout: Any = torch.contiguous_format if device.type == "mps" else torch.channels_last
        network.train(trains_statistics).to(device=device, memory_format=layout)
        pixels = pixels.to(device)
        optimizer = torch.optim.AdamW(network.parameters())
        return min([_step(network, pixels, optimizer, mixed) for _ in range(3)][1:]) / shape[0]
    except torch.OutOfMemoryError:
        return float("inf")


def _step(
    network: nn.Module, pixels: torch.Tensor, optimizer: torch.optim.Optimizer, mixed: bool
) -> float:
    started = time.perf_counter()
    with torch.autocast(pixels.device.type, enabled=mixed):
        loss = network(pixels).float().logsumexp(1).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    float(loss.detach())  # waits for an asynchronous device
    return time.perf_counter() - started


def duration(seconds: float) -> str:
    """Format a duration: ``1 minute``, ``12 minutes``, ``2 h 30 min``."""
    minutes = max(round(seconds / 60), 1)
    if minutes < 90:
        return counted(minutes, "minute")
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
