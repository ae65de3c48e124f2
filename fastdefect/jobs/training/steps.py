"""The number of epochs of a training, and its learning rate, if the user sets neither.

With few photos an epoch has two or three steps, and 25 such epochs train little: ``min_steps`` adds
epochs until there are enough steps. One-cycle and early stopping then span the longer training.
"""

import math

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override
from fastdefect.events import Note, OnEvent
from fastdefect.text import counted

# With fewer steps the learning rate rises, up to twice; below that ``min_steps`` adds epochs. And
# with fewer steps a strong augmentation may underfit (docs/benchmarks.md, the ablation).
FEW_STEPS = 100
_WORTH = 1.1  # a smaller increase has less effect than the seed


def steps_an_epoch(config: RunConfig, photos: int) -> int:
    """Optimizer steps per epoch of ``photos``; the loaders drop a last batch of one photo."""
    full, rest = divmod(photos, config.training.batch_size)
    return max(1, full + (rest > 1))


def steps_of(config: RunConfig, photos: int) -> int:
    """Optimizer steps of the whole training."""
    return config.training.epochs * steps_an_epoch(config, photos)


def with_rate_for_steps(config: RunConfig, photos: int, on_event: OnEvent) -> RunConfig:
    """``config`` with a higher learning rate if the training has few steps; a note reports it.

    This applies to recipes that change pretrained features little: their rate is set for a few
    hundred steps, and fifty such steps hardly change a network (docs/benchmarks.md, what costs
    accuracy). A rate given by the user stays.
    """
    training = config.training
    if "learning_rate" in config.given or training.recipe not in ("plain", "steady"):
        return config
    steps = steps_of(config, photos)
    raised = min(2.0, FEW_STEPS / steps)
    if raised < _WORTH or config.one_epoch:
        return config
    rate = training.learning_rate * raised
    on_event(
        Note(
            f"Few optimizer steps ({steps}): learning rate {rate:.2g} instead of "
            f"{training.learning_rate:g}; override with --learning-rate."
        )
    )
    return override(config, {"learning_rate": rate})


def with_enough_steps(config: RunConfig, photos: int, on_event: OnEvent) -> RunConfig:
    """``config`` with enough epochs of ``photos`` for ``min_steps``; a note reports a change.

    Epochs given by the user stay, and a head alone has no epochs.
    """
    training = config.training
    if "epochs" in config.given or config.one_epoch:
        return config
    steps = steps_an_epoch(config, photos)
    epochs = max(training.epochs, math.ceil(training.min_steps / steps))
    if epochs == training.epochs:
        return config
    on_event(
        Note(
            f"{photos} photos give {counted(steps, 'step')} per epoch: {epochs} epochs instead of "
            f"{training.epochs}, for {training.min_steps} steps; override with --epochs."
        )
    )
    return override(config, {"epochs": epochs})
