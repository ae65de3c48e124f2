"""How long a training will take on this machine, told from its first steps."""

import time
from statistics import median
from typing import Any

import torch
from fastai.callback.core import Callback
from torch import nn

from fastdefect.config import TrainingConfig
from fastdefect.events import Note, OnEvent
from fastdefect.text import counted
from fastdefect.training.callbacks import Position
from fastdefect.training.efficientnet_lite import (
    EFFICIENTNET_LITE0,
    EfficientNetLite0,
    build_efficientnet_lite0,
)
from fastdefect.training.head import build_head

STEPS = 6  # timed; the first one warms up and does not count
# Seconds of predicting a photo to those of training on it: measured 0.22 to 0.29, by network.
LOOK = 0.25
WORTH_TELLING_S = 60.0
LONG_S = 30 * 60.0
# A network that saves less than this share of the time is no way out.
_SAVES = 0.3


class Forecast(Callback):
    """Tells once how long the epochs left will take, and what a smaller network would.

    Nothing that the training draws or computes depends on it. Silent on a training that goes on
    (``resumed``), on one of less than a minute, and while the backbone is frozen: such steps are
    cheaper than those to come.
    """

    order = 63  # after Report: what the others do after a batch counts

    def __init__(
        self, training: TrainingConfig, position: Position, on_event: OnEvent, *, resumed: bool
    ) -> None:
        self.training_config, self.position, self.on_event = training, position, on_event
        self.done = resumed
        self.steps: list[tuple[float, float]] = []

    def before_train(self) -> None:
        """Start the clock of the first step."""
        self.ended = time.perf_counter()

    def before_batch(self) -> None:
        """The photos are there: the network's work begins."""
        self.begun = time.perf_counter()

    def after_batch(self) -> None:
        """Note what the step took; tell once there are enough of them."""
        if self.done or not self.training:
            return
        now, photos = time.perf_counter(), len(self.xb[0])
        waited, worked = self.begun - self.ended, now - self.begun
        self.ended = now
        if self.position.epoch < self.training_config.freeze_epochs:
            return
        self.steps.append((waited / photos, worked / photos))
        if len(self.steps) >= min(STEPS, self.n_iter):
            self.done = True
            self._tell()

    def _tell(self) -> None:
        counting = self.steps[1:] or self.steps
        waited, worked = (median(step[i] for step in counting) for i in (0, 1))
        seconds = self._whole(waited, worked)
        if seconds < WORTH_TELLING_S:
            return
        epochs = counted(self.training_config.epochs - self.position.epoch, "epoch")
        told = f"About {spoken(seconds)} for {epochs} on this machine."
        if seconds > LONG_S and (quicker := self._quicker(waited)) < (1 - _SAVES) * seconds:
            told += (
                f" --arch {EFFICIENTNET_LITE0} would take about {spoken(quicker)} "
                "(its steps were timed on random pixels)."
            )
        self.on_event(Note(told))

    def _whole(self, waited: float, worked: float) -> float:
        """Seconds of all epochs left, by those of a photo: waiting for it, and training on it.

        After each epoch all of valid, and as many photos of train at most, are looked at.
        """
        train, valid = self.dls.train.n, self.dls.valid.n
        looks = LOOK * (valid + min(train, valid))
        epochs = self.training_config.epochs - self.position.epoch
        return epochs * (train * (waited + worked) + looks * worked)

    def _quicker(self, waited: float) -> float:
        """The same with the smaller network; infinite where it is trained already, or won't fit."""
        if isinstance(self.learn.model[0], EfficientNetLite0):
            return float("inf")
        worked = seconds_a_photo(
            self.xb[0].shape,
            self.dls.device,
            mixed=hasattr(self.learn, "autocast_on_device"),
            trains_statistics=self.training_config.batch_norm == "train",
        )
        return self._whole(waited, worked)


def seconds_a_photo(
    shape: torch.Size, device: torch.device, *, mixed: bool, trains_statistics: bool
) -> float:
    """What EfficientNet-Lite0 needs to train on one photo of batches (n, 3, h, w) of ``shape``.

    By the quicker of two steps after a first one, on random pixels. Infinite where the memory
    doesn't hold it. Torch's generator is left as it was.
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
    begun = time.perf_counter()
    with torch.autocast(pixels.device.type, enabled=mixed):
        loss = network(pixels).float().logsumexp(1).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    float(loss.detach())  # waits for a device that works on its own
    return time.perf_counter() - begun


def spoken(seconds: float) -> str:
    """``1 minute``, ``12 minutes``, ``2 h 30 min``."""
    minutes = max(round(seconds / 60), 1)
    if minutes < 90:
        return counted(minutes, "minute")
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
