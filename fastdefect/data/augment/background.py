"""The light on the bench at a photo's border: measured, and given to another photo.

Nobody knows where the part lies, but the outer ring of a photo is mostly bench, and a model
that tells classes by the bench tells them by its light. ``measure_border`` says what that light
is, ``relight`` gives a photo the light of another: full at the border, fading towards the
middle, so that the part keeps its look. A gain over the whole photo would not do: where good
parts lie on white paper and defective ones on a grey bench, it only bleaches the metal.

Light is all that changes. The bench's material, its texture beyond a gamma, shadows and what
lies on it stay; and where a surface fills the photo, the border is the surface's.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.data.reading.images import PADDING, Pixels

Field = NDArray[np.float32]

# Where the light is measured, in shares of a photo's side: how deep, and where along an edge.
# The sides lie beside the middle of an edge, which a large round part may touch.
_RING = 0.06
_CORNERS = (0.0, 0.2)
_SIDES = (0.2, 0.32)
# Distance from the middle, 1 at an edge, at which the new light is full, and where it ends.
_FULL, _NONE = 0.88, 0.3
_MOST_GAIN = 4.0  # a bench in the dark is lifted rather than its noise multiplied by more
_PLAIN = 0.005  # contrast of a bench without texture, from whose noise no gamma should follow
_GAMMAS = (2 / 3, 3 / 2)
_VIGNETTES = (0.5, 2.0)
_KNEE = 0.2  # of the room above the bench: highlights beyond it are rolled off


@dataclass(frozen=True)
class BorderLight:
    """The light at a photo's border.

    ``level`` is its brightness by channel, 1 to 255. ``contrast`` is the mean deviation of its
    texture as a share of its brightness, which a gamma multiplies. ``vignette`` is the
    brightness of its corners over that of its sides.
    """

    level: tuple[float, float, float]
    contrast: float
    vignette: float


def measure_border(image: Pixels) -> BorderLight:
    """The light at the border of ``image``, (height, width, 3) uint8, padding left out.

    A part that reaches into the border moves it little: each piece of the border says the mean
    of its middle half, and of eight corner pieces and eight side pieces the median counts.
    Texture is the corners', where parts hardly ever reach.
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
    """``image``, whose border has the light ``own``, in the light ``target``; a new array.

    Border brightness, contrast (by a gamma) and vignette become the target's; padding stays.
    Nothing clips: where the photo gets brighter, highlights are rolled off and white stays
    white. ``strength`` from 0 (as it is) to 1 (all of it) scales the change.
    """
    changed = image.copy()
    if own == target or strength == 0:
        return changed
    inside = changed[_content(image)]
    weight, falloff = _fields(*inside.shape[:2])
    gamma = np.clip((target.contrast + _PLAIN) / (own.contrast + _PLAIN), *_GAMMAS)
    # What the curves make of the photo's own vignette.
    slopes = [
        gamma * before / (before + _offset(before, after))
        for before, after in zip(own.level, target.level, strict=True)
    ]
    vignette = np.clip(target.vignette / own.vignette ** np.mean(slopes), *_VIGNETTES)
    curves = [
        _tone_curve(before, after, float(gamma))
        for before, after in zip(own.level, target.level, strict=True)
    ]
    # Where the vignette darkens, it multiplies. Where it brightens, it does so at the bench's
    # level, and ever less towards white: y + (v - 1) y (255 - y) / (255 - level).
    room = [max(255.0 - level, 1.0) for level in target.level]
    lifts = [y * (255 - y) / r for y, r in zip(curves, room, strict=True)]
    shade = vignette**falloff
    full = weight * np.float32(strength)
    lift = np.clip(shade - 1, 0, min(room) / 255)  # beyond that, brightness would fold over
    lit = cv2.LUT(inside, _table(curves)) * (full * np.minimum(shade, 1))[..., None]
    lit += cv2.LUT(inside, _table(lifts)) * (full * lift)[..., None]
    lit += inside * (1 - full)[..., None]
    inside[:] = np.rint(lit, out=lit)
    return changed


def expose(image: Pixels, gain: float, gamma: float) -> Pixels:
    """The whole photo exposed anew: mid-grey times ``gain``, then a ``gamma`` around it.

    Black stays black, and nothing clips.
    """
    curve = _tone_curve(128.0, 128.0 * gain, gamma)
    return np.asarray(cv2.LUT(image, np.rint(curve).astype(np.uint8)))


def _tone_curve(before: float, after: float, gamma: float) -> Floats:
    """What becomes of the grey levels 0 to 255, (256,), where ``before`` becomes ``after``.

    Up to that level a power law. Above it a straight line of the same slope; one that would
    leave the grey scale goes on from the knee straight to white, so that bright metal on a
    bench that becomes brighter keeps its contrast as well as it can.
    """
    after = min(after, 254.0)
    grey = np.arange(256, dtype=np.float64)
    offset = _offset(before, after)
    below = after * ((np.minimum(grey, before) + offset) / (before + offset)) ** gamma
    slope = max(gamma * after / (before + offset), 1 / _MOST_GAIN)
    room = 255 - after
    above = np.maximum(grey - before, 0) * slope / room
    highest = (255 - before) * slope / room
    if highest > 1:
        beyond = (above - _KNEE) / (highest - _KNEE)
        above = np.minimum(above, _KNEE + (1 - _KNEE) * np.maximum(beyond, 0))
    return np.asarray(below + room * above)


def _offset(before: float, after: float) -> float:
    """What a gain of more than the most becomes: black is then lifted, not multiplied."""
    return max(0.0, after / _MOST_GAIN - before)


def _table(curves: list[Floats]) -> Field:
    """Three curves as OpenCV looks them up, (1, 256, 3) float32."""
    return np.stack(curves, axis=1)[None].astype(np.float32)


def _content(image: Pixels) -> tuple[slice, slice]:
    """Rows and columns of a photo without the bars of padding on two sides of it."""
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

    Each (4, depth, length, channels): the photo is flipped so that every quarter comes to lie
    top left, and of each quarter's two edges the piece between the shares ``along`` is taken.
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
    """(4, depth, length, channels) to (4, channels): mean of the middle half of the pixels."""
    pixels = pieces.reshape(4, -1, pieces.shape[-1])
    n = pixels.shape[1]
    ordered = np.sort(pixels, axis=1, kind="stable")  # of bytes: a radix sort
    return np.asarray(ordered[:, n // 4 : n - n // 4].mean(axis=1))


def _contrasts(pieces: NDArray[np.generic]) -> Floats:
    """(4, depth, length, channels) to (4,): mean deviation over mean, shading left out.

    A shade that runs along or across the piece is a mean of its columns or rows.
    """
    grey = pieces.sum(axis=3, dtype=np.float32)
    mean = grey.mean(axis=(1, 2), keepdims=True)
    shade = grey.mean(axis=1, keepdims=True) + grey.mean(axis=2, keepdims=True) - mean
    texture = np.abs(grey - shade).mean(axis=(1, 2))
    return np.asarray(texture / np.maximum(mean[:, 0, 0], 3.0), np.float64)


@lru_cache(maxsize=32)
def _fields(height: int, width: int) -> tuple[Field, Field]:
    """For photos of this size: how much of the new light each pixel gets, and the vignette's k.

    A vignette of v shows as a factor of v ** k. It grows with the square of the distance from
    the middle, as a lens's does, and k is 1 greater in the corners than at the sides.
    """
    rows = np.abs(np.linspace(-1, 1, height))[:, None]
    columns = np.abs(np.linspace(-1, 1, width))[None]
    # Between a circle and the square: parts are round and lie in the middle, benches show in
    # the corners.
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
