"""``--precision auto`` on a CPU: bf16 only if a trial shows that it is faster."""

import torch

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.training.steps import steps_of
from fastdefect.training.backbones import Backbone
from fastdefect.training.precision import FEWEST_STEPS, choose_precision, try_bf16


def settle_precision(
    config: RunConfig, photos: int, backbone: Backbone, device: torch.device, on_event: OnEvent
) -> RunConfig:
    """``config`` with the precision chosen by a trial, or unchanged without a trial.

    ``photos``: of an epoch. A named precision stays the same when the training is resumed and for
    all trainings of a series. Raises ``UsageError`` for one that the device does not support.
    """
    training = config.training
    choose_precision(training.precision, device)
    if training.precision != "auto" or device.type != "cpu" or config.one_epoch:
        return config
    if steps_of(config, photos) < FEWEST_STEPS:
        return config
    trial = try_bf16(backbone, training, config.data.image_size)
    if trial is None:
        return config
    share = trial.bf16 / trial.fp32
    if trial.chosen == "bf16":
        on_event(Note(f"Precision bf16: a step takes {share:.2f} times as long as in fp32 here."))
    return override(config, {"precision": trial.chosen})
