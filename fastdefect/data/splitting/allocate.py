"""Deal parts out to sides, splits or folds, so that every class keeps its proportions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastdefect.data.sampling import hash_order
from fastdefect.errors import DataError
from fastdefect.text import counted, listed


@dataclass(frozen=True)
class Group:
    """Photos that must stay together, and how many of each class they are."""

    part: str
    photos: tuple[int, ...]
    labels: Mapping[str, int]


def carve(
    groups: Sequence[Group], kept: Mapping[str, int], shares: Mapping[str, float], seed: int
) -> list[str]:
    """A side for each group: ``train`` or one of the names in ``shares``.

    ``kept`` counts photos by class that are in train already; ``shares`` (each above 0, in
    all below 1) are of these and the groups together, class by class.

    Raises ``DataError`` for a class with fewer parts than sides.
    """
    _check_enough(groups, kept, shares)
    return deal(groups, {"train": 1 - sum(shares.values()), **shares}, seed, kept)


def deal(
    groups: Sequence[Group],
    shares: Mapping[str, float],
    seed: int,
    kept: Mapping[str, int] | None = None,
    *,
    alike: bool = False,
) -> list[str]:
    """A side for each group, one of ``shares``, which add up to 1.

    ``kept`` counts photos by class that lie on the first side already. ``alike``: of sides
    that are equally good, the one with fewer photos takes the part, not the first (of folds,
    the first would else get the odd parts of every class).

    The groups are dealt out from the largest to the smallest, each to the side where it
    lessens the squared errors most, error being photos too few or too many of a class,
    weighted by one over the number wished for. With parts of one class each, no side ends
    further from its criteria than the largest part's size: to overshoot by more, a side would
    have to be chosen when full, when some other side must lack at least half the part's size
    and so is chosen first; to fall short by more, the others would have to overshoot by half
    a part each at most. Then a class that is missing somewhere is moved there (a criteria smaller
    than one part can't be met more closely).

    Raises ``DataError`` where parts of several classes can't be dealt out so that each class
    is on each side.
    """
    sides = _Sides(groups, kept or {}, shares)
    for group in sorted(groups, key=lambda group: _shuffled(group, seed)):
        costs = {side: sides.cost_of_adding(group, side) for side in sides.names}
        best = min(costs.values())
        # Up to a rounding error, or the last bits of equal costs would decide.
        ties = [s for s in sides.names if costs[s] <= best + 1e-9 * alike]
        sides.add(group, min(ties, key=lambda s: sides.photos[s] * alike))
    _fill_empty(sides, groups)
    return [sides.of[group.part] for group in groups]


class _Sides:
    """How much of each class each side lacks, and which group lies where."""

    def __init__(
        self, groups: Sequence[Group], kept: Mapping[str, int], shares: Mapping[str, float]
    ) -> None:
        counts = Counter(kept)
        for group in groups:
            counts.update(group.labels)
        self.names = tuple(shares)
        first = self.names[0]
        self.criteria = {
            (s, c): share * n for s, share in shares.items() for c, n in counts.items()
        }
        self.lacks = {
            (s, c): n - kept.get(c, 0) * (s == first) for (s, c), n in self.criteria.items()
        }
        # Kept photos count as one part that can't be moved.
        self.parts = Counter({(first, c): 1 for c, n in kept.items() if n})
        self.photos = Counter[str]()
        self.of: dict[str, str] = {}

    def cost_of_adding(self, group: Group, side: str) -> float:
        """The change of the weighted squared errors: ((lack - n)^2 - lack^2) / criteria."""
        return sum(
            n * (n - 2 * self.lacks[side, c]) / self.criteria[side, c]
            for c, n in group.labels.items()
        )

    def cost_of_moving(self, group: Group, side: str) -> float:
        """The same for taking the group from where it lies and adding it to ``side``."""
        old = self.of[group.part]
        return self.cost_of_adding(group, side) + sum(
            n * (n + 2 * self.lacks[old, c]) / self.criteria[old, c]
            for c, n in group.labels.items()
        )

    def add(self, group: Group, side: str) -> None:
        self.of[group.part] = side
        self._count(group, side, 1)

    def move(self, group: Group, side: str) -> None:
        self._count(group, self.of[group.part], -1)
        self.add(group, side)

    def can_spare(self, group: Group) -> bool:
        """Whether its side keeps another part of each of its classes."""
        side = self.of[group.part]
        return all(self.parts[side, c] > 1 for c in group.labels)

    def _count(self, group: Group, side: str, sign: int) -> None:
        self.photos[side] += sign * len(group.photos)
        for c, n in group.labels.items():
            self.lacks[side, c] -= sign * n
            self.parts[side, c] += sign


def _fill_empty(sides: _Sides, groups: Sequence[Group]) -> None:
    """Move the part that disturbs least to each side that shows nothing of a class."""
    classes = sorted({c for group in groups for c in group.labels})
    for c in classes:
        for side in sides.names:
            if sides.parts[side, c]:
                continue
            spare = [g for g in groups if c in g.labels and sides.can_spare(g)]
            if not spare:
                raise DataError(
                    f"The parts of class {c} can't be dealt out to {listed(sides.names)}: "
                    f"they show other classes too, which would then be missing elsewhere.",
                    "Add parts of that class, or say in a CSV which part goes where.",
                )
            costs = [sides.cost_of_moving(group, side) for group in spare]
            sides.move(spare[costs.index(min(costs))], side)


def _check_enough(
    groups: Sequence[Group], kept: Mapping[str, int], shares: Mapping[str, float]
) -> None:
    parts = Counter(c for group in groups for c in group.labels)
    photos = Counter[str]()
    for group in groups:
        photos.update(group.labels)
    for c in sorted(parts.keys() | {c for c, n in kept.items() if n}):
        needed = len(shares) + (0 if kept.get(c) else 1)
        if parts[c] >= needed:
            continue
        have = counted(photos[c], "photo")
        if photos[c] > parts[c]:
            have = f"{counted(parts[c], 'part')} in {have}"
        raise DataError(
            f"Class {c} has {have} to be split into {listed(('train', *shares))}, but at "
            f"least {needed} are needed, one for each.",
            "Add photos of other parts, or take the class out"
            + (", or do without a test split: --test 0." if "test" in shares else "."),
        )


def _shuffled(group: Group, seed: int) -> tuple[int, str]:
    """Largest first; among equals in an order drawn with ``seed``."""
    return -len(group.photos), hash_order(group.part, seed)
