"""The six defect types of the sample, painted into the maps of a part.

A defect belongs to the part: it is drawn once, in units of the part, and is the same in every
photo. It changes the fine structure and never the height that casts shadows, so that its effect
in a photo stays local.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from fastdefect.sample.part import (
    BOLT_CIRCLE,
    BOLT_RADIUS,
    BOLTS,
    OVERSAMPLING,
    Grid,
    Map,
    Seed,
    Surface,
    code_place,
    edge,
    fractal_noise,
    make_grid,
    make_surface,
    soft_step,
    stream,
)

DIFFICULTIES = (1, 2, 3)  # obvious, plain, faint
_FACE = (0.70, 0.96)  # radii of the machined face of the flange, from groove to chamfer


@dataclass(frozen=True)
class Damage:
    """The change of a surface by a defect, as maps of its shape, 0 without a change.

    ``cut`` is added to the relief. ``dark`` (0 to 1) removes light. ``bare`` (0 to 1) exposes
    fresh metal. ``metal`` (0 to 1) adds metal.
    """

    cut: Map
    dark: Map
    bare: Map
    metal: Map


@dataclass(frozen=True)
class Place:
    """The position of a defect on the face of the flange, in polar coordinates of the part."""

    radius: float
    angle: float

    @property
    def xy(self) -> tuple[np.float32, np.float32]:
        """The position in x and y."""
        return (
            np.float32(self.radius * np.cos(self.angle)),
            np.float32(self.radius * np.sin(self.angle)),
        )


@dataclass(frozen=True)
class Defect:
    """A type from ``DEFECTS`` and its visibility: 1 (obvious), 2 (plain) or 3 (faint)."""

    kind: str
    difficulty: int = 1


@dataclass(frozen=True)
class Part:
    """An individual part, for photos of ``size`` pixels a side.

    ``seen`` is its surface, and ``sound`` its surface without the defect (the same for a good
    part). ``mark`` is 1 where the two differ, or None for a good part.
    """

    seen: Surface
    sound: Surface
    mark: Map | None
    size: int


Painter = Callable[[Grid, np.random.Generator, Place, int], Damage]


def _find_place(rng: np.random.Generator, reach: float, taken: tuple[float, float]) -> Place:
    """Draw a position whose neighbourhood ``reach`` has no bolt hole and no code (at ``taken``).

    The loop terminates, because the code blocks at most one of the gaps between the holes.
    """
    while True:
        place = Place(float(rng.uniform(*_FACE)), float(rng.uniform(0, 2 * np.pi)))
        gap = np.mod(place.angle, 2 * np.pi / BOLTS) - np.pi / BOLTS
        # The middle of the gap is half a sector from the holes on either side.
        beside = np.pi / BOLTS - abs(gap)
        to_hole = np.hypot(
            place.radius * np.cos(beside) - BOLT_CIRCLE, place.radius * np.sin(beside)
        )
        x, y = place.xy
        to_code = np.hypot(x - taken[0], y - taken[1])
        inside = abs(place.radius - np.mean(_FACE)) < max(np.ptp(_FACE) / 2 - reach, 0.01)
        if inside and to_hole > BOLT_RADIUS + 0.02 + reach and to_code > 0.11 + reach:
            return place


def render_part(seed: Seed, *, size: int = 256, defect: Defect | None = None) -> Part:
    """Render the individual with ``seed``, optionally with a ``defect``, for photos of ``size``.

    The same seed without the defect gives the same individual: its twin.
    """
    grid = make_grid(OVERSAMPLING * size)
    sound = make_surface(grid, seed)
    if defect is None:
        return Part(sound, sound, None, size)
    painter, reaches = _PAINTERS[defect.kind]
    rng = stream(seed, 9)
    place = _find_place(rng, reaches[defect.difficulty - 1], code_place(seed))
    seen = _damaged(sound, painter(grid, rng, place, defect.difficulty))
    mark = np.abs(seen.relief - sound.relief) > 1e-4
    for name in ("albedo", "gloss", "cover"):
        mark |= np.abs(getattr(seen, name) - getattr(sound, name)) > 0.01
    return Part(seen, sound, mark.astype(np.float32), size)


def _damaged(surface: Surface, damage: Damage) -> Surface:
    """Apply ``damage`` to ``surface``; a hole stays a hole."""
    keep = 1 - damage.dark
    albedo = (surface.albedo + (0.8 - surface.albedo) * damage.bare) * keep + 0.02 * damage.dark
    return replace(
        surface,
        relief=surface.relief + damage.cut,
        albedo=albedo,
        gloss=surface.gloss * keep,
        cover=np.maximum(surface.cover, damage.metal),
    )


def _paint_blowhole(grid: Grid, rng: np.random.Generator, place: Place, difficulty: int) -> Damage:
    """A round gas cavity, opened by the lathe: dark, with a bright lip."""
    wide = (0.120, 0.082, 0.046)[difficulty - 1] * rng.uniform(0.92, 1.08)
    strength = (1.0, 0.9, 0.75)[difficulty - 1]
    x, y = place.xy
    lobes = rng.normal(0, 0.05, 3)
    angle = np.arctan2(grid.y - y, grid.x - x)
    outline = 1 + sum(lobe * np.cos((n + 2) * angle + n) for n, lobe in enumerate(lobes))
    away = np.hypot(grid.x - x, grid.y - y) / (np.float32(wide) * outline.astype(np.float32))
    bowl = np.clip(1 - away**2, 0, 1)
    lip = np.exp(-(((away - 1.12) / 0.12) ** 2)) * (away < 1.6)
    return Damage(
        cut=-np.float32(0.55 * wide * strength) * bowl,
        dark=np.float32(strength) * 0.93 * (1 - soft_step(away, 0.78, 1.02)),
        bare=np.float32(0.5 * strength) * lip,
        metal=np.zeros_like(away),
    )


def _paint_pinholes(grid: Grid, rng: np.random.Generator, place: Place, difficulty: int) -> Damage:
    """A cluster of fine gas pores."""
    count, spread, wide = ((34, 0.210, 0.0250), (26, 0.175, 0.0205), (12, 0.110, 0.0155))[
        difficulty - 1
    ]
    x, y = place.xy
    nearest = np.full_like(grid.x, 9.0)
    for dx, dy in np.clip(rng.normal(0, 0.45, (count, 2)), -1.05, 1.05) * spread:
        pore = wide * rng.uniform(0.6, 1.15)
        away = np.hypot(grid.x - x - np.float32(dx), grid.y - y - np.float32(dy))
        nearest = np.minimum(nearest, away / np.float32(pore))
    soft = np.float32(grid.texel / wide)
    dark = np.clip((1 - nearest) / soft + 0.5, 0, 1)
    return Damage(
        cut=np.float32(-0.5 * wide) * np.clip(1 - nearest**2, 0, 1),
        dark=np.float32((0.92, 0.88, 0.8)[difficulty - 1]) * dark,
        bare=np.zeros_like(dark),
        metal=np.zeros_like(dark),
    )


def _paint_scratch(grid: Grid, rng: np.random.Generator, place: Place, difficulty: int) -> Damage:
    """One to three straight scratches across the lathe rings: bright flanks, dark bottom."""
    length, wide, count = ((0.70, 0.036, 3), (0.56, 0.027, 3), (0.36, 0.019, 1))[difficulty - 1]
    heading = place.angle + rng.choice([-1.0, 1.0]) * rng.uniform(0.9, 1.25)
    along = np.array([np.cos(heading), np.sin(heading)])
    total = np.full_like(grid.x, 9.0)
    for line in range(count):
        middle = np.array(place.xy) + along[::-1] * [-1, 1] * (line * 0.06)
        middle = middle + along * rng.normal(0, 0.03)
        reach = length / 2 * rng.uniform(0.8, 1.0)
        ends = np.stack([middle - along * reach, middle + along * reach])
        total = np.minimum(total, _distance_to(grid, ends))
    on_face = _on_face(grid)
    flank = _line(total, wide, grid.texel) * on_face
    bottom = _line(total, wide * 0.5, grid.texel) * on_face
    strength = np.float32((1.0, 0.9, 0.75)[difficulty - 1])
    return Damage(
        cut=np.asarray(np.float32(-0.5 * wide) * strength * (flank + bottom) / 2, np.float32),
        dark=0.9 * strength * bottom,
        bare=0.85 * strength * flank,
        metal=np.zeros_like(flank),
    )


def _paint_crack(grid: Grid, rng: np.random.Generator, place: Place, difficulty: int) -> Damage:
    """A jagged dark line that runs outwards, with a branch, and becomes thinner at its end."""
    length, wide = ((0.52, 0.040), (0.42, 0.028), (0.27, 0.017))[difficulty - 1]
    start = max(_FACE[0], place.radius - length / 2)
    points = _jagged(rng, start, place.angle, length, steps=14)
    total = _line(_distance_to(grid, points[:9]), wide, grid.texel)
    total = np.maximum(total, _line(_distance_to(grid, points[8:]), wide * 0.6, grid.texel))
    if difficulty < 3:
        fork = points[6]
        radius, angle = float(np.hypot(*fork)), float(np.arctan2(fork[1], fork[0]))
        branch = _jagged(rng, radius, angle, length * 0.45, steps=7, lean=rng.choice([-1.4, 1.4]))
        total = np.maximum(total, _line(_distance_to(grid, branch), wide * 0.55, grid.texel))
    total = total * _on_face(grid)
    return Damage(
        cut=np.float32(-0.35 * wide) * total,
        dark=np.float32((0.95, 0.9, 0.82)[difficulty - 1]) * total,
        bare=np.zeros_like(total),
        metal=np.zeros_like(total),
    )


def _paint_burr(grid: Grid, rng: np.random.Generator, place: Place, difficulty: int) -> Damage:
    """Ragged flash on the rim: torn metal that extends over the background."""
    arc, wide = ((2.8, 0.125), (2.0, 0.100), (0.8, 0.050))[difficulty - 1]
    away = np.mod(grid.angle - np.float32(place.angle) + np.float32(np.pi), 2 * np.pi) - np.pi
    window = 1 - soft_step(np.abs(away), arc / 2 * 0.75, arc / 2)
    swell = np.interp(away, np.linspace(-np.pi, np.pi, 71), rng.random(71))
    teeth = np.interp(away, np.linspace(-np.pi, np.pi, 301), rng.random(301))
    ragged = np.clip(0.15 + 0.75 * swell + 0.45 * (teeth - 0.4), 0.05, 1).astype(np.float32)
    reach = window * np.float32(wide) * ragged
    outside = edge(grid.radius - 1 - reach, grid.texel) * (grid.radius > 0.985) * (reach > 0)
    torn = fractal_noise(rng, grid.x.shape[0], (48, 128), 0.9)
    root = np.exp(-(((grid.radius - 0.995) / 0.010) ** 2)) * np.clip(reach / 0.012, 0, 1)
    fresh = outside * soft_step(grid.radius, 1.0, 1.01)
    return Damage(
        cut=fresh * 0.006 * torn,
        dark=np.clip(0.7 * root + fresh * (0.45 + 0.30 * torn), 0, 0.9) * outside,
        bare=0.6 * fresh,
        metal=outside,
    )


def _paint_shrinkage(grid: Grid, rng: np.random.Generator, place: Place, difficulty: int) -> Damage:
    """A spongy patch of shrinkage porosity: ragged pores that touch each other."""
    wide = (0.230, 0.180, 0.115)[difficulty - 1] * rng.uniform(0.92, 1.08)
    strength = np.float32((1.0, 0.85, 0.7)[difficulty - 1])
    x, y = place.xy
    sponge = fractal_noise(rng, grid.x.shape[0], (40, 72, 150), 0.8)
    shape = fractal_noise(rng, grid.x.shape[0], (9, 17), 0.7)
    away = np.hypot(grid.x - x, grid.y - y) / np.float32(wide) + 0.16 * shape
    heart = (1 - soft_step(away, 0.35, 1.0)) * _on_face(grid)
    pores = soft_step(sponge + 1.9 * heart, 1.25, 1.75) * (heart > 0)
    return Damage(
        cut=-0.016 * strength * pores * heart,
        dark=strength * (0.92 * pores + 0.3 * heart * (1 - pores)),
        bare=np.zeros_like(heart),
        metal=np.zeros_like(heart),
    )


def _on_face(grid: Grid) -> Map:
    return soft_step(grid.radius, 0.692, 0.70) * (1 - soft_step(grid.radius, 0.975, 0.995))


def _line(distance: Map, wide: float, texel: float) -> Map:
    return edge(distance - np.float32(wide / 2), texel)


def _jagged(
    rng: np.random.Generator,
    radius: float,
    angle: float,
    length: float,
    steps: int,
    lean: float = 0,
) -> np.ndarray:
    """A polyline, (steps + 1, 2), from a position outwards; ``lean`` is its angle, radians."""
    headings = angle + lean + rng.uniform(-0.85, 0.85, steps)
    moves = np.stack([np.cos(headings), np.sin(headings)], axis=1)
    moves *= (length / steps) * rng.uniform(0.6, 1.4, (steps, 1))
    start = np.array([[radius * np.cos(angle), radius * np.sin(angle)]])
    return np.concatenate([start, start + np.cumsum(moves, axis=0)])


def _distance_to(grid: Grid, points: np.ndarray) -> Map:
    """The distance of each texel to the polyline through ``points`` (n, 2)."""
    nearest = np.full_like(grid.x, 9.0)
    for (x0, y0), (x1, y1) in pairwise(points):
        dx, dy = np.float32(x1 - x0), np.float32(y1 - y0)
        px, py = grid.x - np.float32(x0), grid.y - np.float32(y0)
        t = np.clip((px * dx + py * dy) / (dx * dx + dy * dy), 0, 1)
        nearest = np.minimum(nearest, np.hypot(px - t * dx, py - t * dy))
    return nearest


# For each type its painter, and the space that it needs around its position by difficulty.
_PAINTERS: dict[str, tuple[Painter, tuple[float, float, float]]] = {
    "blowhole": (_paint_blowhole, (0.13, 0.095, 0.05)),
    "pinholes": (_paint_pinholes, (0.15, 0.13, 0.10)),
    "scratch": (_paint_scratch, (0.12, 0.10, 0.09)),
    "crack": (_paint_crack, (0.11, 0.09, 0.08)),
    "burr": (_paint_burr, (0.05, 0.05, 0.05)),
    "shrinkage": (_paint_shrinkage, (0.16, 0.12, 0.10)),
}
DEFECTS = tuple(_PAINTERS)
