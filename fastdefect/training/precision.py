"""The precision of a training, with a trial of bf16 on a CPU.

On a processor with bf16 units (for example Intel AMX) autocast to bf16 halves the training time of
some networks and increases that of others. No table of processors and networks predicts this, so a
trial of some seconds measures it.
"""

import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from fastai.callback.core import CancelStepException
from fastai.callback.fp16 import MixedPrecision
from fastai.learner import Learner
from torch import nn
from torch.amp.autocast_mode import autocast
from torch.amp.grad_scaler import GradScaler

from fastdefect.config import TrainingConfig
from fastdefect.errors import DivergedError, UsageError
from fastdefect.training.backbones import Backbone

# bf16 keeps 8 of 24 significant bits: it must save more time than a busy machine varies.
WORTH = 0.75
_PHOTOS, _ROUNDS = 8, 3
# A trial takes about as long as this number of steps, so shorter trainings gain nothing.
FEWEST_STEPS = 40
# The scaler halves its factor, 65,536 at first, with each of them.
_MOST_SKIPPED = 40
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Trial:
    """The seconds of a training step on a few photos, by precision."""

    fp32: float
    bf16: float

    @property
    def chosen(self) -> str:
        """``bf16`` if its step takes less than ``WORTH`` times the fp32 step, else ``fp32``."""
        return "bf16" if self.bf16 < WORTH * self.fp32 else "fp32"


def choose_precision(name: str, device: torch.device) -> str:
    """Return the precision: "auto" is bf16 or fp16 on CUDA, and fp32 on other devices.

    On a CPU a trial may replace this fp32. Raises ``UsageError`` for a precision that the device
    does not support.
    """
    if name == "auto":
        if device.type != "cuda":
            return "fp32"
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    allowed = {"cuda": ("fp32", "fp16", "bf16"), "cpu": ("fp32", "bf16")}
    if name not in allowed.get(device.type, ("fp32",)):
        raise UsageError(
            f"--precision {name}: the device is {device.type}, which supports "
            f"{' or '.join(allowed.get(device.type, ('fp32',)))}.",
            "Use --precision auto.",
        )
    return name


class AutocastOnDevice(MixedPrecision):
    """fastai's mixed precision on the device of the training, instead of CUDA only.

    fp16 ends at 65,504. Gradients above it are scaled down: fastai's scaler skips the step and
    halves its factor. A batch whose activations are above it is computed again in fp32;
    ``repeated`` counts these batches.
    """

    def __init__(self, precision: str) -> None:
        super().__init__(precision)
        self.precision = precision
        self.repeated = self.skipped_in_a_row = 0

    def before_fit(self) -> None:
        """Set autocast and, for fp16 only, the scaler: bf16 has the range of fp32."""
        device = self.dls.device.type
        self.autocast = autocast(device, dtype=_DTYPES[self.precision])
        self.learn.scaler = GradScaler(device, enabled=self.precision == "fp16")
        self.scales: list[float] = []

    def before_batch(self) -> None:
        """Keep the running statistics of batch-norm, which an overflow would make infinite."""
        if self.precision == "fp16":
            self.kept_buffers = [buffer.clone() for buffer in self.learn.model.buffers()]
        super().before_batch()

    def after_pred(self) -> None:
        """Convert the outputs to fp32; compute those again that overflow."""
        super().after_pred()
        if self.precision != "fp16" or bool(torch.isfinite(self.learn.pred).all()):
            return
        self.repeated += 1
        with torch.no_grad():
            for buffer, kept in zip(self.learn.model.buffers(), self.kept_buffers, strict=True):
                buffer.copy_(kept)
        with autocast(self.dls.device.type, enabled=False):
            self.learn.pred = self.learn.model(*self.xb)

    def before_step(self) -> None:
        """Skip the step if its gradients overflow, as fastai does, but not for ever."""
        try:
            super().before_step()
        except CancelStepException:
            self.skipped_in_a_row += 1
            if self.skipped_in_a_row > _MOST_SKIPPED:
                raise DivergedError(
                    f"Expected finite gradients, but {_MOST_SKIPPED} steps in a row overflow fp16, "
                    f"although the loss is scaled by {self.scaler.get_scale():.2g}.",
                    "Use --precision fp32, or a lower --learning-rate.",
                ) from None
            raise
        self.skipped_in_a_row = 0


def precision_of(learn: Learner) -> AbstractContextManager[Any]:
    """Return the precision of ``learn`` as a context, for measurements during its training."""
    mixed = getattr(learn, "autocast_on_device", None)
    return mixed.autocast if mixed else nullcontext()


def repeated_batches(learn: Learner) -> int:
    """Return how many batches of the training were computed again because fp16 overflows."""
    mixed = getattr(learn, "autocast_on_device", None)
    return mixed.repeated if mixed else 0


def try_bf16(backbone: Backbone, training: TrainingConfig, image_size: int) -> Trial | None:
    """Return the time of a step on this CPU in fp32 and bf16.

    None if bf16 does not speed up a small convolution. The steps alternate and the fastest of each
    precision counts, so that other programs on the machine affect both alike. The trial uses a
    copy of the body and random pixels: weights, statistics and torch's generator do not change.
    """
    with torch.random.fork_rng(devices=[]):
        small = nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)
        if _measure(small, torch.rand(_PHOTOS, 64, 28, 28)).chosen == "fp32":
            return None
        early = {id(parameter) for parameter in backbone.early}
        trained = [
            training.early_layers == "train" or id(parameter) not in early
            for parameter in backbone.body.parameters()
        ]
        body: Any = copy.deepcopy(backbone.body).to(memory_format=torch.channels_last)
        for parameter, requires_grad in zip(body.parameters(), trained, strict=True):
            parameter.requires_grad_(requires_grad)
        body.train(training.batch_norm == "train")
        return _measure(body, torch.rand(_PHOTOS, 3, image_size, image_size))


def _measure(network: nn.Module, inputs: torch.Tensor) -> Trial:
    inputs = inputs.contiguous(memory_format=torch.channels_last)

    def step(half: bool) -> None:
        with autocast("cpu", dtype=torch.bfloat16, enabled=half):
            outputs = network(inputs)
        outputs.float().square().mean().backward()

    _seconds(step, False), _seconds(step, True)  # warm-up
    best = Trial(float("inf"), float("inf"))
    for _ in range(_ROUNDS):
        best = Trial(min(best.fp32, _seconds(step, False)), min(best.bf16, _seconds(step, True)))
        if best.bf16 > best.fp32:
            break  # bf16 is slower: no more rounds needed
    return best


def _seconds(step: Callable[[bool], None], half: bool) -> float:
    started = time.perf_counter()
    step(half)
    return time.perf_counter() - started
