"""The usual names of train, valid and test, as folders and in tables."""

import re
from collections.abc import Iterable

_SIDES = {
    "train": ("train", "training", "trn"),
    "valid": ("valid", "val", "validation", "vld", "dev"),
    "test": ("test", "testing", "tst"),
}
_WORDS = {word: side for side, words in _SIDES.items() for word in words}
# Some call valid so and some test: it is the one of the two that is missing.
_EITHER = frozenset({"eval", "evaluation"})
# Words beside the name of a side: train_set, 2-test-images, val2017.
_BESIDE = frozenset({"set", "data", "dataset", "images", "imgs", "photos", "split"})


def sides_of(names: Iterable[str]) -> dict[str, str]:
    """The side (``train``, ``valid`` or ``test``) by name, for the names that mean one.

    Case, digits and words such as ``set`` are ignored. ``eval`` means valid, or test if there is
    another name for valid only. It means nothing without a train.
    """
    given = list(names)
    words = {name: _word(name) for name in given}
    sides = {name: _WORDS[word] for name, word in words.items() if word in _WORDS}
    present = set(sides.values())
    free = [side for side in ("valid", "test") if side not in present]
    if "train" in present and free:
        sides |= {name: free[0] for name, word in words.items() if word in _EITHER}
    return {name: sides[name] for name in given if name in sides}


def side_of(name: str) -> str | None:
    """The side that a single name means, or None."""
    return _WORDS.get(_word(name) or "")


def sides_by_folder(names: Iterable[str]) -> dict[str, str]:
    """The side of each photo by the outermost of its folders that names one, at any depth.

    Empty if no folder is a train: a folder ``test`` alone is not a side.
    """
    photos = list(names)
    sides = sides_of(dict.fromkeys(f for name in photos for f in name.split("/")[:-1]))
    if "train" not in sides.values():
        return {}
    found = {name: next((f for f in name.split("/")[:-1] if f in sides), None) for name in photos}
    return {name: sides[folder] for name, folder in found.items() if folder}


def _word(name: str) -> str | None:
    """The only word of the name that is not of those beside a side's; None if there are more."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # TrainSet
    found = [word.casefold() for word in re.findall(r"[^\W\d_]+", apart)]
    words = [_without_set(word) for word in found if word not in _BESIDE]
    return words[0] if len(words) == 1 else None


def _without_set(word: str) -> str:
    """``trainset`` as ``train``; other words unchanged."""
    side = word.removesuffix("set")
    return side if side in _WORDS else word
