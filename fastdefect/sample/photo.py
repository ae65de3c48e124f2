"""Light, background and camera of the sample: a photo from the maps of a part.

No function here depends on whether a part is good; a defect is visible only by its effect on the
surface.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.sample.defects import Part
from fastdefect.sample.part import OVERSAMPLING, Map, Seed, fractal_noise, stream
from fastdefect.sample.scene import Pose, Scene, cast_shadows, draw_pose, project

Colour = NDArray[np.float32]  # (raster, raster, 3), linear light, 1 is white
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Photo:
    """``pixels`` (size, size, 3) uint8 RGB; ``box`` (x, y, w, h) in pixels, None for a good part.

    ``quality`` is the JPEG quality of the file.
    """

    pixels: NDArray[np.uint8]
    box: Box | None
    quality: int


@dataclass(frozen=True)
class Light:
    """A lamp (``key``), a weaker second lamp (``fill``) and ambient light (``ambient``).

    Azimuths and elevation are in radians. ``gloss`` is the sharpness of highlights on turned
    metal, ``falloff`` the loss of brightness away from the lamp, ``tint`` its colour (RGB).
    """

    azimuth: float
    elevation: float
    key: float
    fill_azimuth: float
    fill: float
    ambient: float
    gloss: float
    falloff: float
    tint: NDArray[np.float32]


def photograph(part: Part, seed: Seed) -> Photo:
    """Take one photo of ``part``; ``seed`` determines pose, light, background and camera."""
    raster = OVERSAMPLING * part.size
    pose, light = draw_pose(stream(seed, 0), raster), draw_light(stream(seed, 1))
    scene = project(part.seen, part.sound, pose, raster)
    sun, sky = cast_shadows(scene, pose, light.azimuth, light.elevation)
    metal = light_part(scene, pose, light, sun, sky) * scene.cover
    metal += light_walls(scene, pose, light, sky) * scene.side
    picture = light_background(stream(seed, 2), light, sun, sky) * (1 - scene.solid)[..., None]
    picture += metal[..., None]
    picture *= _gradient(light, raster)[..., None] * light.tint
    camera = stream(seed, 3)
    box = None if part.mark is None else _box(part.mark, scene, part.size)
    return Photo(develop(picture, camera, part.size), box, int(camera.integers(86, 96)))


def draw_light(rng: np.random.Generator) -> Light:
    """Draw a lamp above the background, never so low that shadows hide the flange."""
    azimuth = rng.normal(-2.2, 0.4)
    warm = rng.normal(0, 0.018)
    return Light(
        azimuth=azimuth,
        elevation=rng.uniform(0.75, 1.1),
        key=rng.uniform(0.85, 1.05),
        fill_azimuth=azimuth + rng.uniform(2.0, 4.2),
        fill=rng.uniform(0.12, 0.34),
        ambient=rng.uniform(0.30, 0.44),
        gloss=rng.uniform(40, 85),
        falloff=rng.uniform(0.08, 0.28),
        tint=np.array([1 + warm, 1.0, 1 - warm], np.float32),
    )


def light_part(scene: Scene, pose: Pose, light: Light, sun: Map, sky: Map) -> Map:
    """The light from the top of the part to the camera.

    The casting skin is matt (Lambert). Turned metal is a field of fine rings: it mirrors sharply
    across them and hardly along them, so a highlight fans out from the axis (G. Ward, "Measuring
    and modeling anisotropic reflection", 1992, with no roughness limit across the rings).
    """
    shape = scene.height + scene.relief
    # In units of height per unit of length. Steeper walls all look the same.
    east, south = (np.clip(slope, -1.4, 1.4) for slope in _slopes(shape, pose.radius))
    up = 1 / np.sqrt(1 + east * east + south * south)
    total = scene.albedo * light.ambient * sky * (0.55 + 0.45 * up)
    view = np.array([*pose.tilt, 1.0], np.float32)
    lamps = (
        (_direction(light.azimuth, light.elevation), light.key, sun),
        (_direction(light.fill_azimuth, 0.9), light.fill, sky),
    )
    for lamp, power, visible in lamps:
        facing = np.maximum(up * (lamp[2] - east * lamp[0] - south * lamp[1]), 0)
        half = lamp + view / np.sqrt(np.sum(view * view))
        half /= np.sqrt(np.sum(half * half))
        mirror = up * (half[2] - east * half[0] - south * half[1]) / half[2]
        mirror = np.clip(mirror, 0, 1.05)
        along_ring = scene.east * half[1] - scene.south * half[0]
        fan = np.exp(-light.gloss * along_ring * along_ring) * mirror**12
        turned = 0.14 * facing + 1.05 * fan
        cast = facing + 0.12 * mirror**6
        sent = scene.gloss * turned + (1 - scene.gloss) * cast
        total += scene.albedo * power * visible * sent
    return np.asarray(total, np.float32)


def light_walls(scene: Scene, pose: Pose, light: Light, sky: Map) -> Map:
    """The light from the walls of the rim and the bores, where the tilt makes them visible."""
    soft = cv2.GaussianBlur(scene.solid, (0, 0), max(0.02 * pose.radius, 0.6))
    east, south = _slopes(np.asarray(soft, np.float32), pose.radius)
    lamp = _direction(light.azimuth, light.elevation)
    steep = np.hypot(east, south) + np.float32(1e-3)
    facing = np.maximum(-(east * lamp[0] + south * lamp[1]) / steep, 0)
    return np.asarray(0.3 * (0.7 * light.ambient * sky + 0.9 * light.key * facing), np.float32)


def light_background(rng: np.random.Generator, light: Light, sun: Map, sky: Map) -> Colour:
    """A worn, painted surface with random grain, blotches, scuffs and specks."""
    raster = sun.shape[0]
    warm = rng.normal(0, 0.022)
    paint = rng.uniform(0.30, 0.38) * np.array([1 + warm, 1, 1 - warm], np.float32)
    grain = fractal_noise(rng, raster, (64, 128, 256), 1.0)
    blotches = fractal_noise(rng, raster, (3, 6, 13, 29), 0.75)
    top = 1 + rng.uniform(0.02, 0.05) * grain + rng.uniform(0.015, 0.045) * blotches
    for _ in range(int(rng.integers(3, 9))):  # scuffs
        length, turn = rng.uniform(0.05, 0.25), np.float32(rng.uniform(0, np.pi))
        spot, x, y = _window(rng, raster, 1.4 * length)
        u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        bent = (v + 0.6 * u * u) / 0.0028
        top[spot] += rng.uniform(-0.10, 0.14) * np.exp(-((u / length) ** 4) - bent * bent)
    for _ in range(int(rng.integers(4, 14))):  # specks
        wide = rng.uniform(0.002, 0.006)
        spot, x, y = _window(rng, raster, 3 * wide)
        top[spot] -= rng.uniform(0.1, 0.4) * np.exp(-(x * x + y * y) / wide**2)
    flat = light.key * float(np.sin(light.elevation)) + 0.7 * light.fill
    lit = (light.ambient + flat * sun) * (0.4 + 0.6 * sky)
    return np.asarray((top * lit)[..., None] * paint, np.float32)


def develop(picture: Colour, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Apply lens, sensor and tone curve: linear light to pixels (size, size, 3).

    The exposure does not depend on the picture. With metering, a defect would change all pixels.
    """
    exposure, blur, noise = rng.uniform((0.9, 0.5, 0.006), (1.08, 0.9, 0.014)).tolist()
    sharp = cv2.GaussianBlur(picture, (0, 0), blur * size / 256 + 0.3)
    light = cv2.resize(sharp, (size, size), interpolation=cv2.INTER_AREA) * np.float32(exposure)
    grey = rng.standard_normal((size, size, 1), dtype=np.float32)
    coloured = rng.standard_normal((size, size, 3), dtype=np.float32)
    # Shot noise: it grows with the square root of the light.
    light += noise * np.sqrt(light + 0.02) * (0.8 * grey + 0.4 * coloured)
    light = np.maximum(light, 0)
    light /= np.cbrt(1 + light**3)  # highlights are compressed instead of clipped
    return np.rint(255 * light ** np.float32(1 / 2.2)).astype(np.uint8)


def _gradient(light: Light, raster: int) -> Map:
    """A brightness gradient towards the lamp, with darker corners."""
    axis = (np.arange(raster, dtype=np.float32) + 0.5) / raster - np.float32(0.5)
    x, y = axis[None, :], axis[:, None]
    lamp = _direction(light.azimuth, 0)
    slope = 1 + 2 * light.falloff * (x * lamp[0] + y * lamp[1])
    return np.asarray(slope * (1 - 0.35 * (x * x + y * y)), np.float32)


def _slopes(shape: Map, radius: float) -> tuple[Map, Map]:
    """The slopes of ``shape`` to the east and to the south, per unit of length."""
    east = cv2.Sobel(shape, -1, 1, 0, ksize=1, scale=radius / 2)
    south = cv2.Sobel(shape, -1, 0, 1, ksize=1, scale=radius / 2)
    return np.asarray(east, np.float32), np.asarray(south, np.float32)


def _direction(azimuth: float, elevation: float) -> NDArray[np.float32]:
    flat = np.cos(elevation)
    return np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], np.float32)


def _window(
    rng: np.random.Generator, raster: int, reach: float
) -> tuple[tuple[slice, slice], Map, Map]:
    """A random window of the background: its slices, and x and y from its centre."""
    middle = rng.uniform(0, 1, 2)
    first = np.maximum(np.floor((middle - reach) * raster), 0).astype(int)
    last = np.minimum(np.ceil((middle + reach) * raster), raster).astype(int)
    x, y = ((np.arange(first[i], last[i]) / raster - middle[i]).astype(np.float32) for i in (0, 1))
    return (slice(first[1], last[1]), slice(first[0], last[0])), x[None, :], y[:, None]


def _box(mark: Map, scene: Scene, size: int) -> Box:
    """The bounding box of ``mark`` in the photo, with a margin for the lens and the lit edges."""
    there = cv2.remap(mark, scene.columns, scene.rows, cv2.INTER_LINEAR) > 0.01
    pad = 1 + size // 256
    spans = []
    for axis in (0, 1):
        lines = np.flatnonzero(there.any(axis=axis)) // OVERSAMPLING
        start, end = max(int(lines[0]) - pad, 0), min(int(lines[-1]) + 1 + pad, size)
        spans.append((start, end - start))
    (x, w), (y, h) = spans
    return x, y, w, h
