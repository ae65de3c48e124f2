"""Fewer photos to train on: what little data is worth, and so what more would be.

Both draws only take photos out of train, never out of validation or test; a smaller draw lies
within a larger one of the same seed, so that two sizes differ by what was added and by nothing
else.
"""

from collections import defaultdict
from dataclasses import replace

from fastdefect.data.photos import Manifest
from fastdefect.data.sampling import hash_order
from fastdefect.data.splitting.split import Split


def fewer(split: Split, manifest: Manifest, *, per_class: int, seed: int) -> Split:
    """At most ``per_class`` >= 1 training photos of each class; the others are on no side.

    The parts come in an order drawn with ``seed``, the same for every class, and each is taken
    whole while there is room for it; the first that isn't gives as many photos as are wanted
    still, and is the last. A class with fewer photos keeps them all. The outcome depends on
    neither the order of the photos nor the machine.
    """
    if per_class < 1:
        raise ValueError(f"Expected 1 photo of each class or more but got {per_class}")
    by_class: dict[str, list[int]] = defaultdict(list)
    for index in sorted(split.train, key=lambda index: _draw(split, manifest, index, seed)):
        by_class[manifest.photos[index].label].append(index)
    kept = (index for drawn in by_class.values() for index in drawn[:per_class])
    return replace(split, train=tuple(sorted(kept)))


def share_of_parts(split: Split, manifest: Manifest, share: float, seed: int) -> Split:
    """The ``share``, above 0 and at most 1, of each class's training parts, drawn with ``seed``.

    The photos of the other parts are on no side. Each class keeps its share of parts, rounded
    to the nearest whole part, and one at least. A part that shows several classes stays if any
    of them asks for it, so that such classes may keep a few parts more. The outcome depends on
    neither the order of the photos nor the machine.
    """
    if not 0 < share <= 1:
        raise ValueError(f"Expected a share above 0 and up to 1 but got {share}")
    parts: dict[str, set[str]] = defaultdict(set)
    for index in split.train:
        parts[manifest.photos[index].label].add(split.parts[index])
    kept = {
        part
        for shown in parts.values()
        for part in sorted(shown, key=lambda part: (_hash(part, seed), part))[
            : max(1, int(share * len(shown) + 0.5))
        ]
    }
    return replace(split, train=tuple(i for i in split.train if split.parts[i] in kept))


def _draw(split: Split, manifest: Manifest, index: int, seed: int) -> tuple[str, str, str, str]:
    """Where a photo comes in the order of all: by its part, then within its part."""
    part, name = split.parts[index], manifest.photos[index].name
    return _hash(part, seed), part, _hash(name, seed), name


def _hash(name: str, seed: int) -> str:
    # Another purpose than the split's, which deals the sides out in such an order.
    return hash_order(name, seed, "fewer/")
