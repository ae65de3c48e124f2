"""Half precision where it pays: what a CPU gains by bf16, tried before the training.

On a processor with units for it (Intel's AMX, for one) a training by autocast to bf16 takes half
the time with some networks, and more time than fp32 with others. No table of processors and
networks tells which; a trial of seconds does.
"""

import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from fastai.callback.fp16 import MixedPrecision
from fastai.learner import Learner
from torch import nn
from torch.amp.autocast_mode import autocast
from torch.amp.grad_scaler import GradScaler

from fastdefect.config import TrainingConfig
from fastdefect.errors import UsageError
from fastdefect.training.backbones import Backbone

# bf16 keeps 8 bits of a number's 24: it must save more of a step than a busy machine blurs.
WORTH = 0.75
# A trial takes about as long as so many steps. Shorter trainings have nothing to win by it.
_PHOTOS, _ROUNDS = 8, 3
FEWEST_STEPS = 40
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Trial:
    """Seconds of a training step on a few photos, by precision."""

    fp32: float
    bf16: float

    @property
    def chosen(self) -> str:
        """``bf16`` where its step takes less than ``WORTH`` of the other's."""
        return "bf16" if self.bf16 < WORTH * self.fp32 else "fp32"


def choose_precision(name: str, device: torch.device) -> str:
    """ "auto" is bf16 or fp16 on CUDA and, before a trial says otherwise, fp32 elsewhere.

    Raises ``UsageError`` for a precision that the device can't train in.
    """
    if name == "auto":
        if device.type != "cuda":
            return "fp32"
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    allowed = {"cuda": ("fp32", "fp16", "bf16"), "cpu": ("fp32", "bf16")}
    if name not in allowed.get(device.type, ("fp32",)):
        raise UsageError(
            f"--precision {name}: the device is {device.type}, which trains in "
            f"{' or '.join(allowed.get(device.type, ('fp32',)))}.",
            "Use --precision auto.",
        )
    return name


class AutocastOnDevice(MixedPrecision):
    """fastai's mixed precision, which autocasts on CUDA only, on the device of the training."""

    def __init__(self, precision: str) -> None:
        super().__init__(precision)
        self.precision = precision

    def before_fit(self) -> None:
        """Only fp16 scales the loss: bf16 has the range of fp32."""
        device = self.dls.device.type
        self.autocast = autocast(device, dtype=_DTYPES[self.precision])
        self.learn.scaler = GradScaler(device, enabled=self.precision == "fp16")
        self.scales: list[float] = []


def precision_of(learn: Learner) -> AbstractContextManager[Any]:
    """The precision that ``learn`` trains in, for what is measured while it does."""
    mixed = getattr(learn, "autocast_on_device", None)
    return mixed.autocast if mixed else nullcontext()


def try_bf16(backbone: Backbone, training: TrainingConfig, image_size: int) -> Trial | None:
    """What a step costs on this CPU in fp32 and bf16; None where a small convolution gains nothing.

    The steps take turns, and the quickest of each counts, so that other programs on the machine
    slow both alike. They work on a copy of the body and on random pixels: weights, statistics and
    torch's generator stay as they are.
    """
    with torch.random.fork_rng(devices=[]):
        small = nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)
        if _compared(small, torch.rand(_PHOTOS, 64, 28, 28)).chosen == "fp32":
            return None
        early = {id(parameter) for parameter in backbone.early}
        learns = [
            training.early_layers == "train" or id(parameter) not in early
            for parameter in backbone.body.parameters()
        ]
        body: Any = copy.deepcopy(backbone.body).to(memory_format=torch.channels_last)
        for parameter, learn in zip(body.parameters(), learns, strict=True):
            parameter.requires_grad_(learn)
        body.train(training.batch_norm == "train")
        return _compared(body, torch.rand(_PHOTOS, 3, image_size, image_size))


def _compared(network: nn.Module, inputs: torch.Tensor) -> Trial:
    inputs = inputs.contiguous(memory_format=torch.channels_last)

    def step(half: bool) -> None:
        with autocast("cpu", dtype=torch.bfloat16, enabled=half):
            outputs = network(inputs)
        outputs.float().square().mean().backward()

    _seconds(step, False), _seconds(step, True)  # the first ones warm up
    best = Trial(float("inf"), float("inf"))
    for _ in range(_ROUNDS):
        best = Trial(min(best.fp32, _seconds(step, False)), min(best.bf16, _seconds(step, True)))
        if best.bf16 > best.fp32:
            break  # far from worth it: no need to know how far
    return best


def _seconds(step: Callable[[bool], None], half: bool) -> float:
    begun = time.perf_counter()
    step(half)
    return time.perf_counter() - begun
