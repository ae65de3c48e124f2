"""Subsamples of the training photos, to measure the value of more data.

Both draws remove photos only from train, never from validation or test. A smaller draw is a
subset of a larger draw with the same seed, so that two sizes differ only by the added photos.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from fastdefect.data.photos import Manifest
from fastdefect.data.sampling import hash_order
from fastdefect.data.splitting.split import Split


def limit_per_class(split: Split, manifest: Manifest, *, per_class: int, seed: int) -> Split:
    """Keep at most ``per_class`` >= 1 training photos of each class; the others are on no side.

    The parts come in an order drawn with ``seed``, the same for every class. Each part is kept
    whole while it fits; the first part that does not fit contributes the photos still required
    and is the last one. A class with fewer photos keeps all of them. The result does not depend
    on the order of the photos or on the machine.
    """
    if per_class < 1:
        raise ValueError(f"Expected 1 or more photos of each class but got {per_class}")
    by_class: dict[str, list[int]] = defaultdict(list)
    for index in sorted(split.train, key=lambda index: _photo_order(split, manifest, index, seed)):
        by_class[manifest.photos[index].label].append(index)
    kept = (index for drawn in by_class.values() for index in drawn[:per_class])
    return replace(split, train=tuple(sorted(kept)))


def share_of_parts(split: Split, manifest: Manifest, share: float, seed: int) -> Split:
    """Keep a ``share``, above 0 and at most 1, of each class's training parts, drawn with ``seed``.

    The photos of the other parts are on no side. Each class keeps its share of parts, rounded to
    the nearest whole part, and at least one. A part with several classes is kept if one of them
    selects it, so that such classes may keep a few parts more. The result does not depend on the
    order of the photos or on the machine.
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


def without_classes(
    split: Split, manifest: Manifest, lost: Collection[str]
) -> tuple[Manifest, Split]:
    """The photos that are not of the classes ``lost``, which are no classes of the result.

    The rows of the photos in the store stay as they are.
    """
    kept = [i for i, photo in enumerate(manifest.photos) if photo.label not in lost]
    at = {old: new for new, old in enumerate(kept)}
    train, valid, test = (
        tuple(at[i] for i in side if i in at) for side in (split.train, split.valid, split.test)
    )
    others = replace(
        manifest,
        photos=tuple(manifest.photos[i] for i in kept),
        classes=tuple(each for each in manifest.classes if each not in lost),
        good=tuple(each for each in manifest.good if each not in lost),
    )
    return others, Split(train, valid, test, tuple(split.parts[i] for i in kept))


def _photo_order(
    split: Split, manifest: Manifest, index: int, seed: int
) -> tuple[str, str, str, str]:
    """A sort key for photos: first by part, then within the part."""
    part, name = split.parts[index], manifest.photos[index].name
    return _hash(part, seed), part, _hash(name, seed), name


def _hash(name: str, seed: int) -> str:
    # A different purpose from the split, which allocates the sides in such an order.
    return hash_order(name, seed, "fewer/")
