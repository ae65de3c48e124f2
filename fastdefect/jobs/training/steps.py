"""What follows from the number of optimizer steps: epochs, learning rate, camera or none.

Settings that the user gives stay.

With few photos an epoch has two or three steps, and 25 such epochs train little: ``min_steps`` adds
epochs until there are enough steps. One-cycle and early stopping then span the longer training.
"""

import math

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override
from fastdefect.events import Note, OnEvent
from fastdefect.text import counted

# With fewer steps the learning rate rises; below that ``min_steps`` adds epochs. And with fewer
# steps a strong augmentation may underfit (docs/benchmarks.md, the ablation).
FEW_STEPS = 100
# With fewer photos a training can't replace what a probe found on pretrained features, and its head
# begins with the weights of the probe (docs/benchmarks.md, the size of the initial head).
FEW_PHOTOS = 150
# The highest increase of the rate, with fewer photos and with more. From small logits, a training
# at 1.7 times the rate can end with a constant prediction: docs/benchmarks.md, few steps.
_MOST_OF_FEW, _MOST = 2.0, 1.25
# With fewer steps a training does not learn small defects behind the changes of the camera, and a
# higher rate makes it worse. Measured with ``FEW_PHOTOS`` or more at these two sizes (a smaller
# photo shows less of a defect), and with fewer photos at the first one.
_STEPS_FOR_CAMERA, _AT_SIZE, _SMALLEST = 75, 224, 128
_STEPS_OF_FEW_PHOTOS = 40
# With still fewer steps, the rate of a recipe moves the features away from the large weights with
# which the head begins, and there are no steps left to recover: docs/benchmarks.md, few steps.
_LOWERED = 0.25
_WORTH = 1.1  # a smaller increase has less effect than the seed


def steps_an_epoch(config: RunConfig, photos: int) -> int:
    """Optimizer steps per epoch of ``photos``; the loaders drop a last batch of one photo."""
    full, rest = divmod(photos, config.training.batch_size)
    return max(1, full + (rest > 1))


def steps_of(config: RunConfig, photos: int) -> int:
    """Optimizer steps of the whole training."""
    return config.training.epochs * steps_an_epoch(config, photos)


def too_few_for_camera(config: RunConfig, photos: int) -> bool:
    """Whether a training of ``photos`` has too few steps for the camera in its augmentation."""
    steps = steps_of(config, photos)
    if photos < FEW_PHOTOS:
        return steps < _STEPS_OF_FEW_PHOTOS
    side = min(max(config.data.image_size, _SMALLEST), _AT_SIZE)
    return steps < _STEPS_FOR_CAMERA * (_AT_SIZE / side) ** 2


def with_rate_for_steps(config: RunConfig, photos: int, on_event: OnEvent) -> RunConfig:
    """``config`` with another learning rate if the training has few steps; a note reports it.

    This applies to recipes that change pretrained features little: their rate is set for a few
    hundred steps, and fifty such steps hardly change a network (docs/benchmarks.md, what costs
    accuracy). A rate given by the user stays.
    """
    training = config.training
    if "learning_rate" in config.given or training.recipe not in ("plain", "camera", "steady"):
        return config
    factor = _rate_factor(config, photos)
    if factor == 1 or config.one_epoch:
        return config
    rate = training.learning_rate * factor
    on_event(
        Note(
            f"Few optimizer steps ({steps_of(config, photos)}): learning rate {rate:.2g} instead "
            f"of {training.learning_rate:g}; override with --learning-rate."
        )
    )
    return override(config, {"learning_rate": rate})


def _rate_factor(config: RunConfig, photos: int) -> float:
    if too_few_for_camera(config, photos):
        return _LOWERED if photos < FEW_PHOTOS else 1
    raised = min(
        _MOST_OF_FEW if photos < FEW_PHOTOS else _MOST, FEW_STEPS / steps_of(config, photos)
    )
    return raised if raised >= _WORTH else 1


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
