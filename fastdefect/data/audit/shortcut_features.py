"""What a photo shows beside the part: tables of numbers for the shortcut probe.

Each aspect is one small table with a row a photo. It is declared once, at the end of this file,
with what is to be known of it and done about it. No pixel beyond the outer ``RING`` or ``CORNER``
of the thumbnail enters the tables of border and corners.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

from fastdefect.aliases import Floats
from fastdefect.data.audit.appearance import THUMBNAIL, Appearance
from fastdefect.data.findings import Severity
from fastdefect.data.photos import Photo

RING, CORNER = 4, 6  # pixels of the thumbnail
_BLOCKS = THUMBNAIL // RING  # along a side
_OUTER = np.pad(np.zeros((_BLOCKS - 2, _BLOCKS - 2), bool), 1, constant_values=True)
_INNER = np.pad(np.ones((_BLOCKS - 6, _BLOCKS - 6), bool), 3)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_DARKEST = 8.0  # texture of a black patch is noise
_MOST_TERMS = 200  # pieces of names
_MOST_CAMERAS = 16
_MOST_NUMBERS = 4  # in a name
_DIGITS = re.compile("[0-9]+")
_ONE_SERIES = 0.95  # the share of photos that must be numbered in one series


@dataclass(frozen=True)
class _Seen:
    """What is measured; ``thumbnails`` (n, 64, 64, 3) are those of ``looks``."""

    photos: Sequence[Photo]
    looks: Sequence[Appearance]
    thumbnails: NDArray[np.uint8]


@dataclass(frozen=True)
class Aspect:
    """Something beside the part by which the class may be told; each gets a probe of its own.

    ``what`` says in words what ``measure`` finds: a table (n_photos, n_columns), or None where
    the photos have no such thing. ``limit`` is the gravest that a finding on it may be, ``note``
    what to bear in mind, ``advice`` what to do. What lies on the ``surface`` of the photo is the
    part itself where the part fills the photo.
    """

    name: str
    what: str
    measure: Callable[[_Seen], Floats | None]
    limit: Severity = "error"
    note: str = ""
    advice: str = ""
    surface: bool = False


def tables_of(photos: Sequence[Photo], looks: Sequence[Appearance]) -> dict[str, Floats]:
    """The table (n_photos, n_columns) of each aspect that the photos have, by its name.

    All values are finite; columns that are the same for all photos are left out, so that
    there may be none.
    """
    seen = _Seen(photos, looks, np.stack([look.thumbnail for look in looks]))
    found = {name: aspect.measure(seen) for name, aspect in ASPECTS.items()}
    return {name: _varying(table) for name, table in found.items() if table is not None}


def ring_and_interior(looks: Sequence[Appearance], seed: int) -> tuple[Floats, Floats]:
    """How strong the texture of each photo is in its border, and of as many blocks inside it.

    Two tables (n, n_columns) that can't be told apart where one surface fills the photo: they
    hold quantiles over blocks. Texture is contrast over brightness, after a smooth surface has
    been taken off: neither a lamp at one side nor a dark edge of the lens makes a difference.
    """
    luma = _luma(looks)
    flat = luma.reshape(len(luma), -1)
    surface = _smooth_surfaces()
    smooth = np.reshape(flat @ surface @ surface.T, luma.shape)
    uneven = _blocks(np.asarray(luma - smooth, np.float32))
    texture = uneven.std(axis=-1) / (_blocks(luma).mean(axis=-1) + _DARKEST)
    inside = texture[:, _INNER]
    rng = np.random.default_rng(seed)
    chosen = np.argsort(rng.random(inside.shape), axis=1)[:, : int(_OUTER.sum())]
    levels = [0.1, 0.3, 0.5, 0.7, 0.9, 1.0]
    ring, interior = texture[:, _OUTER], np.take_along_axis(inside, chosen, axis=1)
    return np.quantile(ring, levels, axis=1).T, np.quantile(interior, levels, axis=1).T


# ---- pixels


def _luma(looks: Sequence[Appearance]) -> NDArray[np.float32]:
    """(n, 64, 64), photo by photo: all channels of all photos as floats would take much room."""
    return np.stack([look.thumbnail @ _LUMA for look in looks])


def _border(thumbnails: NDArray[np.uint8], luma: NDArray[np.float32]) -> Floats:
    """Light along the border, wherever it is (quantiles) and where (16 stretches)."""
    blocks = _blocks(luma)
    mean, texture = blocks.mean(axis=-1), blocks.std(axis=-1)
    columns = [
        np.quantile(mean[:, _OUTER], [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1], axis=1).T,
        np.quantile(texture[:, _OUTER], [0, 0.25, 0.5, 0.75, 1], axis=1).T,
    ]
    for i in (0, -1):
        for light, rough in ((mean[:, i], texture[:, i]), (mean[:, :, i], texture[:, :, i])):
            columns += [light.reshape(len(light), 4, -1).mean(axis=2), rough.mean(axis=1)[:, None]]
    edges = (np.s_[:, :RING], np.s_[:, -RING:], np.s_[:, :, :RING], np.s_[:, :, -RING:])
    return _rounded(np.hstack([*columns, *(_tint(thumbnails[edge]) for edge in edges)]))


def _corners(thumbnails: NDArray[np.uint8]) -> Floats:
    """Of each corner the light of its quarters, its contrast and its tint."""
    columns: list[Floats] = []
    for rows in (slice(CORNER), slice(-CORNER, None)):
        for at in (slice(CORNER), slice(-CORNER, None)):
            pixels = thumbnails[:, rows, at]
            luma, half = pixels @ _LUMA, CORNER // 2
            quarters = luma.reshape(-1, 2, half, 2, half).mean(axis=(2, 4)).reshape(-1, 4)
            columns += [quarters, luma.std(axis=(1, 2))[:, None], _tint(pixels)]
    return _rounded(np.hstack(columns))


def _rounded(table: Floats) -> Floats:
    """Without the last digits of float32, which by their ranks would weigh like any other."""
    return table.astype(np.float64).round(3)


def _light(looks: Sequence[Appearance], thumbnails: NDArray[np.uint8]) -> Floats:
    light = [(look.brightness, look.contrast, look.dark, look.bright) for look in looks]
    return np.hstack([np.array(light), _tint(thumbnails)])


def _tint(pixels: NDArray[np.uint8]) -> Floats:
    """(n, height, width, 3) to (n, 2): how much redder and bluer than green."""
    red, green, blue = np.moveaxis(pixels.mean(axis=(1, 2)), 1, 0)
    return np.stack([red - green, blue - green], axis=1)


def _blocks(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 64, 64) to (n, 16, 16, 16): the pixels of each block of ``RING`` x ``RING``."""
    cut = luma.reshape(-1, _BLOCKS, RING, _BLOCKS, RING)
    return cut.transpose(0, 1, 3, 2, 4).reshape(-1, _BLOCKS, _BLOCKS, RING * RING)


def _smooth_surfaces() -> NDArray[np.float32]:
    """(64 * 64, 6), orthonormal: they span all polynomials of x and y up to the second degree."""
    y, x = np.mgrid[-1 : 1 : THUMBNAIL * 1j, -1 : 1 : THUMBNAIL * 1j].reshape(2, -1)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    return np.linalg.qr(terms)[0].astype(np.float32)


# ---- files


def _dimensions(photos: Sequence[Photo]) -> Floats:
    width, height = np.log([(photo.width, photo.height) for photo in photos]).T
    return np.stack([width, height, width - height], axis=1)


def _compression(photos: Sequence[Photo]) -> Floats:
    kinds = _one_hot([photo.facts.kind for photo in photos])
    return np.hstack([kinds, _with_gaps([photo.facts.quality for photo in photos])])


def _file_size(photos: Sequence[Photo]) -> Floats:
    return np.log1p([[photo.facts.size] for photo in photos])


def _exif(photos: Sequence[Photo]) -> Floats:
    cameras = [photo.facts.camera or "" for photo in photos]
    return np.hstack([[[photo.facts.exif] for photo in photos], _one_hot(cameras)])


def _time(photos: Sequence[Photo]) -> Floats:
    return _with_gaps([photo.facts.taken for photo in photos])


def _with_gaps(values: Sequence[float | None]) -> Floats:
    """The values and whether there are any; a gap, or what is no number, holds the median."""
    column = np.array([np.nan if value is None else value for value in values], np.float64)
    known = np.isfinite(column)
    column[~known] = np.median(column[known]) if known.any() else 0.0
    return np.stack([column, known.astype(np.float64)], axis=1)


def _one_hot(words: Sequence[str]) -> Floats:
    """A column for each of the most frequent words."""
    frequent = [word for word, _ in Counter(words).most_common(_MOST_CAMERAS)]
    return np.array([[word == other for other in frequent] for word in words], np.float64)


def _varying(table: Floats) -> Floats:
    finite = np.nan_to_num(np.asarray(table, np.float64), posinf=0.0, neginf=0.0)
    return finite[:, np.ptp(finite, axis=0) > 0]


# ---- names


def _stem(photo: Photo) -> str:
    return PurePosixPath(photo.name).stem


def _names(photos: Sequence[Photo]) -> Floats:
    """Which of the most frequent pieces of one to three letters each name has, and its length."""
    stems = [_stem(photo) for photo in photos]
    pieces = CountVectorizer(
        analyzer="char", ngram_range=(1, 3), max_features=_MOST_TERMS, binary=True
    )
    lengths = np.array([[len(stem)] for stem in stems])
    return np.hstack([lengths, pieces.fit_transform(stems).toarray()])


def _numbers(photos: Sequence[Photo]) -> Floats | None:
    """The numbers in each name, or None where the photos aren't numbered in one series.

    They are not if each class counts for itself: with names of its own, or from 1 on again.
    Then the larger class has the larger numbers, which says nothing of how photos were taken.
    """
    stems = [_stem(photo) for photo in photos]
    series = [_DIGITS.sub("0", stem) for stem in stems]
    sharing: dict[str, set[str]] = defaultdict(set)
    for name, photo in zip(series, photos, strict=True):
        sharing[name].add(photo.label)
    in_one = sum("0" in name and len(sharing[name]) > 1 for name in series)
    if min(in_one, len(set(stems))) < _ONE_SERIES * len(stems):
        return None
    rows = [[float(digits[:300]) for digits in _DIGITS.findall(stem)] for stem in stems]
    places = range(min(max(map(len, rows)), _MOST_NUMBERS))
    return np.hstack([_with_gaps([r[i] if i < len(r) else None for r in rows]) for i in places])


# ---- the list: those that a model can see come first

_BACKGROUND = (
    "Photograph all classes in one session on one background, crop or mask the background, or "
    "train with --randomize-background-light."
)
_ANEW = "Save all photos anew from their originals, in one format and quality."

_ALL = (
    Aspect(
        "border",
        f"the outer {RING} of {THUMBNAIL} pixels",
        lambda seen: _border(seen.thumbnails, _luma(seen.looks)),
        note="Look first whether the defects themselves reach that far.",
        advice=_BACKGROUND,
        surface=True,
    ),
    Aspect(
        "corners",
        f"four corners of {CORNER} x {CORNER} of {THUMBNAIL} pixels",
        lambda seen: _corners(seen.thumbnails),
        advice=_BACKGROUND,
        surface=True,
    ),
    Aspect(
        "light",
        "brightness, contrast and tint of the whole photo",
        lambda seen: _light(seen.looks, seen.thumbnails),
        note="It may be the part's own brightness: see what the border tells.",
        advice=_BACKGROUND,
        surface=True,
    ),
    Aspect(
        "dimensions",
        "width and height",
        lambda seen: _dimensions(seen.photos),
        note="Resizing hides them, but leaves blur and squeezed parts.",
        advice="Photograph or crop all classes in one size.",
    ),
    Aspect(
        "mode",
        "the colour mode",
        lambda seen: _one_hot([photo.facts.mode for photo in seen.photos]),
        advice="Save the photos of all classes in one mode.",
    ),
    Aspect(
        "compression",
        "the file format and the JPEG quality",
        lambda seen: _compression(seen.photos),
        note="A model sees the blocks and rings that compression leaves.",
        advice=_ANEW,
    ),
    Aspect("file size", "the size of the file", lambda seen: _file_size(seen.photos), advice=_ANEW),
    Aspect(
        "exif",
        "the number of EXIF tags and the camera",
        lambda seen: _exif(seen.photos),
        limit="warning",
        note="No model sees it, but what another camera does to a photo.",
        advice="Photograph all classes with the same camera and process them alike.",
    ),
    Aspect(
        "time",
        "the time at which the photo was taken",
        lambda seen: _time(seen.photos),
        limit="info",
        note="No model sees it, but what changed from one session to the next.",
    ),
    Aspect(
        "name",
        "the name of the file",
        lambda seen: _names(seen.photos),
        limit="info",
        note="No model sees it.",
    ),
    Aspect(
        "order",
        "the numbers in the name of the file",
        lambda seen: _numbers(seen.photos),
        limit="info",
        note="No model sees it, but what changed while the photos were taken.",
    ),
)
ASPECTS: dict[str, Aspect] = {each.name: each for each in _ALL}
