"""Deterministic draws from a seed: photos by class, and names by a hash."""

import hashlib
import unicodedata
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Label = TypeVar("Label", bound=Hashable)


def shuffled_by_class(
    labels: Iterable[Label], classes: Sequence[Label], seed: int
) -> list[list[int]]:
    """The indices into ``labels`` of each of ``classes``, each class in random order.

    The draw depends on the seed and on the order of ``classes``.
    """
    places: dict[Label, list[int]] = {name: [] for name in classes}
    for place, label in enumerate(labels):
        if label in places:
            places[label].append(place)
    rng = np.random.default_rng(seed)
    return [rng.permutation(np.array(places[name], np.int64)).tolist() for name in classes]


def draw_in_proportion(labels: Sequence[str], most: int, seed: int) -> list[int]:
    """``most`` indices into ``labels``, ascending, in proportion to the classes, at least one each.

    The rule is Adams's method of apportionment: the photos of a class, in an order drawn with
    ``seed``, get the positions 0, 1/n, 2/n ... for n photos, and the lowest positions over all
    classes are taken. If ``most`` is less than the number of classes, the first classes by name
    are taken.
    """
    classes = sorted(set(labels))
    turns = [
        (turn / len(places), name, place)
        for name, places in zip(classes, shuffled_by_class(labels, classes, seed), strict=True)
        for turn, place in enumerate(places)
    ]
    return sorted(place for _, _, place in sorted(turns)[:most])


def draw_evenly(labels: Sequence[str], most: int, seed: int) -> list[int]:
    """``most`` indices into ``labels``, ascending, equally many of each class where possible.

    The classes alternate, by name. The photos of each class are in an order drawn with ``seed``.
    """
    drawn = shuffled_by_class(labels, sorted(set(labels)), seed)
    longest = max(map(len, drawn), default=0)
    turns = [places[turn] for turn in range(longest) for places in drawn if turn < len(places)]
    return sorted(turns[:most])


def hash_order(name: str, seed: int, purpose: str = "") -> str:
    """A sort key that orders names at random by ``seed``, differently for each ``purpose``.

    The key is the same on every machine and version, and for every encoding of accents.
    """
    text = f"{purpose}{seed}/{unicodedata.normalize('NFC', name)}"
    return hashlib.sha256(text.encode()).hexdigest()


def share_of_batches(n: int, batch: int, rank: int, size: int) -> NDArray[np.int64]:
    """The places, ascending, of the photos that process ``rank`` of ``size`` takes of ``n``.

    Of every batch of ``batch`` consecutive places the processes take one after the other in turn:
    the batch is the same for any number of processes. Each full batch gives a process equally
    many photos, one or more if ``batch`` is at least ``size``; the last one may give it none.
    """
    places = np.arange(n, dtype=np.int64)
    return places[places % batch % size == rank]
