"""Rendered photos of known parts in memory, and what may happen to a photo afterwards."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.data.reading.images import decode_photo
from fastdefect.sample.render import Defect, photograph, render_part
from helpers.encode import encode

Pixels = NDArray[np.uint8]


@cache
def shots(part: int, each: int, size: int = 192) -> tuple[Pixels, ...]:
    """``each`` photos of a part; odd parts are defective."""
    defect = Defect("scratch", 2) if part % 2 else None
    rendered = render_part(np.random.SeedSequence([41, part]), size=size, defect=defect)
    photos = (
        photograph(rendered, np.random.SeedSequence([41, part, shot])).pixels
        for shot in range(each)
    )
    return tuple(photos)


def moved(
    image: Pixels,
    degrees: float = 0.0,
    scale: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Pixels:
    """Turned about its middle, scaled and shifted (pixels); the border is drawn out."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    matrix[:, 2] += shift
    turned = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(turned, np.uint8)


def mirrored(image: Pixels) -> Pixels:
    return np.ascontiguousarray(image[:, ::-1])


def relit(image: Pixels, gain: float = 1.0, gamma: float = 1.0) -> Pixels:
    light = gain * (image / 255) ** gamma
    return np.rint(255 * np.clip(light, 0, 1)).astype(np.uint8)


def recompressed(image: Pixels, quality: int) -> Pixels:
    return decode_photo(encode(image, "JPEG", quality=quality), "recompressed.jpg")
