"""Splits of photos that never were files, as counts and by name."""

from collections import Counter
from typing import Any

from fastdefect.data.reading.manifest import Manifest
from fastdefect.data.splitting.split import (
    SPLITS,
    Split,
    group_parts,
    make_split,
)
from helpers.manifests import manifest, photo


def split_by_parts(photos: Manifest, **options: Any) -> Split:
    """The split by the parts that the photos name themselves."""
    return make_split(photos, group_parts(photos), **options)


def counts(photos: Manifest, split: Split) -> dict[str, dict[str, int]]:
    """Photos by split and class."""
    return {name: dict(Counter(photos.photos[i].label for i in split.of(name))) for name in SPLITS}


def named(photos: Manifest, split: Split) -> dict[str, str]:
    """The side of each photo, by its name."""
    return {photos.photos[i].name: side for side in SPLITS for i in split.of(side)}


# ---- given splits ------------------------------------------------------------------------


def given_split(train: int = 40, valid: int = 0, test: int = 0) -> Manifest:
    return manifest(
        photo(f"{side}/{c}/{i:03}", c, split=side)
        for side, n in (("train", train), ("valid", valid), ("test", test))
        for c in ("crack", "good")
        for i in range(n)
    )


def leaking() -> Manifest:
    """Given splits in which parts p (train, test), q (valid, test), r (train, valid) leak."""
    return manifest(
        [
            *given_split(10, 5, 5).photos,
            *(photo(f"p/{side}", "good", part="p", split=side) for side in ("train", "test")),
            *(photo(f"q/{side}", "good", part="q", split=side) for side in ("valid", "test")),
            *(photo(f"r/{side}", "good", part="r", split=side) for side in ("train", "valid")),
            photo("p/none", "good", part="p"),
        ]
    )
