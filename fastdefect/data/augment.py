"""What a training photo may look like: changes that a real line could have made.

The only module that knows Albumentations (2.0.8, its last MIT release). Strengths are given
for a photo of 224 pixels a side and scale with the side. Each stands beside its reason, and
``tests/unit/data/test_augment.py`` measures what it does: it must act, and no defect may die
of it.
"""

import hashlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from fastai.vision.augment import RandTransform
from fastai.vision.core import PILImage
from numpy.typing import NDArray

from fastdefect.data.light import BorrowedLight

# Albumentations asks the network for its newest version when imported, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as alb

# A photo of 224 pixels gives OpenCV's threads nothing to share, a pool in each of several
# DataLoader workers makes them fight for the cores, and one that was started before a fork
# can hang the child. A spawned worker imports this module and so does the same.
cv2.setNumThreads(0)

AUGMENTS = ("none", "basic", "manufacturing")

_REFERENCE_SIDE = 224  # pixels; the side that strengths in pixels are given for

# A warp fills what it pulls in from outside with the mirror image of the photo's edge. Black
# wedges would be edges that no part has; the mirror image of a sound surface is sound.
_BORDER = cv2.BORDER_REFLECT_101


class _FreeFormDeformation(alb.ElasticTransform):
    """Elastic deformation by a lattice of knots, smooth between them, bounded everywhere.

    ``alpha`` is the most that a knot moves along each axis and ``sigma`` the distance of the
    knots, both in pixels. The free-form deformation of Rueckert et al. (1999), with OpenCV's
    cubic interpolation in place of B-splines.

    Albumentations' own transform blurs white noise and repeats the edge pixel outside the
    photo. At a mean displacement of 2 pixels, corners move by 14 on average and the surface
    folds over itself, so a defect at the edge can leave the photo. It also takes 7 times as
    long.
    """

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Draw the two maps, float32 ``(height, width)``, of where each pixel comes from."""
        height, width = params["shape"][:2]
        knots = (
            max(4, round(height / self.sigma)),
            max(4, round(width / self.sigma)),
            2,
        )
        moves = self.random_generator.uniform(-self.alpha, self.alpha, knots).astype(np.float32)
        field = cv2.resize(moves, (width, height), interpolation=cv2.INTER_CUBIC)
        return {
            "map_x": field[..., 0] + np.arange(width, dtype=np.float32),
            "map_y": field[..., 1] + np.arange(height, dtype=np.float32)[:, None],
        }


class _Light(alb.RandomBrightnessContrast):
    """Brightness and contrast, held back where the photo would leave the grey scale.

    Much metal is photographed close to white. Brightened without regard to that, a pit of
    230 in a surface of 250 becomes white in white. (``ensure_safe_range`` of the library
    asks what could clip in any photo, not in this one, and so hardly ever brightens.)
    """

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, float]:
        """Draw ``alpha`` and ``beta`` of ``alpha * image + beta`` within the photo's room."""
        alpha = 1.0 + self.py_random.uniform(*self.contrast_limit)
        beta = 255 * self.py_random.uniform(*self.brightness_limit)
        # A glint or a dead pixel must not take all the room: 0.5 % at either end may clip.
        counts = np.bincount(data["image"].ravel(), minlength=256).cumsum()
        low, high = (int(np.searchsorted(counts, share * counts[-1])) for share in (0.005, 0.995))
        alpha = min(alpha, 255 / max(high - low, 1))
        return {
            "alpha": alpha,
            "beta": min(max(beta, -alpha * low), 255 - alpha * high),
        }


@dataclass(frozen=True)
class Step:
    """One transform of a pipeline and what it does, in words."""

    name: str
    strength: str
    transform: alb.BasicTransform

    def __str__(self) -> str:
        """Name, strength and share of photos on one line."""
        return f"{self.name}: {self.strength}; {self.transform.p:.0%} of photos"


def _poses() -> Step:
    # A part lies on the bench any way round and a defect is one wherever it lies. The eight
    # poses of the square move whole pixels: nothing is blurred, nothing leaves the photo.
    return Step("flips and quarter turns", "one of the square's eight poses", alb.D4(p=1.0))


def _tilt(p: float) -> Step:
    # The angles between the quarter turns, and a camera hung a little higher. Photos only
    # ever shrink: one that grew would lose its edge and the defects there. A square turned by
    # 8 degrees is whole again at 1 / (cos 8 + sin 8) = 0.89 of its size.
    transform = alb.Affine(
        rotate=(-8, 8), scale=(0.88, 0.96), keep_ratio=True, border_mode=_BORDER, p=p
    )
    return Step("tilt", "turned by up to 8 degrees, shrunk to 88 to 96 %", transform)


def _elastic(scale: float, p: float) -> Step:
    # Casting scatter and warpage: 1.2 pixels on average, at most 3.5, in waves of some 60
    # pixels. An edge wavers; a defect of 10 pixels moves as a whole. Twice as much makes
    # potatoes of round parts. (The often copied alpha=1, sigma=50 moves a pixel by 0.01.)
    transform = _FreeFormDeformation(
        alpha=2.0 * scale, sigma=32.0 * scale, border_mode=_BORDER, p=p
    )
    return Step(
        "elastic deformation",
        f"pixels moved by {1.2 * scale:.2g} on average",
        transform,
    )


def _grid(p: float) -> Step:
    # Lens and perspective: each fifth of the photo grows or shrinks by up to 10 %, so a
    # defect keeps at least 0.9 of its length, and the kinks between the fifths don't show.
    # Normalised, the grid's edge stays the photo's edge.
    transform = alb.GridDistortion(
        num_steps=5, distort_limit=0.1, normalized=True, border_mode=_BORDER, p=p
    )
    return Step("grid distortion", "cells stretched or squeezed by up to 10 %", transform)


def _dropout(p: float) -> Step:
    # Some evidence goes missing, so that no single spot is relied on. Holes of 4 to 9 pixels,
    # 1 % of the photo together: one can cut a scratch but not cover it, and a blob of 8 pixels
    # is lost in less than 1 draw of 100. Filled from the surface around them, since a flat
    # dark square is what a blowhole looks like and would stand on good parts too, and any
    # flat square is something that only training photos have.
    sides = (0.02, 0.04)
    transform = alb.CoarseDropout(
        num_holes_range=(4, 8),
        hole_height_range=sides,
        hole_width_range=sides,
        fill="inpaint_telea",
        p=p,
    )
    return Step(
        "coarse dropout",
        "4 to 8 holes, each side 2 to 4 % of the photo's, painted over",
        transform,
    )


def _light(p: float) -> Step:
    # A lamp that ages, a curtain that moves: up to 25 grey levels and a fifth of the contrast,
    # clearly another light. Where a photo already fills the grey scale, _Light holds back.
    transform = _Light(brightness_limit=0.1, contrast_limit=0.2, p=p)
    strength = "brightness within 25 grey levels, contrast within 20 %, at most 1 % clipped"
    return Step("brightness and contrast", strength, transform)


def _gamma(p: float) -> Step:
    # Another camera's tone curve: shadows and lights move unlike each other, which brightness
    # can't do, and nothing clips. The limits are each other's inverse, up to 20 grey levels.
    return Step("gamma", "exponent 0.8 to 1.25", alb.RandomGamma(gamma_limit=(80, 125), p=p))


def _clahe(scale: float, p: float) -> Step:
    # Local contrast, as many inspection cameras apply it. OpenCV spreads what it clips over
    # all grey levels, so an even surface gains a factor of about the limit plus 0.9: it
    # doubles here, where the library's 4 makes pitting of the grain of sound metal. Tiles of
    # 56 pixels hold ten pixels a grey level and more, so that the limit, rounded to whole
    # pixels, means what it says; 8 x 8 tiles of a small photo are as strong as a limit of 4.
    tiles = max(1, round(4 * scale))
    transform = alb.CLAHE(clip_limit=(1.0, 1.6), tile_grid_size=(tiles, tiles), p=p)
    return Step("CLAHE", f"clip limit 1 to 1.6 on {tiles} x {tiles} tiles", transform)


def _blur(scale: float, p: float) -> Step:
    # A lens slightly out of focus. A disc of radius r keeps 1 - exp(-r^2 / (2 sigma^2)) of
    # its depth: a pinhole of 3 pixels keeps 75 % at sigma 0.9, 25 % at 2 (library: 3).
    sigmas = (0.5 * scale, 0.9 * scale)
    transform = alb.GaussianBlur(blur_limit=0, sigma_limit=sigmas, p=p)
    return Step("blur", f"Gaussian, sigma {sigmas[0]:.2g} to {sigmas[1]:.2g} pixels", transform)


def _noise(p: float) -> Step:
    # Sensor noise of 2.5 to 8 grey levels; the library's default of 50 to 110 buries
    # everything. The same in all channels: most line cameras are grey, and coloured specks
    # on a grey photo would be a mark that only training photos have.
    transform = alb.GaussNoise(std_range=(0.01, 0.03), per_channel=False, p=p)
    return Step("Gaussian noise", "standard deviation 2.5 to 8 of 255 grey levels", transform)


def build_steps(name: str, size: int) -> tuple[Step, ...]:
    """Build the transforms of the pipeline ``name`` for square photos of ``size`` pixels.

    They come in the order in which a photo comes about: how the part lies, what of it is
    seen, the light, the camera. Noise last also covers the traces of the dropout. Beside its
    pose a photo of ``manufacturing`` gets two or three changes on average: more of them at
    once and hardly a plain photo is left to learn from.

    Raises ValueError for an unknown name.
    """
    scale = size / _REFERENCE_SIDE
    if name == "none":
        return ()
    if name == "basic":
        return (_poses(), _tilt(p=0.5), _light(p=0.5))
    if name == "manufacturing":
        return (
            _poses(),
            _tilt(p=0.3),
            _elastic(scale, p=0.25),
            _grid(p=0.25),
            _dropout(p=0.3),
            _light(p=0.5),
            _gamma(p=0.2),
            _clahe(scale, p=0.25),
            _blur(scale, p=0.25),
            _noise(p=0.3),
        )
    raise ValueError(f"Expected an augmentation of {', '.join(AUGMENTS)} but got {name!r}")


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
        self._compose = alb.Compose([step.transform for step in self.steps])

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
