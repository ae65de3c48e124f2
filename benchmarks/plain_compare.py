"""A comparison of two arms of ``plain.py`` on the same held-out photos."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plain_arms import Floats, Outcome
from plain_sets import Sides

from fastdefect.evaluation.statistics.paired import Difference, Figures, paired_differences
from fastdefect.good import Good, good_indices
from fastdefect.metrics import Metrics, Weighted, measure, score

MARGIN = 0.01  # an interval may reach this far below 0
DRAWS = 2000


@dataclass(frozen=True)
class Cell:
    """The outcomes of a set and a size by arm and seed, on the held-out photos.

    ``sides`` has one division for all seeds, or three that the seeds take in turn; their
    held-out parts are disjoint. ``stressed`` holds the positions of the disturbed photos of each.
    """

    sides: tuple[Sides, ...]
    size: int | None
    stressed: tuple[tuple[int, ...], ...]
    outcomes: dict[str, dict[int, Outcome]] = field(default_factory=dict)

    @property
    def of(self) -> Sides:
        """What all divisions have in common: the set, its classes and the good class."""
        return self.sides[0]

    @property
    def name(self) -> str:
        return f"{self.of.name}, {'all' if self.size is None else f'{self.size} per class'}"

    @property
    def good(self) -> Good:
        return good_indices(self.of.classes, self.of.good_names)

    def number(self, seed: int) -> int:
        """Return the number of the division that ``seed`` takes."""
        return (seed - 1) % len(self.sides)

    def y_true(self, seed: int) -> NDArray[np.int64]:
        held_out = self.sides[self.number(seed)].held_out
        return np.array([self.of.classes.index(row.label) for row in held_out], np.int64)


@dataclass(frozen=True)
class Summary:
    """The means of an arm's metrics over the seeds of a cell; counts are numbers of photos."""

    arm: str
    seeds: tuple[int, ...]
    trained_on: float
    epochs: float
    wall: float
    cpu: float
    auc: float
    accuracy: float
    f1: float
    escapes: float
    overkills: float
    n_defective: float
    n_good: float
    flips: float | None
    flips_by_disturbance: tuple[float, ...]
    programs: tuple[str, ...]


@dataclass(frozen=True)
class Contrast:
    """The difference ``arm`` minus ``baseline`` over their common seeds.

    ``flips_ratio`` is the ratio of their flips with an interval; 1 means equal. The fields of
    flips are None if no photos were disturbed.
    """

    arm: str
    baseline: str
    seeds: tuple[int, ...]
    auc: Difference
    accuracy: Difference
    flips: Difference | None
    flips_ratio: float | None
    flips_interval: tuple[float, float] | None
    auc_by_seed: tuple[float, ...]
    accuracy_by_seed: tuple[float, ...]

    @property
    def verdicts(self) -> dict[str, bool | None]:
        """Whether each criterion is met; None if the data does not determine it."""
        return {
            "auc_above_margin": _above(self.auc),
            "auc_not_below": _not_below(self.auc),
            "accuracy_above_margin": _above(self.accuracy),
            "accuracy_not_below": _not_below(self.accuracy),
            "flips_at_most_half": None if self.flips_ratio is None else self.flips_ratio <= 0.5,
        }

    def as_json(self) -> dict[str, Any]:
        plain = asdict(self)
        plain |= {name: getattr(self, name).as_json() for name in ("auc", "accuracy")}
        plain["flips"] = self.flips.as_json() if self.flips else None
        return {**plain, "verdicts": self.verdicts}


def summary(cell: Cell, arm: str) -> Summary:
    """Return the means of an arm's metrics over its seeds."""
    of = cell.outcomes[arm]
    scored = [_scored(cell, seed, each) for seed, each in of.items()]
    flips = [each.flips.mean(axis=1) for each in of.values() if each.flips is not None]
    return Summary(
        arm,
        tuple(of),
        mean(each.trained_on for each in of.values()),
        mean(each.epochs for each in of.values()),
        mean(each.wall.total for each in of.values()),
        mean(each.cpu.total for each in of.values()),
        mean(each.auc for each in scored),
        mean(each.accuracy for each in scored),
        mean(each.f1 for each in scored),
        mean(each.escapes for each in scored),
        mean(each.overkills for each in scored),
        mean(each.n_defective for each in scored),
        mean(each.n_good for each in scored),
        float(np.mean(flips)) if flips else None,
        tuple(np.mean(flips, axis=0).tolist()) if flips else (),
        tuple(sorted({each.program for each in of.values()})),
    )


def contrast(cell: Cell, arm: str, baseline: str, *, draws: int = DRAWS) -> Contrast | None:
    """Compare the arms, paired by part and seed; None if they have no common seed.

    A draw takes parts with replacement, each with the predictions of its photos from all seeds
    of both arms that hold it out. A metric of a draw is its mean over the seeds.
    """
    ours, theirs = cell.outcomes.get(arm, {}), cell.outcomes.get(baseline, {})
    seeds = tuple(seed for seed in ours if seed in theirs)
    if not seeds:
        return None
    before, after = ({seed: of[seed] for seed in seeds} for of in (theirs, ours))
    places, parts = _places(cell, seeds)
    found = paired_differences(
        _pooled(cell, before, places), _pooled(cell, after, places), parts, draws=draws, seed=0
    )
    by_seed = [_by_seed(cell, seed, before[seed], after[seed]) for seed in seeds]
    return Contrast(
        arm,
        baseline,
        seeds,
        found["auc"],
        found["accuracy"],
        found.get("flips"),
        *_ratio_of(found),
        tuple(each["auc"] for each in by_seed),
        tuple(each["accuracy"] for each in by_seed),
    )


def _places(cell: Cell, seeds: Sequence[int]) -> tuple[Mapping[int, slice], list[str]]:
    """Return the parts of all held-out photos of ``seeds``, and each seed's slice of them."""
    slices: dict[int, slice] = {}
    parts: list[str] = []
    for number in dict.fromkeys(map(cell.number, seeds)):
        start = len(parts)
        parts += [row.part for row in cell.sides[number].held_out]
        slices[number] = slice(start, len(parts))
    return {seed: slices[cell.number(seed)] for seed in seeds}, parts


def _pooled(cell: Cell, outcomes: Mapping[int, Outcome], places: Mapping[int, slice]) -> Figures:
    """Return a function from weights (draws, n) to metrics, as means over the outcomes."""
    shares = {
        seed: each.flips.mean(axis=0) for seed, each in outcomes.items() if each.flips is not None
    }

    def of(weights: Floats) -> Mapping[str, Floats]:
        each = []
        for seed, o in outcomes.items():
            drawn = weights[:, places[seed]]
            told = o.y_prob.argmax(axis=1)
            each.append(measure(Weighted(drawn, cell.y_true(seed), o.y_prob, told, cell.good)))
        found = {name: np.mean([f[name] for f in each], axis=0) for name in ("auc", "accuracy")}
        if len(shares) == len(outcomes):
            flips = _flips(cell, weights, shares, places)
            # The interval of a ratio is symmetric in its logarithm; without flips it is undefined.
            logs = np.log(np.where(flips > 0, flips, np.nan))
            found |= {"flips": flips, "log_flips": logs}
        return found

    return of


def _flips(
    cell: Cell, weights: Floats, shares: Mapping[int, Floats], places: Mapping[int, slice]
) -> Floats:
    """Return the share of changed decisions of each draw (draws,), over all disturbed photos.

    ``shares`` has, for each seed, the share of disturbances that change each disturbed photo.
    """
    changed = total = np.zeros(len(weights))
    for seed, share in shares.items():
        shown = weights[:, places[seed]][:, list(cell.stressed[cell.number(seed)])]
        changed = changed + shown @ share
        total = total + shown.sum(axis=1)
    return np.where(total > 0, changed, np.nan) / np.maximum(total, 1)


def _ratio_of(
    found: Mapping[str, Difference],
) -> tuple[float | None, tuple[float, float] | None]:
    if "flips" not in found:
        return None, None
    before, after = found["flips"].before, found["flips"].after
    ratio = after / before if before > 0 else None
    interval = found["log_flips"].interval
    if ratio is None or interval is None:
        return ratio, None
    return ratio, (float(np.exp(interval[0])), float(np.exp(interval[1])))


def _scored(cell: Cell, seed: int, of: Outcome) -> Metrics:
    return score(cell.y_true(seed), of.y_prob, cell.of.classes, cell.of.good_names)


def _by_seed(cell: Cell, seed: int, old: Outcome, new: Outcome) -> dict[str, float]:
    before, after = (_scored(cell, seed, of) for of in (old, new))
    return {name: getattr(after, name) - getattr(before, name) for name in ("auc", "accuracy")}


def _above(difference: Difference) -> bool | None:
    if difference.interval is None:
        return None
    return difference.interval[0] > -MARGIN


def _not_below(difference: Difference) -> bool | None:
    return None if np.isnan(difference.difference) else difference.difference >= 0
