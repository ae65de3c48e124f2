"""The border light of a photo: measured, and transferred to another photo.

The position of the part is unknown, but the outer ring of a photo shows mostly background, and a
model that uses the background uses its light. ``measure_border`` measures that light. ``relight``
gives a photo the light of another one: fully at the border and less towards the middle, so that
the part keeps its appearance. A gain over the whole photo would be wrong: if good parts are on
white paper and defective ones on a grey background, it would only bleach the metal.

Only the light changes. The material of the background, its texture beyond a gamma, shadows and
objects on it remain. Where a surface fills the photo, the border belongs to that surface.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.data.reading.images import PADDING, Pixels

Field = NDArray[np.float32]

# Where the light is measured, in shares of a photo's side: depth, and position along an edge. The
# side pieces are beside the middle of an edge, which a large round part may touch.
_RING = 0.06
_CORNERS = (0.0, 0.2)
_SIDES = (0.2, 0.32)
# Distance from the middle, 1 at an edge, of full and of no new light.
_FULL, _NONE = 0.88, 0.3
_MOST_GAIN = 4.0  # a darker background is lifted instead of amplifying its noise further
_PLAIN = 0.005  # contrast of a background without texture, whose noise must not affect the gamma
_GAMMAS = (2 / 3, 3 / 2)
_VIGNETTES = (0.5, 2.0)
_KNEE = 0.2  # share of the range above the background: highlights beyond it are compressed


@dataclass(frozen=True)
class BorderLight:
    """The light at the border of a photo.

    ``level`` is its brightness by channel, 1 to 255. ``contrast`` is the mean deviation of its
    texture relative to its brightness, which a gamma multiplies. ``vignette`` is the brightness
    of the corners relative to that of the sides.
    """

    level: tuple[float, float, float]
    contrast: float
    vignette: float


def measure_border(image: Pixels) -> BorderLight:
    """Measure the light at the border of ``image``, (height, width, 3) uint8, without padding.

    A part that extends into the border has little effect: each piece of the border contributes
    the mean of its middle half, and the result is the median of eight corner pieces and eight
    side pieces. The texture is that of the corners, which parts rarely reach.
    """
    inside = image[_content(image)]
    corners, sides = _pieces(inside, _CORNERS), _pieces(inside, _SIDES)
    corner, side = (
        np.maximum(np.median(np.concatenate([_midmeans(some) for some in both]), axis=0), 1.0)
        for both in (corners, sides)
    )
    level = np.sqrt(corner * side)
    return BorderLight(
        level=(float(level[0]), float(level[1]), float(level[2])),
        contrast=float(np.median([_contrasts(some) for some in corners])),
        vignette=float(np.exp(np.log(corner / side).mean())),
    )


def relight(image: Pixels, own: BorderLight, target: BorderLight, strength: float = 1.0) -> Pixels:
    """Change the border light of ``image`` from ``own`` to ``target``; return a new array.

    Border brightness, contrast (by a gamma) and vignette become those of the target. Padding
    remains. No pixel clips: where the photo becomes brighter, highlights are compressed and white
    stays white. ``strength`` scales the change from 0 (none) to 1 (full).
    """
    changed = image.copy()
    if own == target or strength == 0:
        return changed
    inside = changed[_content(image)]
    weight, falloff = _fields(*inside.shape[:2])
    gamma = np.clip((target.contrast + _PLAIN) / (own.contrast + _PLAIN), *_GAMMAS)
    # The effect of the curves on the photo's own vignette.
    slopes = [
        gamma * before / (before + _offset(before, after))
        for before, after in zip(own.level, target.level, strict=True)
    ]
    vignette = np.clip(target.vignette / own.vignette ** np.mean(slopes), *_VIGNETTES)
    curves = [
        _tone_curve(before, after, float(gamma))
        for before, after in zip(own.level, target.level, strict=True)
    ]
    # Where the vignette darkens, it multiplies. Where it brightens, the effect is full at the level
    # of the background and decreases towards white: y + (v - 1) y (255 - y) / (255 - level).
    headroom = [max(255.0 - level, 1.0) for level in target.level]
    lifts = [y * (255 - y) / r for y, r in zip(curves, headroom, strict=True)]
    shade = vignette**falloff
    full = weight * np.float32(strength)
    lift = np.clip(shade - 1, 0, min(headroom) / 255)  # keeps the curve monotonic
    lit = cv2.LUT(inside, _table(curves)) * (full * np.minimum(shade, 1))[..., None]
    lit += cv2.LUT(inside, _table(lifts)) * (full * lift)[..., None]
    lit += inside * (1 - full)[..., None]
    inside[:] = np.rint(lit, out=lit)
    return changed


def expose(image: Pixels, gain: float, gamma: float) -> Pixels:
    """Change the exposure of the whole photo: mid-grey times ``gain``, then a ``gamma`` around it.

    Black stays black, and no pixel clips.
    """
    curve = _tone_curve(128.0, 128.0 * gain, gamma)
    return np.asarray(cv2.LUT(image, np.rint(curve).astype(np.uint8)))


def _tone_curve(before: float, after: float, gamma: float) -> Floats:
    """The new values, (256,), of the grey levels 0 to 255; ``before`` becomes ``after``.

    Up to ``before`` the curve is a power law. Above, it is a straight line of the same slope. A
    line that would exceed the grey scale continues from the knee straight to white, so that
    bright metal on a brightened background keeps most of its contrast.
    """
    after = min(after, 254.0)
    grey = np.arange(256, dtype=np.float64)
    offset = _offset(before, after)
    below = after * ((np.minimum(grey, before) + offset) / (before + offset)) ** gamma
    slope = max(gamma * after / (before + offset), 1 / _MOST_GAIN)
    headroom = 255 - after
    above = np.maximum(grey - before, 0) * slope / headroom
    highest = (255 - before) * slope / headroom
    if highest > 1:
        beyond = (above - _KNEE) / (highest - _KNEE)
        above = np.minimum(above, _KNEE + (1 - _KNEE) * np.maximum(beyond, 0))
    return np.asarray(below + headroom * above)


def _offset(before: float, after: float) -> float:
    """The offset for a gain above the maximum: black is then lifted, not multiplied."""
    return max(0.0, after / _MOST_GAIN - before)


def _table(curves: list[Floats]) -> Field:
    """Three curves as a lookup table of OpenCV, (1, 256, 3) float32."""
    return np.stack(curves, axis=1)[None].astype(np.float32)


def _content(image: Pixels) -> tuple[slice, slice]:
    """The rows and columns of a photo without the padding on two of its sides."""
    height, width = image.shape[:2]
    top = left = 0
    while top < height // 2 - 4 and (image[top] == PADDING).all():
        top += 1
    while left < width // 2 - 4 and (image[:, left] == PADDING).all():
        left += 1
    bottom, right = height, width
    while top and bottom > height // 2 + 4 and (image[bottom - 1] == PADDING).all():
        bottom -= 1
    while left and right > width // 2 + 4 and (image[:, right - 1] == PADDING).all():
        right -= 1
    return slice(top, bottom), slice(left, right)


def _pieces(
    image: NDArray[np.generic], along: tuple[float, float]
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Pieces of the border, four along rows and four along columns.

    Each result is (4, depth, length, channels). The photo is flipped so that every quarter is at
    the top left. The piece between the shares ``along`` is taken from both edges of each quarter.
    """
    height, width = image.shape[:2]
    deep, across = max(1, round(_RING * height)), max(1, round(_RING * width))
    begin, end = along
    columns = slice(round(begin * width), max(round(end * width), round(begin * width) + 1))
    rows = slice(round(begin * height), max(round(end * height), round(begin * height) + 1))
    quarters = (image, image[::-1], image[:, ::-1], image[::-1, ::-1])
    return (
        np.stack([quarter[:deep, columns] for quarter in quarters]),
        np.stack([quarter[rows, :across].swapaxes(0, 1) for quarter in quarters]),
    )


def _midmeans(pieces: NDArray[np.generic]) -> Floats:
    """(4, depth, length, channels) to (4, channels): the mean of the middle half of the pixels."""
    pixels = pieces.reshape(4, -1, pieces.shape[-1])
    n = pixels.shape[1]
    ordered = np.sort(pixels, axis=1, kind="stable")  # a radix sort for bytes
    return np.asarray(ordered[:, n // 4 : n - n // 4].mean(axis=1))


def _contrasts(pieces: NDArray[np.generic]) -> Floats:
    """(4, depth, length, channels) to (4,): mean deviation over mean, without shading.

    Shading along or across the piece is a mean of its columns or rows.
    """
    grey = pieces.sum(axis=3, dtype=np.float32)
    mean = grey.mean(axis=(1, 2), keepdims=True)
    shade = grey.mean(axis=1, keepdims=True) + grey.mean(axis=2, keepdims=True) - mean
    texture = np.abs(grey - shade).mean(axis=(1, 2))
    return np.asarray(texture / np.maximum(mean[:, 0, 0], 3.0), np.float64)


@lru_cache(maxsize=32)
def _fields(height: int, width: int) -> tuple[Field, Field]:
    """The weight of the new light and the exponent k of the vignette, for photos of this size.

    A vignette v is a factor of v ** k. It grows with the square of the distance from the middle,
    as that of a lens, and k is 1 greater in the corners than at the sides.
    """
    rows = np.abs(np.linspace(-1, 1, height))[:, None]
    columns = np.abs(np.linspace(-1, 1, width))[None]
    # A shape between a circle and a square: parts are round and in the middle, and the background
    # is visible in the corners.
    distance = (rows**4 + columns**4) ** 0.25
    t = np.clip((distance - _NONE) / (_FULL - _NONE), 0, 1)
    weight = t * t * (3 - 2 * t)
    square = rows**2 + columns**2
    corner, side = (
        np.mean([some.mean() for some in _pieces(square[..., None], where)])
        for where in (_CORNERS, _SIDES)
    )
    falloff = (square - (corner + side) / 2) / (corner - side)
    fields = weight.astype(np.float32), np.clip(falloff, -1, None).astype(np.float32)
    for field in fields:
        field.flags.writeable = False  # shared by all callers
    return fields
