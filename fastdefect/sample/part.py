"""The part in the sample's photos: a turned cast-iron flange, as maps seen from above.

Lengths are in units of the outer radius of the part, so that a part is the same at every size.
The maps are square, float32, and cover ``[-REACH, REACH]`` in x (right) and y (down).

All individuals have one design. They differ in the casting skin, the phase of the vanes relative
to the bolt holes, the lathe marks, stains, the dot-peened code and tolerances of about 1 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats

Map = NDArray[np.float32]  # (size, size)
Seed = int | np.random.SeedSequence

OVERSAMPLING = 2  # texels of a map, and points of the light computation, per pixel of a photo
REACH = 1.16  # the maps extend beyond the rim, because a burr protrudes
BASE = -0.24  # height of the background; the machined face of the flange is at 0
BOLTS, BOLT_CIRCLE, BOLT_RADIUS = 3, 0.83, 0.045
VANES = 7
BORE = 0.165
CODE_CIRCLE = 0.845

# The cross-section of the part, from the axis to the rim: radius, height, share of machined
# surface.
_PROFILE: tuple[tuple[float, float, float], ...] = (
    (0.000, -0.20, 0.3),
    (0.165, -0.06, 0.6),  # wall of the bore
    (0.186, 0.060, 1.0),  # chamfer, then the top of the hub
    (0.282, 0.060, 1.0),
    (0.290, 0.050, 0.8),
    (0.315, -0.10, 0.0),  # pocket, as cast
    (0.440, -0.12, 0.0),
    (0.555, -0.10, 0.0),
    (0.578, 0.050, 0.8),
    (0.586, 0.060, 1.0),  # collar
    (0.652, 0.060, 1.0),
    (0.664, 0.000, 1.0),
    (0.670, -0.015, 0.7),  # relief groove
    (0.684, -0.015, 0.7),
    (0.692, 0.000, 1.0),  # face of the flange
    (0.972, 0.000, 1.0),
    (1.000, -0.028, 0.9),  # chamfer; beyond the rim the height only matters for a burr
    (1.600, -0.028, 0.9),
)


@dataclass(frozen=True)
class Surface:
    """The visible properties of a part: five maps of one shape, float32.

    ``height`` is the shape that casts shadows, ``relief`` the fine structure on top of it.
    ``albedo`` is the share of reflected light. ``gloss`` is 1 where machined and 0 on the casting
    skin. ``cover`` is 1 where there is metal.
    """

    height: Map
    relief: Map
    albedo: Map
    gloss: Map
    cover: Map


@dataclass(frozen=True)
class Grid:
    """The texels of a map: ``x``, ``y``, and distance and angle (radians) to the axis."""

    x: Map
    y: Map
    radius: Map
    angle: Map

    @property
    def texel(self) -> float:
        """The width of one texel."""
        return 2 * REACH / self.x.shape[0]


def stream(seed: Seed, *key: int) -> np.random.Generator:
    """An independent generator for each ``key``, whatever the number and order of the calls.

    ``SeedSequence.spawn`` counts its calls, so that the order of the calls would matter.
    """
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    return np.random.default_rng(
        np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, *key))
    )


def make_grid(size: int) -> Grid:
    """The grid of a map of ``size`` by ``size`` texels."""
    axis = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1) * np.float32(REACH)
    x, y = np.meshgrid(axis, axis)
    return Grid(x, y, np.hypot(x, y), np.arctan2(y, x))


def fractal_noise(rng: np.random.Generator, size: int, cells: Sequence[int], fade: float) -> Map:
    """Noise of several grain sizes, mean about 0, standard deviation about 1, (size, size).

    ``cells`` is the number of grains along one side, octave by octave; each octave is ``fade``
    times as strong as the previous one. The draws and so the pattern do not depend on ``size``.
    """
    total = np.zeros((size, size), np.float32)
    power = 0.0
    for octave, count in enumerate(cells):
        lattice = rng.standard_normal((count, count), dtype=np.float32)
        shrinks = cv2.INTER_AREA if count > size else cv2.INTER_CUBIC
        total += fade**octave * cv2.resize(lattice, (size, size), interpolation=shrinks)
        power += fade ** (2 * octave)
    return total / np.float32(np.sqrt(power) * 0.8)  # 0.8: the part that cubic interpolation keeps


def soft_step(values: Map, start: float, end: float) -> Map:
    """0 below ``start``, 1 above ``end``, smooth between (Hermite)."""
    t = np.clip((values - np.float32(start)) / np.float32(end - start), 0, 1)
    return t * t * (3 - 2 * t)


def edge(distance: Map, texel: float) -> Map:
    """The antialiased inside of an outline: 1 where the signed ``distance`` is below 0."""
    return np.clip(0.5 - distance / np.float32(texel), 0, 1)


def make_surface(grid: Grid, seed: Seed) -> Surface:
    """The surface of the individual with ``seed``, without a defect."""
    tolerance = stream(seed, 0)
    stretch = tolerance.normal(1.0, 0.006, len(_PROFILE))
    stretch[[0, -2, -1]] = 1.0  # the axis is fixed, and the rim is the unit of length
    radii = np.maximum.accumulate([row[0] for row in _PROFILE] * stretch)
    height = _turned(grid, radii, 1)
    gloss = _turned(grid, radii, 2)
    pocket = soft_step(grid.radius, 0.29, 0.33) * (1 - soft_step(grid.radius, 0.54, 0.58))
    vanes = pocket * _vanes(grid, tolerance)
    height += 0.065 * vanes
    holes, sinks = _bolt_holes(grid, tolerance)
    height -= 0.03 * sinks
    cover = edge(grid.radius - 1, grid.texel)
    cover *= edge(np.float32(BORE * tolerance.normal(1, 0.01)) - grid.radius, grid.texel) * holes
    relief, albedo = _skin(grid, gloss, seed)
    albedo += 0.045 * vanes  # slightly brighter by wear than the floor between them
    return Surface(height, relief, albedo, gloss, cover)


def _turned(grid: Grid, radii: Floats, column: int) -> Map:
    values = [row[column] for row in _PROFILE]
    return np.interp(grid.radius, radii, values).astype(np.float32)


def _vanes(grid: Grid, rng: np.random.Generator) -> Map:
    """Curved blades in the pocket, all in one sense, so that no part is its own mirror image."""
    phase = rng.uniform(0, 2 * np.pi)
    sweep = np.float32(1.35 + rng.normal(0, 0.02))
    turns = grid.angle + sweep * np.log(np.maximum(grid.radius, 0.1)) + np.float32(phase)
    ridge = np.cos(turns * np.float32(VANES))
    return soft_step(ridge, 0.35, 0.9)


def _bolt_holes(grid: Grid, rng: np.random.Generator) -> tuple[Map, Map]:
    """``(holes, sinks)``: 0 in a through hole; 1 where its countersink is deepest."""
    centre = BOLT_CIRCLE * rng.normal(1, 0.003)
    radius = BOLT_RADIUS * rng.normal(1, 0.02)
    sector = np.float32(2 * np.pi / BOLTS)
    folded = np.mod(grid.angle + sector / 2, sector) - sector / 2
    distance = np.hypot(
        grid.radius * np.cos(folded) - np.float32(centre), grid.radius * np.sin(folded)
    )
    holes = edge(np.float32(radius) - distance, grid.texel)
    return holes, 1 - soft_step(distance, radius, radius + 0.022)


def _skin(grid: Grid, gloss: Map, seed: Seed) -> tuple[Map, Map]:
    """``(relief, albedo)``: rough and dark where cast, turned and bright where machined."""
    size = grid.x.shape[0]
    grain = fractal_noise(stream(seed, 1), size, (24, 64, 128, 256, 448), 0.85)
    blotches = fractal_noise(stream(seed, 2), size, (5, 11, 23, 47), 0.8)
    lathe = _lathe_marks(grid, stream(seed, 3))
    cast = 1 - gloss
    relief = 0.0045 * cast * grain + 0.00025 * gloss * grain
    albedo = cast * (0.06 + 0.018 * grain + 0.020 * blotches)
    albedo += gloss * (0.56 + 0.045 * lathe + 0.014 * grain + 0.016 * blotches)
    albedo *= 1 - gloss * _stains(grid, blotches, stream(seed, 4))
    peened = _code(grid, seed)
    relief -= 0.004 * peened
    albedo *= 1 - 0.25 * peened
    return relief.astype(np.float32), np.clip(albedo, 0.02, 0.95).astype(np.float32)


def _lathe_marks(grid: Grid, rng: np.random.Generator) -> Map:
    """Fine rings about a slightly eccentric axis; standard deviation about 1."""
    out, towards = 0.004 * rng.random(), rng.uniform(0, 2 * np.pi)
    radius = grid.radius + np.float32(out) * np.cos(grid.angle - np.float32(towards))
    fine, broad = rng.standard_normal(321), rng.standard_normal(31)
    rings = np.interp(radius, np.linspace(0, 1.6, 321), fine)
    rings += 0.8 * np.interp(radius, np.linspace(0, 1.6, 31), broad)
    return rings.astype(np.float32)


def _stains(grid: Grid, blotches: Map, rng: np.random.Generator) -> Map:
    """Dried coolant: a few faint stains with a darker edge, 0 (clean) to about 0.2."""
    total = np.zeros_like(grid.x)
    for _ in range(int(rng.integers(2, 5))):
        r, a = rng.uniform(0.62, 0.95), rng.uniform(0, 2 * np.pi)
        wide, strength = rng.uniform(0.05, 0.16), rng.uniform(0.07, 0.17)
        away = np.hypot(grid.x - np.float32(r * np.cos(a)), grid.y - np.float32(r * np.sin(a)))
        away = away / np.float32(wide) + 0.35 * blotches
        inside = 1 - soft_step(away, 0.8, 1.0)
        rim = np.exp(-(((away - 0.9) / 0.12) ** 2))
        total = np.maximum(total, np.float32(strength) * (0.6 * inside + 0.6 * rim))
    return total


def code_place(seed: Seed) -> tuple[float, float]:
    """The centre (x, y) of the manufacturer's code: on the flange, between two bolt holes."""
    rng = stream(seed, 5)
    angle = np.pi / BOLTS * (2 * int(rng.integers(BOLTS)) + 1) + rng.uniform(-0.2, 0.2)
    return CODE_CIRCLE * float(np.cos(angle)), CODE_CIRCLE * float(np.sin(angle))


def _code(grid: Grid, seed: Seed) -> Map:
    """A dot-peened square code, different on every part: 1 at each dot."""
    bits = (stream(seed, 6).random((10, 10)) < 0.5).astype(np.float32)
    bits[:, 0] = bits[-1, :] = 1  # the L-shaped finder pattern
    out = np.array(code_place(seed), np.float32) / np.float32(CODE_CIRCLE)
    cell = np.float32(0.0145)
    along = (grid.x * out[0] + grid.y * out[1] - np.float32(CODE_CIRCLE)) / cell + 5
    across = (grid.y * out[0] - grid.x * out[1]) / cell + 5
    row, column = np.floor(across), np.floor(along)
    inside = (row >= 0) & (row < 10) & (column >= 0) & (column < 10)
    dot = np.hypot(along - column - 0.5, across - row - 0.5)
    struck = bits[np.clip(row, 0, 9).astype(int), np.clip(column, 0, 9).astype(int)]
    return inside * struck * edge((dot - 0.38) * cell, grid.texel)
