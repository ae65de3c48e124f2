"""Measurements of a decoded photo: brightness, sharpness, and a thumbnail."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.data.reading.images import fit_to

THUMBNAIL = 64  # pixels a side
BLACK, WHITE = 8, 247  # maximum luma of a black pixel, minimum luma of a white one

# Sharpness is measured on a copy with as many pixels as a square of this side.
_COPY = 256
_REBLUR = 1.5  # sigma in pixels of the copy
_EDGES = 0.2  # share of the pixels that is measured: those with the steepest slopes


@dataclass(frozen=True)
class Appearance:
    """Measurements of one photo.

    ``brightness`` and ``contrast`` are mean and standard deviation of the luma, 0..255. ``dark``
    and ``bright`` are the shares of nearly black and nearly white pixels. ``sharpness`` is
    defined in ``measure_appearance``. ``colour`` is the mean distance of the channels from grey
    (0 for a grey photo stored as RGB). ``thumbnail`` is the whole photo scaled to (64, 64, 3)
    uint8 RGB by area averages.
    """

    brightness: float
    contrast: float
    dark: float
    bright: float
    sharpness: float
    colour: float
    thumbnail: NDArray[np.uint8]


def measure_appearance(image: NDArray[np.uint8]) -> Appearance:
    """Measure the appearance of ``image``, (height, width, 3) uint8 RGB.

    ``sharpness`` is the ratio of the energy of the slopes at edges before and after one more
    blur: 1 if that blur changes nothing, below 2 for a soft photo, 3 or 4 for a crisp or grainy
    one. The idea is that of S. Zhuo and T. Sim, "Defocus map estimation from a single image"
    (Pattern Recognition, 2011): at a step that a lens has blurred with sigma s, a further blur of
    sigma r divides the squared slope by (s^2 + r^2) / s^2 in the middle and, because the edge
    becomes wider by the same factor, by the square root of that over the whole edge. So s is r /
    sqrt(sharpness^2 - 1), with r = 1.5 pixels. The ratio cancels brightness and contrast. Only
    edges are measured, because they stand out of noise. Larger photos are first averaged down to
    256 by 256 pixels or as many, so that size has little effect. The content of a photo does have
    an effect: compare only photos of the same kind.
    """
    luma = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    mean, deviation = cv2.meanStdDev(luma)
    pixels = cv2.calcHist([luma], [0], None, [256], [0, 256]).ravel() / luma.size
    thumbnail = fit_to(image, THUMBNAIL, "squish")
    grey = thumbnail.mean(axis=2, keepdims=True, dtype=np.float32)
    return Appearance(
        float(mean[0, 0]),
        float(deviation[0, 0]),
        float(pixels[: BLACK + 1].sum()),
        float(pixels[WHITE:].sum()),
        _sharpness(luma),
        float(np.abs(thumbnail - grey).mean()),
        thumbnail,
    )


def _sharpness(luma: NDArray[np.uint8]) -> float:
    """See ``measure_appearance``; 1 for a photo without any slope."""
    height, width = luma.shape
    scale = _COPY / np.sqrt(height * width)
    if scale < 1:  # never up, because a small photo would then appear blurred
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        luma = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
    light = luma.astype(np.float32)
    crisp = _squared_slope(light)
    soft = _squared_slope(np.asarray(cv2.GaussianBlur(light, (0, 0), _REBLUR), np.float32))
    # The blurred copy, which is free of noise, locates the edges.
    place = int((1 - _EDGES) * soft.size)
    edges = soft >= np.partition(soft, place, axis=None)[place]
    remains = float(soft[edges].sum())
    return float(crisp[edges].sum()) / remains if remains > 0 else 1.0


def _squared_slope(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """(height, width): the squared slope of the brightness per pixel."""
    east = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=1 / 8)
    south = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(east * east + south * south, np.float32)
