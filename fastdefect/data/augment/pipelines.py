"""Augmentation: random, reproducible changes of a training photo.

``augmentations.py`` defines the changes of each level, and ``steps.py`` the effect of each
change. This module combines them to a function of a photo and a seed.
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
from fastdefect.data.reading.frame import Frame

_REFERENCE_SIDE = 224  # the side to which strengths in pixels refer


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
    """A pipeline of random changes that depends only on photo and seed.

    By default, Albumentations draws the same changes in every epoch of a DataLoader with workers,
    and different ones in each run of the program. Here each call starts from its own seed. Not
    thread-safe, because threads would share the random generators.
    """

    def __init__(
        self, name: str, size: int, light: BorrowedLight | None = None, tiles: int = 1
    ) -> None:
        """Build the pipeline ``name`` for photos of ``size`` pixels; ``light`` is applied first.

        Of photos in ``tiles``, each tile is changed alike.
        """
        self.frame = Frame(size, "squish", tiles)
        self.name = name
        self.size = size
        self.light = light
        self.steps = build_steps(name, size)
        self._compose = compose(self.steps)

    def __repr__(self) -> str:
        """The constructor call."""
        light = ", light=..." if self.light else ""
        return f"{type(self).__name__}({self.name!r}, {self.size}{light})"

    def __reduce__(
        self,
    ) -> tuple[Callable[..., "Augmenter"], tuple[str, int, BorrowedLight | None, int]]:
        """Pickle as the arguments of the constructor; a worker builds the pipeline again."""
        return type(self), (self.name, self.size, self.light, self.frame.tiles)

    def __call__(self, image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        """Change ``image``, uint8 RGB ``(tiles * size, size, 3)``, as drawn with ``seed``.

        ``seed`` is any non-negative integer. The result has the shape and type of ``image``,
        which is not modified; ``none`` without light returns ``image`` itself.

        Raises ValueError for another shape or type.
        """
        expected = self.frame.shape
        if image.shape != expected or image.dtype != np.uint8:
            raise ValueError(
                f"Expected a uint8 photo of shape {expected} but got {image.dtype} {image.shape}"
            )
        if self.light is not None:
            image = self.light(image, seed)
        if not self.steps:
            return image
        return self.frame.each_tile(image, lambda tile: self._changed(tile, seed))

    def _changed(self, image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        # One pair of generators for all transforms. Compose.set_random_seed would give each
        # transform a copy of the same generator, so that the most frequent one would be applied
        # whenever any other is.
        self._compose.set_random_state(np.random.default_rng(seed), random.Random(int(seed)))
        changed: NDArray[np.uint8] = self._compose(image=image.copy())["image"]
        return changed

    def describe(self) -> list[str]:
        """One line for each transform, in the order of application."""
        return [str(step) for step in (*filter(None, [self.light]), *self.steps)]


def item_seed(seed: int, epoch: int, position: int) -> int:
    """Combine the seed of the run, an epoch and a position in it into one seed below 2**64.

    The result is the first eight bytes of BLAKE2b over the decimals of the three numbers. It is
    the same on every machine and in every process, and the seeds of neighbours are unrelated.
    (Python's ``hash`` maps neighbours to similar values, and with a sum, epoch 1 of seed 1 would
    equal epoch 0 of seed 2.) The probability that two of a million seeds coincide is 3 in 100
    million.
    """
    text = f"{int(seed)},{int(epoch)},{int(position)}"
    return int.from_bytes(hashlib.blake2b(text.encode("ascii"), digest_size=8).digest(), "little")


class AugmentTransform(RandTransform):
    """An :class:`Augmenter` in a fastai item pipeline; it changes only training photos.

    ``reseed`` is called before each training photo. A seed is used once. A photo without a new
    seed is an error, because it would silently repeat the changes of the previous photo.
    """

    split_idx = None  # called for every split; before_call selects the training split
    order = 2  # after fastai's own Resize (1), before ToTensor (5)

    def __init__(self, augmenter: Augmenter) -> None:
        super().__init__(p=1.0)
        self.augmenter = augmenter
        self._seed: int | None = None

    def reseed(self, seed: int) -> None:
        """Set the seed of the next training photo."""
        self._seed = seed

    def before_call(self, b: Any, split_idx: int | None) -> None:
        """Enable the transform only for training photos (``split_idx`` 0)."""
        self.do = split_idx == 0

    def encodes(self, x: PILImage) -> PILImage:
        """Change one training photo. Raise RuntimeError if ``reseed`` was not called."""
        if self._seed is None:
            raise RuntimeError("Expected reseed() before each training photo but it was not called")
        seed, self._seed = self._seed, None
        return PILImage.create(self.augmenter(np.asarray(x), seed))
