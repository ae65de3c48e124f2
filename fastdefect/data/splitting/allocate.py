"""Allocate parts to splits or folds so that every class keeps its proportions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastdefect.data.sampling import hash_order
from fastdefect.errors import DataError
from fastdefect.text import counted, listed


@dataclass(frozen=True)
class Group:
    """Photos that must stay together, and the number of photos of each class."""

    part: str
    photos: tuple[int, ...]
    labels: Mapping[str, int]


def split_off(
    groups: Sequence[Group], kept: Mapping[str, int], shares: Mapping[str, float], seed: int
) -> list[str]:
    """Return a side for each group: ``train`` or one of the names in ``shares``.

    ``kept`` is the number of photos by class that are already in train. ``shares`` (each above 0,
    total below 1) refer to these photos and the groups together, class by class.

    Raises ``DataError`` for a class with fewer parts than sides.
    """
    _check_enough(groups, kept, shares)
    return allocate(groups, {"train": 1 - sum(shares.values()), **shares}, seed, kept)


def allocate(
    groups: Sequence[Group],
    shares: Mapping[str, float],
    seed: int,
    kept: Mapping[str, int] | None = None,
    *,
    alike: bool = False,
) -> list[str]:
    """Return a side for each group, one of ``shares``, which add up to 1.

    ``kept`` is the number of photos by class that are already on the first side. With ``alike``,
    equally good sides are decided by the number of photos, fewest first; otherwise the first side
    gets the part. (Without ``alike``, the first fold would get the odd parts of every class.)

    The groups are allocated from the largest to the smallest. Each goes to the side where it
    reduces the squared errors most. The error is the difference between the number of photos of a
    class and its target, and its weight is one over the target. If every part has one class, no
    side deviates from its target by more than the size of the largest part. Proof: to exceed the
    target by more, a side would have to be chosen when full, but then another side lacks at least
    half the size of the part and is chosen first. To fall short by more, the other sides would
    have to exceed their targets by half a part each at most. Finally a class that is absent from
    a side gets a part there (a target smaller than one part cannot be met more closely).

    Raises ``DataError`` if parts with several classes prevent an allocation with each class on
    each side.
    """
    sides = _Sides(groups, kept or {}, shares)
    for group in sorted(groups, key=lambda group: _allocation_order(group, seed)):
        costs = {side: sides.cost_of_adding(group, side) for side in sides.names}
        best = min(costs.values())
        # A tolerance, so that rounding errors do not decide between equal costs.
        ties = [s for s in sides.names if costs[s] <= best + 1e-9 * alike]
        sides.add(group, min(ties, key=lambda s: sides.photos[s] * alike))
    _fill_empty(sides, groups)
    return [sides.of[group.part] for group in groups]


class _Sides:
    """The side of each group, and the number of photos of each class that each side lacks."""

    def __init__(
        self, groups: Sequence[Group], kept: Mapping[str, int], shares: Mapping[str, float]
    ) -> None:
        counts = Counter(kept)
        for group in groups:
            counts.update(group.labels)
        self.names = tuple(shares)
        first = self.names[0]
        self.targets = {(s, c): share * n for s, share in shares.items() for c, n in counts.items()}
        self.lacks = {
            (s, c): n - kept.get(c, 0) * (s == first) for (s, c), n in self.targets.items()
        }
        # Kept photos count as one part that cannot be moved.
        self.parts = Counter({(first, c): 1 for c, n in kept.items() if n})
        self.photos = Counter[str]()
        self.of: dict[str, str] = {}

    def cost_of_adding(self, group: Group, side: str) -> float:
        """The change of the weighted squared errors: ((lack - n)^2 - lack^2) / target."""
        return sum(
            n * (n - 2 * self.lacks[side, c]) / self.targets[side, c]
            for c, n in group.labels.items()
        )

    def cost_of_moving(self, group: Group, side: str) -> float:
        """The change of the errors when the group moves from its side to ``side``."""
        old = self.of[group.part]
        return self.cost_of_adding(group, side) + sum(
            n * (n + 2 * self.lacks[old, c]) / self.targets[old, c] for c, n in group.labels.items()
        )

    def add(self, group: Group, side: str) -> None:
        self.of[group.part] = side
        self._count(group, side, 1)

    def move(self, group: Group, side: str) -> None:
        self._count(group, self.of[group.part], -1)
        self.add(group, side)

    def can_spare(self, group: Group) -> bool:
        """Whether the side of the group keeps another part of each class of the group."""
        side = self.of[group.part]
        return all(self.parts[side, c] > 1 for c in group.labels)

    def _count(self, group: Group, side: str, sign: int) -> None:
        self.photos[side] += sign * len(group.photos)
        for c, n in group.labels.items():
            self.lacks[side, c] -= sign * n
            self.parts[side, c] += sign


def _fill_empty(sides: _Sides, groups: Sequence[Group]) -> None:
    """Move the part with the lowest cost to each side that has no photo of a class."""
    classes = sorted({c for group in groups for c in group.labels})
    for c in classes:
        for side in sides.names:
            if sides.parts[side, c]:
                continue
            spare = [g for g in groups if c in g.labels and sides.can_spare(g)]
            if not spare:
                raise DataError(
                    f"Expected to allocate the parts of class {c} to {listed(sides.names)}, but "
                    "they also show other classes, which would then be absent from another side.",
                    "Add parts of that class, or assign the splits in a CSV.",
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
            "Add photos of other parts, or remove the class"
            + (", or use no test split: --test 0." if "test" in shares else ".")
            + " If it is a defect: --learn good needs no photos of defects.",
        )


def _allocation_order(group: Group, seed: int) -> tuple[int, str]:
    """A sort key: largest group first; groups of equal size in an order drawn with ``seed``."""
    return -len(group.photos), hash_order(group.part, seed)
