"""Augmentation steps: changes of a training photo that can occur on a real line.

This is the only module that uses Albumentations (2.0.8, its last MIT release). Strengths are for
a photo of 224 pixels a side and scale with the side. The reason for each strength is stated
beside it, and ``tests/unit/data/augment/test_steps.py`` measures the effect: it must be
present, and every defect must stay visible. The steps of ``steady`` (``test_steady.py``) cover
the full range in which a decision must not change; at its ends a faint defect may vanish.
``augmentations.py`` defines the steps of each level.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import exp, log
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from fastdefect.data.augment import camera_effects as camera
from fastdefect.data.reading.images import Pixels

# On import, Albumentations checks online for a new version unless this is set.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as alb

# A photo of 224 pixels is too small for OpenCV's threads. A thread pool in each of several
# DataLoader workers would compete for the cores, and a pool started before a fork can block the
# child. A spawned worker imports this module and so has the same setting.
cv2.setNumThreads(0)

# A warp fills pixels from outside with the mirror image of the photo's edge. Black wedges would be
# edges that no part has; the mirror image of a defect-free surface is defect-free.
_BORDER = cv2.BORDER_REFLECT_101


class _FreeFormDeformation(alb.ElasticTransform):
    """Elastic deformation by a lattice of knots, smooth between them, with bounded displacement.

    ``alpha`` is the maximum displacement of a knot along each axis and ``sigma`` the distance of
    the knots, both in pixels. It is the free-form deformation of Rueckert et al. (1999), with
    OpenCV's cubic interpolation instead of B-splines.

    Albumentations' own transform blurs white noise and repeats the edge pixel outside the photo.
    At a mean displacement of 2 pixels, corners move by 14 on average and the surface folds over
    itself, so that a defect at the edge can leave the photo. It also takes 7 times as long.
    """

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Draw the two maps, float32 ``(height, width)``, of the source of each pixel."""
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
    """Brightness and contrast, limited where the photo would exceed the grey scale.

    Much metal is photographed near white. Without a limit, a pit of 230 in a surface of 250 would
    become white in white. (The library's ``ensure_safe_range`` considers any possible photo
    instead of the current one, and so hardly ever brightens.)
    """

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, float]:
        """Draw ``alpha`` and ``beta`` of ``alpha * image + beta`` within the grey scale."""
        alpha = 1.0 + self.py_random.uniform(*self.contrast_limit)
        beta = 255 * self.py_random.uniform(*self.brightness_limit)
        # A highlight or a dead pixel must not set the limits: 0.5 % at either end may clip.
        counts = np.bincount(data["image"].ravel(), minlength=256).cumsum()
        low, high = (int(np.searchsorted(counts, share * counts[-1])) for share in (0.005, 0.995))
        alpha = min(alpha, 255 / max(high - low, 1))
        return {
            "alpha": alpha,
            "beta": min(max(beta, -alpha * low), 255 - alpha * high),
        }


class _Drawn(alb.ImageOnlyTransform):
    """``change(image, strength, rng)`` with a strength drawn uniformly between two limits.

    ``as_factor`` draws its logarithm uniformly: half as much is then as likely as twice.
    """

    def __init__(
        self,
        change: Callable[[Pixels, float, Generator], Pixels],
        limits: tuple[float, float],
        *,
        as_factor: bool = False,
        p: float,
    ) -> None:
        super().__init__(p=p)
        self.change = change
        self.limits = limits
        self.as_factor = as_factor

    def get_params(self) -> dict[str, float]:
        """Draw the strength."""
        low, high = self.limits
        if self.as_factor:
            return {"strength": exp(self.py_random.uniform(log(low), log(high)))}
        return {"strength": self.py_random.uniform(low, high)}

    def apply(self, img: Pixels, strength: float, **params: Any) -> Pixels:
        """Change ``img``."""
        return self.change(img, strength, self.random_generator)


@dataclass(frozen=True)
class Step:
    """One transform of a pipeline and its description.

    The ``p`` of the transform is the share of all photos that it changes. A photo gets at most
    one of the steps of a ``fault`` (:func:`compose`).
    """

    name: str
    strength: str
    transform: alb.BasicTransform
    fault: str = ""

    def __str__(self) -> str:
        """Name, strength and share of photos on one line."""
        return f"{self.name}: {self.strength}; {self.transform.p:.0%} of photos"


Build = Callable[[float, float], Step]
STEPS: dict[str, Build] = {}


def _registered(build: Build) -> Build:
    """Register the step under the name of its function: ``build(scale, p)``.

    ``scale`` is the photo's side over 224 pixels, ``p`` the share of changed photos.
    """
    STEPS[build.__name__] = build
    return build


@_registered
def poses(scale: float, p: float) -> Step:
    """Flip and rotate by quarter turns."""
    # A part can have any orientation, and so can a defect. The eight poses of the square move whole
    # pixels: nothing is blurred, and nothing leaves the photo.
    return Step("flips and quarter turns", "one of the square's eight poses", alb.D4(p=p))


@_registered
def tilt(scale: float, p: float) -> Step:
    """Rotate and shrink slightly."""
    # Angles between the quarter turns, and a slightly higher camera. Photos only shrink: a photo
    # that grew would lose its edge and the defects there. A square rotated by 8 degrees fits
    # completely at 1 / (cos 8 + sin 8) = 0.89 of its size.
    transform = alb.Affine(
        rotate=(-8, 8), scale=(0.88, 0.96), keep_ratio=True, border_mode=_BORDER, p=p
    )
    return Step("tilt", "rotated by up to 8 degrees, shrunk to 88 to 96 %", transform)


@_registered
def turn(scale: float, p: float) -> Step:
    """Rotate by any angle."""
    # Together with the poses, every angle is covered. Some photos keep their angle, because
    # rotation interpolates and so removes the finest grain.
    transform = _Drawn(camera.turn, (-45.0, 45.0), p=p)
    strength = "by up to 45 degrees beyond the pose, two of three shrunk to keep their corners"
    return Step("turn", strength, transform)


@_registered
def elastic(scale: float, p: float) -> Step:
    """Deform in slow waves."""
    # Casting tolerance and warpage: 1.2 pixels on average, at most 3.5, in waves of some 60 pixels.
    # An edge becomes wavy; a defect of 10 pixels moves as a whole. Twice as much makes round parts
    # visibly irregular. (The often copied alpha=1, sigma=50 moves a pixel by 0.01.)
    transform = _FreeFormDeformation(
        alpha=2.0 * scale, sigma=32.0 * scale, border_mode=_BORDER, p=p
    )
    moved = f"pixels moved by {1.2 * scale:.2g} on average"
    return Step("elastic deformation", moved, transform)


@_registered
def grid(scale: float, p: float) -> Step:
    """Stretch and compress locally."""
    # Lens and perspective: each fifth of the photo grows or shrinks by up to 10 %, so that a defect
    # keeps at least 0.9 of its length and the kinks between the fifths are invisible. Normalised,
    # the edge of the grid stays the edge of the photo.
    transform = alb.GridDistortion(
        num_steps=5, distort_limit=0.1, normalized=True, border_mode=_BORDER, p=p
    )
    return Step("grid distortion", "cells stretched or compressed by up to 10 %", transform)


@_registered
def dropout(scale: float, p: float) -> Step:
    """Inpaint small holes."""
    # Some evidence is removed, so that the model does not rely on a single spot. Holes of 4 to 9
    # pixels, 1 % of the photo in total: one can cut a scratch but not cover it, and a blob of 8
    # pixels is lost in less than 1 draw of 100. The fill is inpainted, because a flat dark square
    # looks like a blowhole and would also be on good parts, and any flat square is a feature that
    # only training photos have.
    sides = (0.02, 0.04)
    transform = alb.CoarseDropout(
        num_holes_range=(4, 8),
        hole_height_range=sides,
        hole_width_range=sides,
        fill="inpaint_telea",
        p=p,
    )
    strength = "4 to 8 holes, each side 2 to 4 % of the photo's, inpainted"
    return Step("coarse dropout", strength, transform)


@_registered
def light(scale: float, p: float) -> Step:
    """Change brightness and contrast within the grey scale of the photo."""
    # An ageing lamp, a moved curtain: up to 25 grey levels and a fifth of the contrast, a clearly
    # visible change. If a photo already fills the grey scale, _Light limits the change.
    transform = _Light(brightness_limit=0.1, contrast_limit=0.2, p=p)
    strength = "brightness within 25 grey levels, contrast within 20 %, at most 1 % clipped"
    return Step("brightness and contrast", strength, transform)


@_registered
def exposure(scale: float, p: float) -> Step:
    """Change the exposure strongly, up to the limits of the sensor and beyond."""
    # A lamp at the end of its life, a changed aperture. The required range is 0.7 to 1.3; a network
    # is least certain at the ends of its training range, so this range is a little wider.
    transform = _Drawn(camera.brighten, (0.6, 1.5), as_factor=True, p=p)
    strength = "grey levels times 0.6 to 1.5, never over half of the photo white"
    return Step("exposure", strength, transform)


@_registered
def gamma(scale: float, p: float) -> Step:
    """Change the tone curve."""
    # The tone curve of another camera: shadows and highlights change by different amounts, which
    # brightness cannot do, and nothing clips. The limits are each other's inverse, up to 20 grey
    # levels.
    return Step("gamma", "exponent 0.8 to 1.25", alb.RandomGamma(gamma_limit=(80, 125), p=p))


@_registered
def tone_curve(scale: float, p: float) -> Step:
    """Change the tone curve strongly."""
    # Another camera or other software: 0.7 to 1.4 and a little beyond, brighter as often as darker.
    # (The library's gamma rounds down, half a level darker on average.)
    transform = _Drawn(camera.bend, (0.6, 1.6), as_factor=True, p=p)
    return Step("tone curve", "gamma 0.6 to 1.6", transform)


@_registered
def clahe(scale: float, p: float) -> Step:
    """Increase the local contrast."""
    # Local contrast enhancement, as in many inspection cameras. OpenCV redistributes the clipped
    # counts over all grey levels, so that a uniform surface gains a factor of about the limit plus
    # 0.9: it doubles here, whereas the library's 4 turns the grain of defect-free metal into pits.
    # Tiles of 56 pixels have at least ten pixels per grey level, so that the limit, rounded to
    # whole pixels, is effective as stated; 8 x 8 tiles of a small photo are as strong as a limit of
    # 4.
    tiles = max(1, round(4 * scale))
    transform = alb.CLAHE(clip_limit=(1.0, 1.6), tile_grid_size=(tiles, tiles), p=p)
    return Step("CLAHE", f"clip limit 1 to 1.6 on {tiles} x {tiles} tiles", transform)


@_registered
def blur(scale: float, p: float) -> Step:
    """Blur slightly."""
    # A lens slightly out of focus. A disc of radius r keeps 1 - exp(-r^2 / (2 sigma^2)) of its
    # depth: a pinhole of 3 pixels keeps 75 % at sigma 0.9, 25 % at 2 (library: 3).
    sigmas = (0.5 * scale, 0.9 * scale)
    transform = alb.GaussianBlur(blur_limit=0, sigma_limit=sigmas, p=p)
    return Step("blur", f"Gaussian, sigma {sigmas[0]:.2g} to {sigmas[1]:.2g} pixels", transform)


@_registered
def defocus(scale: float, p: float) -> Step:
    """Blur, up to clearly out of focus."""
    # A loose lens. A pinhole of 3 pixels keeps a sixth of its depth at sigma 2.5, a blob of 9 keeps
    # four fifths.
    sigmas = (0.5 * scale, 2.5 * scale)
    transform = alb.GaussianBlur(blur_limit=0, sigma_limit=sigmas, p=p)
    strength = f"Gaussian, sigma {sigmas[0]:.2g} to {sigmas[1]:.2g} pixels"
    return Step("defocus", strength, transform)


@_registered
def noise(scale: float, p: float) -> Step:
    """Add slight sensor noise."""
    # Sensor noise of 2.5 to 8 grey levels; the library's default of 50 to 110 hides everything. The
    # same in all channels: most line cameras are grey, and coloured noise on a grey photo would be
    # a feature that only training photos have.
    transform = alb.GaussNoise(std_range=(0.01, 0.03), per_channel=False, p=p)
    return Step("Gaussian noise", "standard deviation 2.5 to 8 of 255 grey levels", transform)


@_registered
def sensor_noise(scale: float, p: float) -> Step:
    """Add sensor noise, up to heavy."""
    # High gain in low light, at the resolution of the model.
    transform = _Drawn(camera.add_noise, (2.0, 18.0), p=p)
    return Step("sensor noise", "standard deviation 2 to 18 of 255 grey levels", transform)


@_registered
def jpeg(scale: float, p: float) -> Step:
    """Compress, up to visible blocks."""
    # A camera or an archive that saves space. Below 50, the quantisation step is proportional to 1
    # / quality.
    transform = _Drawn(camera.compress, (15.0, 90.0), as_factor=True, p=p)
    return Step("JPEG", "quality 15 to 90", transform)


_FAULTY = 2 / 3  # share of photos with any fault, if steps have faults


def compose(steps: Sequence[Step]) -> alb.Compose:
    """Combine all ``steps``, each applied to its share of photos.

    Steps without a fault are drawn independently. Steps with a fault all exclude the same third
    of the photos, so that enough unchanged photos remain for any number of faults. In the other
    photos the faults are drawn independently, and of each fault one step. Steps of a fault are
    adjacent, after those without.
    """
    independent = [step.transform for step in steps if not step.fault]
    faults = []
    for _, alternatives in groupby(
        (step for step in steps if step.fault), key=lambda step: step.fault
    ):
        transforms = [step.transform for step in alternatives]
        share = sum(transform.p for transform in transforms)
        faults.append(alb.OneOf(transforms, p=share / _FAULTY))  # draws in proportion to p
    return alb.Compose([*independent, *([alb.Sequential(faults, p=_FAULTY)] if faults else [])])
