"""The stress test: changed decisions and errors at increasing strengths of disturbances.

Each disturbance is applied alone. The undisturbed photos are decided once by the same predictor; a
decision flips if it differs from that one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.reading.images import Pixels
from fastdefect.evaluation.robustness.background_swap import Flips, LabelledPhotos, compare
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES, Disturbance, generator
from fastdefect.files import finite
from fastdefect.good import is_good

Decide = Callable[[NDArray[np.uint8], Sequence[int]], NDArray[np.int64]]
_BATCH = 64  # photos


@dataclass(frozen=True)
class Mistakes:
    """Escapes among the defective photos, overkill among the good ones.

    Without a good class all photos count as defective, the counts are zero and the rates NaN.
    """

    n_defective: int
    escapes: int
    n_good: int
    overkills: int
    has_good: bool = True

    @property
    def escape_rate(self) -> float:
        """The share of defective photos that are classified as good."""
        return self._rate(self.escapes, self.n_defective)

    @property
    def overkill_rate(self) -> float:
        """The share of good photos that are classified as defective."""
        return self._rate(self.overkills, self.n_good)

    def _rate(self, count: int, total: int) -> float:
        return count / total if total and self.has_good else float("nan")

    def as_json(self) -> dict[str, Any]:
        """Counts and rates; None for a rate that is not defined."""
        rates = {"escape_rate": self.escape_rate, "overkill_rate": self.overkill_rate}
        counts = ("n_defective", "escapes", "n_good", "overkills")
        return {**{name: getattr(self, name) for name in counts}, **finite(rates)}


@dataclass(frozen=True)
class StressPoint:
    """The effect of one disturbance at one ``strength`` on the decisions.

    ``flips`` counts photos. ``parts`` counts parts; a part flips if any of its photos does. Photos
    of a part are similar, and only the interval over parts takes this into account. ``to_escape``
    counts defective photos classified as defective before and as good now; ``to_overkill`` counts
    good photos classified as good before and as defective now. ``unchanged`` photos are identical
    to the undisturbed ones. If all are unchanged, the disturbance has no effect on such photos, and
    the absence of flips proves nothing.
    """

    strength: float
    flips: Flips
    parts: Flips
    mistakes: Mistakes
    to_escape: int
    to_overkill: int
    unchanged: int

    def as_json(self) -> dict[str, Any]:
        """The form in the run's files."""
        return {
            "strength": self.strength,
            "flips": self.flips.as_json(),
            "parts": self.parts.as_json(),
            **self.mistakes.as_json(),
            "to_escape": self.to_escape,
            "to_overkill": self.to_overkill,
            "unchanged": self.unchanged,
        }


@dataclass(frozen=True)
class StressLine:
    """One disturbance, with a point for each strength in their order."""

    disturbance: Disturbance
    points: tuple[StressPoint, ...]

    @property
    def acts(self) -> bool:
        """Whether any photo changed at any strength."""
        return any(point.unchanged < point.flips.n for point in self.points)

    @property
    def directions(self) -> tuple[tuple[StressPoint, ...], ...]:
        """The points below the disturbance's identity and those above, weakest first."""
        by_strength = {point.strength: point for point in self.points}
        return tuple(
            tuple(by_strength[strength] for strength in strengths)
            for strengths in self.disturbance.directions
        )

    def as_json(self) -> dict[str, Any]:
        """The form in the run's files."""
        return {
            "disturbance": self.disturbance.name,
            "unit": self.disturbance.unit,
            "identity": self.disturbance.identity,
            "points": [point.as_json() for point in self.points],
        }


@dataclass(frozen=True)
class StressReport:
    """All results of a stress test; ``undisturbed`` has the errors on the unchanged photos."""

    n: int
    n_parts: int
    seed: int
    undisturbed: Mistakes
    lines: tuple[StressLine, ...]

    def as_json(self) -> dict[str, Any]:
        """The form in the run's files."""
        return {
            "n": self.n,
            "n_parts": self.n_parts,
            "seed": self.seed,
            "undisturbed": self.undisturbed.as_json(),
            "disturbances": [line.as_json() for line in self.lines],
        }


def stress(
    decide: Decide,
    photos: LabelledPhotos,
    *,
    parts: Sequence[str],
    seed: int,
    disturbances: Sequence[Disturbance] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> StressReport:
    """Apply each disturbance at each strength to the photos, and decide again.

    ``decide`` maps photos (n, height, width, 3) uint8 and their positions in ``photos`` to
    decisions (n,), class indices. ``parts`` (n,) names the part of each photo. ``seed``, the
    disturbance, its strength and the photo's position determine the random draws. The default
    for ``disturbances`` is all of them. ``on_step`` receives the number of predictions done and
    their total; each photo counts once for each strength.

    Raises ``ValueError`` if the lengths differ or there is no photo.
    """
    y_true, n = photos.y_true, len(photos)
    if not n or not n == len(y_true) == len(parts):
        raise ValueError(
            f"Expected as many labels and parts as photos, and at least one, got "
            f"{len(y_true)}, {len(parts)} and {n}"
        )
    if disturbances is None:
        disturbances = tuple(DISTURBANCES.values())
    total = n * (1 + sum(len(each.strengths) for each in disturbances))
    decider = _Decider(decide, photos, total, on_step)
    part = np.unique(np.asarray(parts), return_inverse=True)[1]
    before, _ = decider.decisions(lambda photo, position: photo)
    lines = []
    for disturbance in disturbances:
        points = []
        for index, strength in enumerate(disturbance.strengths):
            change = partial(_disturbed, photos, disturbance, index, seed)
            after, unchanged = decider.decisions(change)
            points.append(_point(strength, photos, part, before, after, unchanged))
        lines.append(StressLine(disturbance, tuple(points)))
    undisturbed = _mistakes(photos, before)
    return StressReport(n, int(part.max()) + 1, seed, undisturbed, tuple(lines))


def _disturbed(
    photos: LabelledPhotos,
    disturbance: Disturbance,
    index: int,
    seed: int,
    photo: Pixels,
    position: int,
) -> Pixels:
    def change(tile: Pixels) -> Pixels:
        rng = generator(seed, disturbance.name, index, position)  # alike in all tiles
        return disturbance.apply(tile, disturbance.strengths[index], rng)

    return photos.each_tile(photo, change)


@dataclass
class _Decider:
    """Decides on all photos repeatedly, in batches, and reports its progress."""

    decide: Decide
    photos: LabelledPhotos
    total: int
    on_step: Callable[[int, int], None] | None
    done: int = 0

    def decisions(self, change: Callable[[Pixels, int], Pixels]) -> tuple[NDArray[np.int64], int]:
        """(n,) decisions on changed photos, and the number of photos without a change."""
        n, unchanged = len(self.photos), 0
        decided = np.empty(n, np.int64)
        for start in range(0, n, _BATCH):
            batch = range(start, min(start + _BATCH, n))
            before = [self.photos[position] for position in batch]
            after = [change(photo, place) for photo, place in zip(before, batch, strict=True)]
            unchanged += sum(map(np.array_equal, before, after))
            decided[batch.start : batch.stop] = self.decide(np.stack(after), batch)
            self.done += len(batch)
            if self.on_step:
                self.on_step(self.done, self.total)
        return decided, unchanged


def _point(
    strength: float,
    photos: LabelledPhotos,
    part: NDArray[np.int64],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    unchanged: int,
) -> StressPoint:
    """Count the changes from ``before`` to ``after``; ``part`` (n,) numbers the parts from 0."""
    swapped = compare(photos.y_true, before, after, photos.good)
    flipped = np.bincount(part, weights=before != after) > 0
    return StressPoint(
        strength=strength,
        flips=swapped.all,
        parts=Flips(len(flipped), int(flipped.sum())),
        mistakes=_mistakes(photos, after),
        to_escape=swapped.to_escape,
        to_overkill=swapped.to_overkill,
        unchanged=unchanged,
    )


def _mistakes(photos: LabelledPhotos, decided: NDArray[np.int64]) -> Mistakes:
    y_true, good = photos.y_true, photos.good
    if not good:
        return Mistakes(len(y_true), 0, 0, 0, has_good=False)
    truly_good, passed = is_good(y_true, good), is_good(decided, good)
    return Mistakes(
        n_defective=int((~truly_good).sum()),
        escapes=int((~truly_good & passed).sum()),
        n_good=int(truly_good.sum()),
        overkills=int((truly_good & ~passed).sum()),
    )


# ---- limits


@dataclass(frozen=True)
class Limits:
    """The highest acceptable shares of photos; None means no limit."""

    max_flips: float | None = None
    max_escape: float | None = None
    max_overkill: float | None = None

    def broken(self, flips: float, mistakes: Mistakes) -> tuple[str, ...]:
        """The limits among "flips", "escape" and "overkill" that are exceeded."""
        found = {
            "flips": (flips, self.max_flips),
            "escape": (mistakes.escape_rate, self.max_escape),
            "overkill": (mistakes.overkill_rate, self.max_overkill),
        }
        return tuple(
            name for name, (share, most) in found.items() if most is not None and share > most
        )


@dataclass(frozen=True)
class Break:
    """How far a disturbance can go in one direction.

    ``strength`` is the first that exceeds the limits in ``broken``. It is None if all strengths are
    within the limits, and the disturbance's identity if the undisturbed photos already exceed them.
    ``held`` is the strongest before it, None if there is none. ``end`` is the strongest strength
    that was tried.
    """

    disturbance: Disturbance
    strength: float | None
    broken: tuple[str, ...]
    held: float | None
    end: float

    def as_json(self) -> dict[str, Any]:
        """The form in the run's files."""
        return {
            "disturbance": self.disturbance.name,
            "strength": self.strength,
            "broken": list(self.broken),
            "held": self.held,
            "end": self.end,
        }


def first_breaks(report: StressReport, limits: Limits) -> tuple[Break, ...]:
    """For each disturbance and direction, the first strength that exceeds a limit.

    Strengths go from weak to strong; a strength beyond a break does not count. The observed shares
    are compared with the limits, not the ends of their intervals, so with few photos "holds" is
    weak evidence. A rate that is not defined exceeds nothing.
    """
    already = limits.broken(0.0, report.undisturbed)
    return tuple(
        _first_break(line.disturbance, points, limits, already)
        for line in report.lines
        for points in line.directions
    )


def _first_break(
    disturbance: Disturbance,
    points: Sequence[StressPoint],
    limits: Limits,
    already: tuple[str, ...],
) -> Break:
    end = points[-1].strength
    if already:
        return Break(disturbance, disturbance.identity, already, None, end)
    held = None
    for point in points:
        broken = limits.broken(point.flips.share, point.mistakes)
        if broken:
            return Break(disturbance, point.strength, broken, held, end)
        held = point.strength
    return Break(disturbance, None, (), held, end)
