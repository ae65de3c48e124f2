"""Rendered metal surfaces with and without defects, and what a transform does to them."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.data.augment.steps import Step

SIDE = 224
Photo = NDArray[np.uint8]


def surface(level: float = 140, side: int = SIDE, grain: float = 3.0) -> Photo:
    """A grey metal surface: an even slope of light, slow waves and fine grain."""
    y, x = np.mgrid[:side, :side] / side
    grains = np.random.default_rng(0).normal(0, grain, (side, side))
    grey = level + 15 * (x - 0.5) + 10 * np.sin(7 * y) + grains
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def with_defect(photo: Photo, mask: Photo, depth: float) -> Photo:
    changed = photo + depth * (mask[..., None] / 255)
    return np.clip(changed, 0, 255).round().astype(np.uint8)


def blob(center: tuple[int, int] = (90, 130), radius: int = 4) -> Photo:
    return cv2.circle(np.zeros((SIDE, SIDE), np.uint8), center, radius, 255, -1, cv2.LINE_AA)


def scratch() -> Photo:
    return cv2.line(np.zeros((SIDE, SIDE), np.uint8), (60, 60), (110, 80), 255, 2, cv2.LINE_AA)


def left_of(before: Photo, after: Photo) -> tuple[float, float]:
    """Contrast of a defect: its 20 strongest pixels, and the sum over all, in grey levels."""
    difference = np.abs(after.astype(int) - before)[..., 0]
    return float(np.sort(difference.ravel())[-20:].mean()), float(difference.sum())


def force(step: Step, image: NDArray[Any], seed: int) -> NDArray[Any]:
    step.transform.set_random_seed(seed)
    changed: NDArray[Any] = step.transform(image=image, force_apply=True)["image"]
    return changed


def displacement(step: Step, side: int, seeds: range) -> NDArray[np.float64]:
    """How far each pixel travels: warp a photo of coordinates and read them back.

    Shape ``(seeds, side, side)``, in pixels; without the rim that the mirrored border reaches.
    """
    y, x = np.mgrid[:side, :side].astype(np.float32)
    coordinates = np.dstack([x, y, np.zeros_like(x)]) / side
    rim = side // 14
    moved = []
    for seed in seeds:
        out = force(step, coordinates, seed) * side
        distance = np.hypot(out[..., 0] - x, out[..., 1] - y)
        moved.append(distance[rim:-rim, rim:-rim])
    return np.stack(moved)
