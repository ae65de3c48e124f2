"""One look at a decoded photo: how bright, how sharp, and a thumbnail of it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.data.reading.images import fit_to

THUMBNAIL = 64  # pixels a side
BLACK, WHITE = 8, 247  # luma up to which a pixel is as good as black, from which as white

# Sharpness is measured on a copy of as many pixels as a square of that side has.
_COPY = 256
_REBLUR = 1.5  # sigma in pixels of the copy
_EDGES = 0.2  # share of the pixels, those with the steepest slopes, that are measured


@dataclass(frozen=True)
class Appearance:
    """Brightness and contrast are mean and standard deviation of the luma, 0..255.

    ``dark`` and ``bright`` are the shares of pixels that are as good as black or white;
    ``sharpness`` is explained at ``look_at``; ``colour`` is the mean distance of the channels
    from grey (0 for a grey photo stored as RGB). ``thumbnail`` is the whole photo squeezed to
    (64, 64, 3) uint8 RGB by area averages.
    """

    brightness: float
    contrast: float
    dark: float
    bright: float
    sharpness: float
    colour: float
    thumbnail: NDArray[np.uint8]


def look_at(image: NDArray[np.uint8]) -> Appearance:
    """What ``image``, (height, width, 3) uint8 RGB, looks like.

    ``sharpness`` is how many times more energy the slopes at edges have than after one more
    blur: 1 where that blur changes nothing any more, below 2 for a soft photo, 3 or 4 for a
    crisp or grainy one. The idea is that of S. Zhuo and T. Sim, "Defocus map estimation from
    a single image" (Pattern Recognition, 2011): at a step that a lens has blurred with sigma
    s, a further blur of sigma r divides the squared slope by (s^2 + r^2) / s^2 in the middle
    and, as it makes the edge as much wider, by the root of that over the whole edge. So s is
    r / sqrt(sharpness^2 - 1), with r = 1.5 pixels. A ratio cancels brightness and contrast;
    edges stand out of noise; and larger photos are first averaged down to 256 by 256 pixels
    or as many, so that size hardly counts. What a photo shows does count: compare only photos
    of the same kind.
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
    """See ``look_at``; 1 for a photo without any slope."""
    height, width = luma.shape
    scale = _COPY / np.sqrt(height * width)
    if scale < 1:  # never up: that would call a small photo blurred
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        luma = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
    light = luma.astype(np.float32)
    crisp = _squared_slope(light)
    soft = _squared_slope(np.asarray(cv2.GaussianBlur(light, (0, 0), _REBLUR), np.float32))
    # The blurred copy says where the edges are: noise is gone from it.
    place = int((1 - _EDGES) * soft.size)
    edges = soft >= np.partition(soft, place, axis=None)[place]
    remains = float(soft[edges].sum())
    return float(crisp[edges].sum()) / remains if remains > 0 else 1.0


def _squared_slope(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """(height, width): the square of how steeply the light rises, per pixel."""
    east = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=1 / 8)
    south = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(east * east + south * south, np.float32)
