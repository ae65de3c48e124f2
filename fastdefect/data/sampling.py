"""Draws that follow from a seed: of photos by class, and of names by a hash."""

import hashlib
import unicodedata
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

import numpy as np

Label = TypeVar("Label", bound=Hashable)


def shuffled_by_class(
    labels: Iterable[Label], classes: Sequence[Label], seed: int
) -> list[list[int]]:
    """The places in ``labels`` of each of ``classes``, each class's in an order drawn anew.

    The draw depends on the seed and on the order of ``classes``.
    """
    places: dict[Label, list[int]] = {name: [] for name in classes}
    for place, label in enumerate(labels):
        if label in places:
            places[label].append(place)
    rng = np.random.default_rng(seed)
    return [rng.permutation(np.array(places[name], np.int64)).tolist() for name in classes]


def draw_in_proportion(labels: Sequence[str], most: int, seed: int) -> list[int]:
    """``most`` places in ``labels``, ascending: of each class its share, and one at least.

    That is Adams's rule of seats: a class's photos, in an order drawn with ``seed``, are at
    0, 1/n, 2/n ... of its n, and those that come first over all classes are taken. If ``most``
    is less than the number of classes, the first by name are.
    """
    classes = sorted(set(labels))
    turns = [
        (turn / len(places), name, place)
        for name, places in zip(classes, shuffled_by_class(labels, classes, seed), strict=True)
        for turn, place in enumerate(places)
    ]
    return sorted(place for _, _, place in sorted(turns)[:most])


def draw_evenly(labels: Sequence[str], most: int, seed: int) -> list[int]:
    """``most`` places in ``labels``, ascending: of each class as many, as far as there are.

    The classes take turns, by name, each with its photos in an order drawn with ``seed``.
    """
    drawn = shuffled_by_class(labels, sorted(set(labels)), seed)
    longest = max(map(len, drawn), default=0)
    turns = [places[turn] for turn in range(longest) for places in drawn if turn < len(places)]
    return sorted(turns[:most])


def hash_order(name: str, seed: int, purpose: str = "") -> str:
    """A key that brings names into an order drawn with ``seed``, another for each ``purpose``.

    It is the same on every machine and version, and however the name's accents are encoded.
    """
    text = f"{purpose}{seed}/{unicodedata.normalize('NFC', name)}"
    return hashlib.sha256(text.encode()).hexdigest()
