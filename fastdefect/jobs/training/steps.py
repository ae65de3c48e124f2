"""How many epochs a training takes where the user leaves it open.

An epoch of few photos is two or three steps, and 25 of those teach little: ``min_steps`` adds
epochs until there are enough. One-cycle and early stopping then span the longer training.
"""

import math

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override
from fastdefect.events import Note, OnEvent

# Fewer go further each, up to twice as far; ``min_steps`` begins where that ends. And in fewer a
# strong augmentation may underfit (docs/benchmarks.md, the ablation).
FEW_STEPS = 100
_WORTH = 1.1  # a rate that is raised by less makes no difference that seeds don't


def steps_an_epoch(config: RunConfig, photos: int) -> int:
    """Optimizer steps of an epoch of ``photos``; the loaders drop a last batch of one photo."""
    full, rest = divmod(photos, config.training.batch_size)
    return max(1, full + (rest > 1))


def steps_of(config: RunConfig, photos: int) -> int:
    """Optimizer steps of the whole training."""
    return config.training.epochs * steps_an_epoch(config, photos)


def with_rate_for_steps(config: RunConfig, photos: int, on_event: OnEvent) -> RunConfig:
    """``config`` with a higher learning rate where a training is of few steps; told if so.

    For recipes that keep pretrained features near where they are: their rate suits some hundred
    steps, and in fifty such steps a network hardly moves (docs/benchmarks.md, what costs
    accuracy). A rate that the user gave stays.
    """
    training = config.training
    if "learning_rate" in config.given or training.recipe not in ("plain", "steady"):
        return config
    steps = steps_of(config, photos)
    raised = min(2.0, FEW_STEPS / steps)
    if raised < _WORTH or training.tune == "head":
        return config
    rate = training.learning_rate * raised
    on_event(
        Note(
            f"Few optimizer steps ({steps}): learning rate {rate:.2g} instead of "
            f"{training.learning_rate:g}; --learning-rate to insist."
        )
    )
    return override(config, {"learning_rate": rate})


def with_enough_steps(config: RunConfig, photos: int, on_event: OnEvent) -> RunConfig:
    """``config`` with so many epochs that ``photos`` to train on make ``min_steps``; told if more.

    Epochs that the user gave stay, and a head alone has none.
    """
    training = config.training
    if "epochs" in config.given or training.tune == "head":
        return config
    steps = steps_an_epoch(config, photos)
    epochs = max(training.epochs, math.ceil(training.min_steps / steps))
    if epochs == training.epochs:
        return config
    on_event(
        Note(
            f"{photos} photos are {steps} {'step' if steps == 1 else 'steps'} an epoch: "
            f"{epochs} epochs instead of {training.epochs}, for {training.min_steps} steps; "
            "--epochs to insist."
        )
    )
    return override(config, {"epochs": epochs})
