"""How many epochs a training takes where the user leaves it open.

An epoch of few photos is two or three steps, and 25 of those teach little: ``min_steps`` adds
epochs until there are enough. One-cycle and early stopping then span the longer training.
"""

import math

from fastdefect.config import RunConfig, override
from fastdefect.events import Note, OnEvent


def with_enough_steps(config: RunConfig, photos: int, on_event: OnEvent) -> RunConfig:
    """``config`` with so many epochs that ``photos`` to train on make ``min_steps``; told if more.

    Epochs that the user gave stay, and a head alone has none.
    """
    training = config.training
    if "epochs" in config.given or training.tune == "head":
        return config
    full, rest = divmod(photos, training.batch_size)
    steps = max(1, full + (rest > 1))  # the loaders drop a last batch of one photo
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
