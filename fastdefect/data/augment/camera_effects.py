"""Changes of a line's camera over a year: pose, light, noise, compression.

Each function is ``change(image, strength, rng)``: a new photo of the same shape that depends only
on these three. Photos are RGB, ``(height, width, 3)``, uint8.
"""

from math import cos, radians, sin

import cv2
import numpy as np
from numpy.random import Generator

from fastdefect.aliases import Floats
from fastdefect.data.reading.images import Pixels

_WHOLE = 2 / 3  # share of rotated photos that keep their corners
_LEVELS = np.arange(256, dtype=np.float64)
_GREY_TO = 2  # maximum difference of the channels of a grey photo: CLAHE rounds in Lab


def turn(image: Pixels, degrees: float, rng: Generator) -> Pixels:
    """Rotate about the middle by less than 90 degrees; fill with the mirror image of the edge.

    Two of three photos shrink to 1 / (cos + sin), at which a square fits completely, so that a
    defect in a corner stays visible. The third keeps its size, as a tilted part does, and loses
    its corners, up to 17 % of a square. A photo without rotation does not shrink.
    """
    height, width = image.shape[:2]
    whole = 1 / (cos(radians(degrees)) + sin(radians(abs(degrees))))
    middle = ((width - 1) / 2, (height - 1) / 2)
    size = whole if rng.random() < _WHOLE else 1.0
    matrix = cv2.getRotationMatrix2D(middle, degrees, size)
    mirror = cv2.BORDER_REFLECT_101
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=mirror))


def brighten(image: Pixels, factor: float, rng: Generator) -> Pixels:
    """Multiply grey levels by ``factor``, limited so that at most half of them become white.

    An overexposed photo clips, and so does this one. If most of the metal is already near white,
    more light would leave no content in a photo that is still labelled as a defect.
    """
    counts = np.bincount(image.ravel(), minlength=256).cumsum()
    median = int(np.searchsorted(counts, counts[-1] / 2))
    return _looked_up(image, min(factor, max(1.0, 254 / max(median, 1))) * _LEVELS)


def bend(image: Pixels, gamma: float, rng: Generator) -> Pixels:
    """Raise grey levels, as shares of 255, to the power of ``gamma``; black and white stay."""
    return _looked_up(image, 255 * (_LEVELS / 255) ** gamma)


def add_noise(image: Pixels, sd: float, rng: Generator) -> Pixels:
    """Add Gaussian noise of ``sd`` grey levels, the same in all channels of a grey photo.

    Coloured noise on a grey photo would be a feature that only training photos have.
    """
    height, width = image.shape[:2]
    drawn = rng.standard_normal((height, width, 1 if _is_grey(image) else 3), dtype=np.float32)
    return np.clip(np.rint(image + np.float32(sd) * drawn), 0, 255).astype(np.uint8)


def compress(image: Pixels, quality: float, rng: Generator) -> Pixels:
    """Compress with JPEG and decode. The blocks have 8 pixels at every photo size."""
    options = [cv2.IMWRITE_JPEG_QUALITY, round(quality)]
    # OpenCV expects BGR. With RGB it would keep the detail of blue and reduce that of red.
    data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), options)[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1])


def _looked_up(image: Pixels, values: Floats) -> Pixels:
    """Map the levels 0 to 255 to ``values`` (256,), rounded and clipped."""
    return np.asarray(cv2.LUT(image, np.clip(np.rint(values), 0, 255).astype(np.uint8)))


def _is_grey(image: Pixels) -> bool:
    red, green, blue = (image[..., channel] for channel in range(3))
    highest = np.maximum(np.maximum(red, green), blue)
    return bool((highest - np.minimum(np.minimum(red, green), blue)).max() <= _GREY_TO)
