"""The value objects of the data package: candidate, photo, and lists of them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.findings import Finding
from fastdefect.good import Good, good_indices

Layout = Literal[
    "classes",
    "splits",
    "csv",
    "mvtec",
    "visa",
    "masks",
    "names",
    "yolo",
    "coco",
    "multilabel",
]

UNUSED = "unused"  # the split of a photo on no side

# The column with the kinds of defect of a photo, where all defects are one class.
DEFECT_COLUMN = "defect"
KINDS_BETWEEN = "|"
# The column with the camera that took a photo, or the side of the part that it shows.
VIEW_COLUMN = "view"
# The column with the product of a photo, where one folder has several.
PRODUCT_COLUMN = "product"


@dataclass(frozen=True)
class Box:
    """A marked place, in pixels of the upright photo; ``kind`` is its type of defect, if known."""

    x: float
    y: float
    w: float
    h: float
    kind: str = ""


@dataclass(frozen=True)
class Entry:
    """One candidate photo, not opened yet.

    ``name`` is the POSIX path relative to the data folder, as written in every CSV. ``part`` and
    ``split`` are given by the user, or None. ``columns`` holds the other columns of the CSV, for
    example defect type, size or lot. ``boxes`` are the marked places, if any are known, and
    ``mask`` is the file of a mask of the photo, or None.
    """

    name: str
    path: Path
    label: str
    part: str | None
    split: str | None
    columns: tuple[tuple[str, str], ...] = ()
    boxes: tuple[Box, ...] = ()
    mask: Path | None = None


@dataclass(frozen=True)
class Listing:
    """All candidates of a data folder, sorted by name, and the sorted class names.

    ``seen`` describes in one line what was recognised.
    """

    root: Path
    layout: Layout
    entries: tuple[Entry, ...]
    classes: tuple[str, ...]
    findings: tuple[Finding, ...]
    seen: str = ""


@dataclass(frozen=True)
class FileFacts:
    """Facts about the file of a photo, apart from its pixels.

    ``size`` is in bytes. ``kind`` is as in ``signatures.kind_of``. ``mode`` is Pillow's mode,
    with ``;16`` appended where a channel has more than 8 bits and Pillow's mode does not show it.
    ``suffix_fits`` is False where the suffix of the name contradicts the bytes. ``frames`` is the
    number of pictures in the file. ``quality`` is the JPEG quality (1..100), estimated from the
    quantisation tables; None for other kinds. ``exif`` is the number of EXIF tags. ``camera`` is
    make and model. ``taken`` is the time of the photo in seconds since 1970. Both are None if the
    file does not contain them.
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
    """One readable photo; ``row`` is the index of its entry in the listing.

    ``sha256`` is the hash of the file's bytes, in hex. ``width`` and ``height`` are those of the
    upright photo, in pixels. ``columns``, ``boxes`` and ``mask`` are as in ``Entry``.
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
    boxes: tuple[Box, ...] = ()
    mask: Path | None = None

    @property
    def view(self) -> str | None:
        """The camera that took the photo; None if it is not known."""
        return dict(self.columns).get(VIEW_COLUMN) or None

    @property
    def product(self) -> str | None:
        """The product that the photo shows; None if it is not known."""
        return dict(self.columns).get(PRODUCT_COLUMN) or None


@dataclass(frozen=True)
class Manifest:
    """All readable photos, sorted by name. ``good`` names the good classes.

    ``seen`` is that of the listing. ``white`` is the value that is white in all photos of more
    than 8 bits; None without any. With ``only_good`` a model learns the good classes alone.
    ``tiles`` is the number of tiles that a photo is cut into; 1 without tiles. ``background`` is
    what tells tiles of background, None if all count.
    """

    root: Path
    layout: Layout
    photos: tuple[Photo, ...]
    classes: tuple[str, ...]
    good: tuple[str, ...]
    findings: tuple[Finding, ...]
    seen: str = ""
    white: float | None = None
    only_good: bool = False
    tiles: int = 1
    background: tuple[float, float, float] | None = None

    @property
    def learned(self) -> tuple[str, ...]:
        """The classes of which train must have photos."""
        return self.good if self.only_good else self.classes

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n_photos,) indices into ``classes``."""
        index = {name: i for i, name in enumerate(self.classes)}
        return np.array([index[photo.label] for photo in self.photos], np.int64)

    @property
    def good_indices(self) -> Good:
        """The indices of the good classes in ``classes``; empty if every class is a defect."""
        return good_indices(self.classes, self.good)

    @property
    def counts(self) -> dict[str, int]:
        """The number of photos by class, in the order of ``classes``."""
        found = Counter(photo.label for photo in self.photos)
        return {name: found[name] for name in self.classes}
