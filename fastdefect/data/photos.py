"""The plain values that the data room hands on: a candidate, a photo, lists of either."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.findings import Finding

Layout = Literal["classes", "splits", "csv"]

# The words for a split that users write, as folders and in CSVs.
SPLIT_WORDS = {
    "train": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
}


@dataclass(frozen=True)
class Entry:
    """One candidate photo, not opened yet.

    ``name`` is its POSIX path relative to the data folder, as every CSV writes it; ``part``
    and ``split`` are what the user said of it, or None; ``columns`` is what else a CSV says of
    it, by column: the type of the defect, its size, the lot.
    """

    name: str
    path: Path
    label: str
    part: str | None
    split: str | None
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Listing:
    """All candidates of a data folder, sorted by name, and the sorted names of the classes."""

    root: Path
    layout: Layout
    entries: tuple[Entry, ...]
    classes: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class FileFacts:
    """``size`` in bytes; ``kind`` as ``signatures.kind_of`` names it; ``mode`` as Pillow does.

    ``mode`` ends in ``;16`` where a channel holds more than 8 bits and Pillow would not say so.
    ``suffix_fits`` is False where the name's suffix promises another kind than the bytes hold.
    ``frames`` counts the pictures in the file. ``quality`` is the JPEG quality (1..100)
    estimated from the quantisation tables, None for other kinds. ``exif`` counts the EXIF tags;
    ``camera`` is make and model, ``taken`` the time of the photo in seconds since 1970, each
    None where the file doesn't tell.
    """

    size: int
    kind: str
    suffix_fits: bool
    mode: str
    frames: int
    quality: float | None
    exif: int
    camera: str | None
    taken: float | None


@dataclass(frozen=True)
class Photo:
    """One photo that could be read; ``row`` is the index of its entry in the listing.

    ``sha256`` is of the file's bytes, in hex; ``width`` and ``height`` are those of the
    upright photo, in pixels; ``facts`` is what its file says beside them, ``columns`` what a
    CSV does, as in ``Entry``.
    """

    name: str
    path: Path
    label: str
    part: str | None
    split: str | None
    sha256: str
    width: int
    height: int
    row: int
    facts: FileFacts
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Manifest:
    """All photos that could be read, sorted by name. ``good`` is the good class, if any."""

    root: Path
    layout: Layout
    photos: tuple[Photo, ...]
    classes: tuple[str, ...]
    good: str | None
    findings: tuple[Finding, ...]

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n_photos,) indices into ``classes``."""
        index = {name: i for i, name in enumerate(self.classes)}
        return np.array([index[photo.label] for photo in self.photos], np.int64)

    @property
    def good_index(self) -> int | None:
        """The good class's index in ``classes``; None where every class is a defect."""
        return None if self.good is None else self.classes.index(self.good)

    @property
    def counts(self) -> dict[str, int]:
        """Photos by class, in the order of ``classes``."""
        found = Counter(photo.label for photo in self.photos)
        return {name: found[name] for name in self.classes}
