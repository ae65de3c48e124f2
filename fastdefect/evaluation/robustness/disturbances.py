"""Disturbances that occur to photos on a production line, in graded strengths.

Each disturbance is a pure function of a photo, a strength and a generator: the same three give the
same pixels. With the same random draws, a higher strength has the same effect, only stronger.
Lengths in pixels are for a photo with a shorter side of 224 and scale with that side. Pixels from
outside the photo are the mirror image of its edge, because a black border would be a feature of its
own.

A photo with equal channels, such as that of a monochrome camera, keeps them: its noise is the same
in all channels, and the colour of the light does not change it.

The effects of a camera at full resolution are applied here to the photo that the model receives,
which is smaller. Noise of 15 levels is then stronger than noise of 15 levels that is averaged when
the photo is reduced; the same applies to JPEG. The bars that ``pad`` adds around a photo are
disturbed as well.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, hypot, pi, sin
from zlib import crc32

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.data.augment import camera_effects as camera
from fastdefect.data.reading.images import Pixels

_REFERENCE_SIDE = 224  # pixels
_FINE = 4  # fractional bits of the coordinates for OpenCV's drawing functions
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601

_Change = Callable[[Pixels, float, Generator], Pixels]


@dataclass(frozen=True)
class Disturbance:
    """One kind of disturbance, in ``strengths`` that lead away from ``identity``.

    The identity has no effect (JPEG: almost none) and is not in the list. The strengths go from
    weak to strong, first those below the identity, then those above. ``wording`` is the format of a
    strength in text, ``unit`` the label of a plot's axis. ``change`` takes the photo, the strength
    and the generator.
    """

    name: str
    unit: str
    wording: str
    identity: float
    strengths: tuple[float, ...]
    change: _Change = field(repr=False)

    @property
    def directions(self) -> tuple[tuple[float, ...], ...]:
        """The strengths below the identity and those above, without an empty side."""
        below = tuple(strength for strength in self.strengths if strength < self.identity)
        above = tuple(strength for strength in self.strengths if strength > self.identity)
        return tuple(side for side in (below, above) if side)

    def strength_text(self, strength: float) -> str:
        """A strength as text: ``x0.7``, ``quality 20``, ``5 % of the area``."""
        return self.wording.format(strength)

    def apply(self, image: Pixels, strength: float, rng: Generator) -> Pixels:
        """The disturbed ``image``, (height, width, 3) uint8 RGB, as a new array of this shape.

        Raises ValueError for any other array.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                f"Expected a photo (height, width, 3) uint8 but got {image.shape} {image.dtype}"
            )
        return self.change(image, strength, rng)


def generator(seed: int, name: str, strength_index: int, position: int) -> Generator:
    """The random generator for one disturbed photo; it does not depend on earlier draws.

    ``strength_index`` is the index in ``Disturbance.strengths``, ``position`` that of the photo.
    """
    return np.random.default_rng((seed, crc32(name.encode()), strength_index, position))


# ---- light: each pixel by itself


def _looked_up(image: Pixels, values: Floats) -> Pixels:
    """Apply ``values`` (256,), the new values of the levels 0 to 255, then round and clip."""
    return np.asarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)[image])


_LEVELS = np.arange(256, dtype=np.float64)


def _brightness(image: Pixels, factor: float, rng: Generator) -> Pixels:
    return _looked_up(image, factor * _LEVELS)


def _contrast(image: Pixels, factor: float, rng: Generator) -> Pixels:
    # Around the photo's own mean; around 128, lower contrast would make a dark photo brighter.
    mean = float(image.reshape(-1, 3).mean(axis=0) @ _LUMA)
    return _looked_up(image, mean + factor * (_LEVELS - mean))


def _colour_temperature(image: Pixels, kelvin: float, rng: Generator) -> Pixels:
    """The light of a black body of ``kelvin`` with a white balance of 6,500 K.

    Planck's law at 600, 540 and 450 nm, near the peaks of a camera's red, green and blue. The
    brightness of a grey surface does not change. Gains apply to linear light; pixel values are its
    2.2nd root.
    """
    if _is_grey(image):
        return image.copy()
    metres = np.array([600e-9, 540e-9, 450e-9])

    def radiance(temperature: float) -> Floats:
        return np.asarray(1 / np.expm1(0.01438777 / (metres * temperature)))

    gains = (radiance(kelvin) / radiance(6500.0)) ** (1 / 2.2)
    return _rounded(image * (gains / (gains @ _LUMA)))


def _uneven_light(image: Pixels, share: float, rng: Generator) -> Pixels:
    """One side of the photo is brighter by ``share``, the opposite side darker by ``share``."""
    across, down = _from_the_middle(image)
    angle = rng.uniform(0, 2 * pi)
    slope = cos(angle) * across + sin(angle) * down
    return _rounded(image * (1 + share * slope / np.abs(slope).max())[..., None])


def _vignette(image: Pixels, share: float, rng: Generator) -> Pixels:
    """The corners are darker by ``share``, with the square of the distance from the centre."""
    across, down = _from_the_middle(image)
    return _rounded(image * (1 - share * (across**2 + down**2) / 2)[..., None])


def _from_the_middle(image: Pixels) -> tuple[Floats, Floats]:
    """Columns and rows from -1 to 1, in shapes that broadcast to (height, width)."""
    height, width = image.shape[:2]
    return np.linspace(-1, 1, width)[None, :], np.linspace(-1, 1, height)[:, None]


def _rounded(values: Floats) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _is_grey(image: Pixels) -> bool:
    return bool((image == image[..., :1]).all())


# ---- camera: focus, motion, noise, compression


def _scale(image: Pixels) -> float:
    return min(image.shape[:2]) / _REFERENCE_SIDE


def _blur(image: Pixels, sigma: float, rng: Generator) -> Pixels:
    pixels = sigma * _scale(image)
    # OpenCV chooses its own sigma if it is 0.
    return np.asarray(cv2.GaussianBlur(image, (0, 0), pixels) if pixels > 0 else image.copy())


def _motion_blur(image: Pixels, length: float, rng: Generator) -> Pixels:
    """Spread each point along a line of ``length`` in a random direction."""
    angle = rng.uniform(0, pi)
    half = length * _scale(image) / 2
    reach = int(np.ceil(half)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    for place in np.linspace(-half, half, 8 * reach + 1):
        x, y = reach + place * cos(angle), reach + place * sin(angle)
        column, row = int(x), int(y)
        right, below = x - column, y - row
        kernel[row : row + 2, column : column + 2] += np.outer(
            (1 - below, below), (1 - right, right)
        )
    kernel /= kernel.sum()
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101))


def _noise(image: Pixels, sd: float, rng: Generator) -> Pixels:
    height, width = image.shape[:2]
    drawn = rng.standard_normal((height, width, 1 if _is_grey(image) else 3))
    return _rounded(image + sd * drawn)


# ---- pose: position, angle and size of the part


def _moved(image: Pixels, matrix: Floats) -> Pixels:
    height, width = image.shape[:2]
    mirror = cv2.BORDER_REFLECT_101
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=mirror))


def _about_the_middle(image: Pixels, degrees: float, scale: float) -> Pixels:
    height, width = image.shape[:2]
    middle = ((width - 1) / 2, (height - 1) / 2)
    return _moved(image, np.asarray(cv2.getRotationMatrix2D(middle, degrees, scale)))


def _turn(image: Pixels, degrees: float, rng: Generator) -> Pixels:
    return _about_the_middle(image, degrees, 1.0)


def _size(image: Pixels, factor: float, rng: Generator) -> Pixels:
    return _about_the_middle(image, 0.0, factor)


def _shift(image: Pixels, share: float, rng: Generator) -> Pixels:
    """Move the photo by ``share`` of the shorter side in a random direction, by whole pixels."""
    angle = rng.uniform(0, 2 * pi)
    pixels = share * min(image.shape[:2])
    across, down = round(pixels * cos(angle)), round(pixels * sin(angle))
    return _moved(image, np.array([[1.0, 0.0, across], [0.0, 1.0, down]]))


# ---- objects in front of the part


def _occlusion(image: Pixels, share: float, rng: Generator) -> Pixels:
    """A plain patch of ``share`` of the area, in the photo's shape and its border colour.

    It can hide the defect; an escape then does not count against the model.
    """
    height, width = image.shape[:2]
    rows, columns = round(height * share**0.5), round(width * share**0.5)
    top = round(rng.uniform() * (height - rows))
    left = round(rng.uniform() * (width - columns))
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    covered = image.copy()
    covered[top : top + rows, left : left + columns] = _rounded(np.median(edge, axis=0))
    return covered


_DUST_TONES = (35.0, 225.0)
_DUST_COVERS = 0.85  # opacity of a speck
_HAIR_EVERY = 5


def _dust(image: Pixels, count: float, rng: Generator) -> Pixels:
    """``count`` specks, dark or light, 1.4 to 4.4 pixels wide; each fifth a hair of 12 to 40."""
    covers = {tone: np.zeros(image.shape[:2], np.uint8) for tone in _DUST_TONES}
    for number in range(round(count)):
        tone = _DUST_TONES[int(rng.uniform() < 0.5)]
        draw = rng.uniform(size=5)
        if number % _HAIR_EVERY == _HAIR_EVERY - 1:
            _draw_hair(covers[tone], draw, _scale(image))
        else:
            _draw_speck(covers[tone], draw, _scale(image))
    dusty = image.astype(np.float64)
    for tone, cover in covers.items():
        alpha = _DUST_COVERS * cover[..., None] / 255
        dusty += alpha * (tone - dusty)
    return _rounded(dusty)


def _draw_speck(cover: Pixels, draw: Floats, scale: float) -> None:
    height, width = cover.shape
    radius = max(0.5, (0.7 + 1.5 * draw[2] ** 2) * scale)  # small specks are more frequent
    x, y, fine = _fine(np.array([draw[0] * (width - 1), draw[1] * (height - 1), radius])).tolist()
    cv2.circle(cover, (x, y), fine, 255, cv2.FILLED, cv2.LINE_AA, _FINE)


def _draw_hair(cover: Pixels, draw: Floats, scale: float) -> None:
    """A quadratic Bézier curve with a random control point."""
    height, width = cover.shape
    start = draw[:2] * (width - 1, height - 1)
    length, angle = (12 + 28 * draw[2]) * scale, 2 * pi * draw[3]
    end = start + length * np.array([cos(angle), sin(angle)])
    side = np.array([start[1] - end[1], end[0] - start[0]]) / max(hypot(*(end - start)), 1e-9)
    bend = (start + end) / 2 + side * length * (draw[4] - 0.5)
    t = np.linspace(0, 1, 16)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
    thickness = max(1, round(1.1 * scale))
    cv2.polylines(cover, [_fine(curve)], False, 255, thickness, cv2.LINE_AA, _FINE)


def _fine(points: Floats) -> NDArray[np.int32]:
    return np.rint(points * 2**_FINE).astype(np.int32)


# ---- the registry: every list of disturbances comes from this declaration

_ALL = (
    Disturbance("brightness", "factor", "x{:g}", 1, (0.9, 0.7, 0.5, 1.1, 1.3, 1.5), _brightness),
    Disturbance("contrast", "factor", "x{:g}", 1, (0.85, 0.7, 0.5, 1.15, 1.3, 1.5), _contrast),
    Disturbance("gamma", "exponent", "{:g}", 1, (0.85, 0.7, 0.5, 1.2, 1.4, 2), camera.bend),
    Disturbance(
        "colour temperature", "K", "{:g} K", 6500, (5500, 4500, 3500, 8000, 10000),
        _colour_temperature,
    ),
    Disturbance("uneven light", "share, +/-", "+/-{:.0%}", 0, (0.1, 0.2, 0.3, 0.5), _uneven_light),
    Disturbance("vignette", "share off corners", "-{:.0%}", 0, (0.1, 0.25, 0.4, 0.6), _vignette),
    Disturbance("blur", "sd, px at 224", "{:g} px", 0, (0.5, 1, 2, 3, 4), _blur),
    Disturbance("motion blur", "length, px at 224", "{:g} px", 0, (2, 4, 8, 12), _motion_blur),
    Disturbance("noise", "sd, levels of 255", "{:g} of 255", 0, (5, 10, 15, 25, 40), _noise),
    Disturbance("JPEG", "quality", "quality {:g}", 100, (90, 70, 50, 30, 20, 10), camera.compress),
    Disturbance("turn", "degrees", "{:+g} degrees", 0, (-5, -10, -15, 5, 10, 15), _turn),
    Disturbance("large turn", "degrees", "{:g} degrees", 0, (45, 90, 135, 180), _turn),
    Disturbance("shift", "share of side", "{:.0%} of the side", 0, (0.02, 0.05, 0.1, 0.15), _shift),
    Disturbance("scale", "factor", "x{:g}", 1, (0.95, 0.9, 0.8, 1.05, 1.1, 1.2), _size),
    Disturbance(
        "occlusion", "share of area", "{:.0%} of the area", 0, (0.01, 0.02, 0.05, 0.1), _occlusion
    ),
    Disturbance("dust", "specks", "{:g} specks", 0, (5, 20, 50, 100), _dust),
)  # fmt: skip
DISTURBANCES: dict[str, Disturbance] = {each.name: each for each in _ALL}
