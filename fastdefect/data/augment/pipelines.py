"""Augmentation: what a training photo may go through, drawn at random and repeatable.

Which changes a level has stands in ``augmentations.py``, what each does in ``steps.py``; here they
become a function of a photo and a seed.
"""

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from fastai.vision.augment import RandTransform
from fastai.vision.core import PILImage
from numpy.typing import NDArray

from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.data.augment.background_light import BorrowedLight
from fastdefect.data.augment.steps import STEPS, Step, compose

_REFERENCE_SIDE = 224  # pixels; the side that strengths in pixels are given for


def build_steps(name: str, size: int) -> tuple[Step, ...]:
    """Build the transforms of the level ``name`` for square photos of ``size`` pixels, in order.

    Raises ValueError for an unknown name.
    """
    if name not in AUGMENTATIONS:
        raise ValueError(f"Expected an augmentation of {', '.join(AUGMENTATIONS)} but got {name!r}")
    scale = size / _REFERENCE_SIDE
    return tuple(
        replace(STEPS[change.step](scale, change.share), fault=change.fault)
        for change in AUGMENTATIONS[name].steps
    )


class Augmenter:
    """A pipeline of random changes that is a pure function of photo and seed.

    Left to itself, Albumentations draws the same changes in every epoch of a DataLoader with
    workers, and others each time the program runs. Here each call starts from its own seed.
    Not for use by several threads at once: they would share the random generators.
    """

    def __init__(self, name: str, size: int, light: BorrowedLight | None = None) -> None:
        """The pipeline ``name`` for photos of ``size`` pixels; ``light`` comes before it."""
        self.name = name
        self.size = size
        self.light = light
        self.steps = build_steps(name, size)
        self._compose = compose(self.steps)

    def __repr__(self) -> str:
        """How to build one like it."""
        light = ", light=..." if self.light else ""
        return f"{type(self).__name__}({self.name!r}, {self.size}{light})"

    def __reduce__(
        self,
    ) -> tuple[Callable[..., "Augmenter"], tuple[str, int, BorrowedLight | None]]:
        """Travel to a worker as name, size and light, and be built anew there."""
        return type(self), (self.name, self.size, self.light)

    def __call__(self, image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        """Change ``image``, uint8 RGB ``(size, size, 3)``, as ``seed`` says.

        ``seed`` is any non-negative integer. The answer has the shape and type of ``image``,
        which stays as it was; ``none`` without light gives back ``image`` itself.

        Raises ValueError for another shape or type.
        """
        expected = (self.size, self.size, 3)
        if image.shape != expected or image.dtype != np.uint8:
            raise ValueError(
                f"Expected a uint8 photo of shape {expected} but got {image.dtype} {image.shape}"
            )
        if self.light is not None:
            image = self.light(image, seed)
        if not self.steps:
            return image
        # One pair of generators for all the transforms. Compose.set_random_seed would give
        # each a copy of the same one: the likeliest would fire whenever any other did.
        self._compose.set_random_state(np.random.default_rng(seed), random.Random(int(seed)))
        changed: NDArray[np.uint8] = self._compose(image=image.copy())["image"]
        return changed

    def describe(self) -> list[str]:
        """Say what each transform does, one line a transform, in the order they are applied."""
        return [str(step) for step in (*filter(None, [self.light]), *self.steps)]


def item_seed(seed: int, epoch: int, position: int) -> int:
    """Mix the run's seed, an epoch and a photo's position in it into one seed below 2**64.

    The first eight bytes of BLAKE2b over the three numbers' decimals: the same on every
    machine and in every process, with neighbours as unlike as strangers. (Python's ``hash``
    keeps neighbours close, and a sum would repeat epoch 1 of seed 1 as epoch 0 of seed 2.)
    Two of a million seeds coincide with a chance of 3 in 100 million.
    """
    text = f"{int(seed)},{int(epoch)},{int(position)}"
    return int.from_bytes(hashlib.blake2b(text.encode("ascii"), digest_size=8).digest(), "little")


class AugmentTransform(RandTransform):
    """An :class:`Augmenter` in a fastai item pipeline; only training photos are changed.

    ``reseed`` comes before each training photo. A seed is used once: a photo without one of
    its own is an error, for in silence it would repeat the changes of the photo before it.
    """

    split_idx = None  # called for every split, so that before_call can tell them apart
    order = 2  # after fastai's own Resize (1), before ToTensor (5)

    def __init__(self, augmenter: Augmenter) -> None:
        super().__init__(p=1.0)
        self.augmenter = augmenter
        self._seed: int | None = None

    def reseed(self, seed: int) -> None:
        """Set the seed of the next training photo."""
        self._seed = seed

    def before_call(self, b: Any, split_idx: int | None) -> None:
        """Note whether the photo is one to train on: ``split_idx`` 0 and nothing else."""
        self.do = split_idx == 0

    def encodes(self, x: PILImage) -> PILImage:
        """Change one training photo. Raises RuntimeError where ``reseed`` wasn't called."""
        if self._seed is None:
            raise RuntimeError("Expected reseed() before each training photo but it wasn't called")
        seed, self._seed = self._seed, None
        return PILImage.create(self.augmenter(np.asarray(x), seed))
