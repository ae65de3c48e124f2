"""The geometry of a photo of the sample: pose, projection and shadows."""

from dataclasses import dataclass

import cv2
import numpy as np

from fastdefect.aliases import Floats
from fastdefect.sample.part import BASE, REACH, Map, Surface, soft_step

_HIGHEST = 0.06  # height of hub and collar above the flange


@dataclass(frozen=True)
class Pose:
    """The pose of the part: centre and outer radius in pixels of the raster, rotation in radians.

    ``tilt`` is the shift (x, y) in the picture of a point one unit higher, because the camera is
    not exactly above the background.
    """

    centre: tuple[float, float]
    radius: float
    turn: float
    tilt: tuple[float, float]

    def matrix(self) -> Floats:
        """Part to raster, (2, 2): rotated, foreshortened along the tilt, scaled; never mirrored."""
        slant = float(np.hypot(*self.tilt))
        along = np.array(self.tilt) / max(slant, 1e-9)
        shrink = 1 / np.hypot(1, slant) - 1
        foreshortened = np.eye(2) + shrink * np.outer(along, along)
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        turned = np.array([[cos, -sin], [sin, cos]])
        return np.asarray(self.radius * foreshortened.dot(turned))


@dataclass(frozen=True)
class Scene:
    """A part in the view of the camera: maps of the raster's shape, float32.

    ``height`` is the shape of the defect-free part on the background, ``cover`` its visible top,
    ``side`` the walls that the tilt makes visible, ``solid`` both. ``east`` and ``south`` point
    away from the axis. ``columns`` and ``rows`` are the coordinates in the part's maps of each
    pixel.
    """

    height: Map
    relief: Map
    albedo: Map
    gloss: Map
    cover: Map
    side: Map
    solid: Map
    east: Map
    south: Map
    columns: Map
    rows: Map


def draw_pose(rng: np.random.Generator, raster: int) -> Pose:
    """Draw any rotation, and size and position so that the whole part, with a burr, is visible."""
    radius = rng.uniform(0.375, 0.41)
    margin = 0.485 - 1.13 * radius
    x, y = rng.uniform(-margin, margin, 2)
    slant, towards = np.tan(rng.uniform(0.02, 0.22)), rng.uniform(0, 2 * np.pi)
    return Pose(
        centre=((0.5 + x) * raster, (0.5 + y) * raster),
        radius=radius * raster,
        turn=rng.uniform(0, 2 * np.pi),
        tilt=(float(slant * np.cos(towards)), float(slant * np.sin(towards))),
    )


class _Texels:
    """Maps pixels of the raster to texels of the part's maps, for a height above the flange."""

    def __init__(self, pose: Pose, raster: int, size: int) -> None:
        axis = np.arange(raster, dtype=np.float32) + np.float32(0.5)
        self.x, self.y = np.meshgrid(
            axis - np.float32(pose.centre[0]), axis - np.float32(pose.centre[1])
        )
        self._inverse = (np.linalg.inv(pose.matrix()) * size / (2 * REACH)).astype(np.float32)
        self._rise = (pose.radius * np.array(pose.tilt)).astype(np.float32)
        self._middle = np.float32(size / 2 - 0.5)

    def at(self, height: Map | np.float32) -> tuple[Map, Map]:
        """``(columns, rows)``, each (raster, raster)."""
        u, v = self.x - height * self._rise[0], self.y - height * self._rise[1]
        (a, b), (c, d) = self._inverse
        return a * u + b * v + self._middle, c * u + d * v + self._middle


def project(seen: Surface, sound: Surface, pose: Pose, raster: int) -> Scene:
    """Project the part into a picture of (raster, raster) points."""
    texels = _Texels(pose, raster, seen.height.shape[0])
    # The texel of a pixel depends on its height, and the height on the texel. Three iterations are
    # enough for the slopes of this part.
    height: Map = np.zeros_like(texels.x)
    for _ in range(3):
        columns, rows = texels.at(height)
        height = _look_up(seen.height, columns, rows)
    relief, albedo, gloss, cover = (
        _look_up(part, columns, rows, border=cv2.BORDER_CONSTANT)
        for part in (seen.relief, seen.albedo, seen.gloss, seen.cover)
    )
    # The body is its outline, extruded from the background, which is visible where no layer hides
    # it.
    body = np.zeros_like(cover)
    for level in np.linspace(-0.03, BASE, 6, dtype=np.float32):
        layer = _look_up(sound.cover, *texels.at(level), border=cv2.BORDER_CONSTANT)
        body = np.maximum(body, layer)
    solid = np.maximum(body, cover)
    away = np.hypot(texels.x, texels.y) + np.float32(1e-3)
    return Scene(
        height=BASE + (height - BASE) * body,
        relief=relief,
        albedo=albedo,
        gloss=gloss,
        cover=cover,
        side=solid - cover,
        solid=solid,
        east=texels.x / away,
        south=texels.y / away,
        columns=columns,
        rows=rows,
    )


def _look_up(part: Map, columns: Map, rows: Map, border: int = cv2.BORDER_REPLICATE) -> Map:
    found = cv2.remap(part, columns, rows, cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(found, np.float32)


def cast_shadows(scene: Scene, pose: Pose, azimuth: float, elevation: float) -> tuple[Map, Map]:
    """``(sun, sky)``: the visible share of the lamp and of the ambient light at each pixel, 0 to 1.

    The lamp is at ``azimuth`` and ``elevation``, radians. A point is in shadow if the height map
    rises above the ray to the lamp. Computed at half the raster, because shadows are soft.
    """
    raster = scene.height.shape[0]
    height = cv2.resize(scene.height, (raster // 2, raster // 2), interpolation=cv2.INTER_AREA)
    radius = pose.radius / 2
    rise = float(np.tan(elevation)) / radius
    longest = (_HIGHEST - BASE) / rise
    steps = int(np.ceil(longest / 1.6))
    sun = np.ones_like(height)
    for distance in np.linspace(longest / steps, longest, steps):
        x, y = -distance * np.cos(azimuth), -distance * np.sin(azimuth)
        shift = np.array([[1, 0, x], [0, 1, y]])
        nearer = cv2.warpAffine(height, shift, height.shape, borderMode=cv2.BORDER_REPLICATE)
        above = nearer - height - np.float32(distance * rise)
        sun = np.minimum(sun, 1 - soft_step(above, -0.012, 0.03))
    sun = cv2.GaussianBlur(sun, (0, 0), max(0.012 * radius, 0.4))
    sky = np.ones_like(height)
    for wide, weight in ((0.03, 8.8), (0.09, 9.9)):
        around = cv2.GaussianBlur(height, (0, 0), wide * radius, borderType=cv2.BORDER_REPLICATE)
        sky = sky / (1 + np.float32(weight) * np.maximum(around - height, 0))
    return (
        np.asarray(cv2.resize(sun, (raster, raster)), np.float32),
        np.asarray(cv2.resize(sky, (raster, raster)), np.float32),
    )
