"""Features of a photo apart from the part: one table per aspect, for the shortcut probes.

Each aspect is a small table of numbers with one row per photo. It is declared once, at the end of
this file, with a note and an advice. The tables of border and corners use only the pixels of the
outer ``RING`` or ``CORNER`` of the thumbnail.
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
from fastdefect.data.reading.depth import is_deep_mode

RING, CORNER = 4, 6  # pixels of the thumbnail
_BLOCKS = THUMBNAIL // RING  # along a side
_OUTER = np.pad(np.zeros((_BLOCKS - 2, _BLOCKS - 2), bool), 1, constant_values=True)
_INNER = np.pad(np.ones((_BLOCKS - 6, _BLOCKS - 6), bool), 3)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_DARKEST = 8.0  # the texture of a black patch is noise
_MOST_TERMS = 200  # n-grams of names
_MOST_CAMERAS = 16
_MOST_NUMBERS = 4  # in a name
_DIGITS = re.compile("[0-9]+")
_ONE_SERIES = 0.95  # minimum share of photos numbered in one series


@dataclass(frozen=True)
class _Input:
    """The input of the aspects; ``thumbnails`` (n, 64, 64, 3) are those of ``looks``."""

    photos: Sequence[Photo]
    looks: Sequence[Appearance]
    thumbnails: NDArray[np.uint8]


@dataclass(frozen=True)
class Aspect:
    """A property apart from the part that may reveal the class; each aspect has its own probe.

    ``what`` describes what ``measure`` returns: a table (n_photos, n_columns), or None if the
    photos do not have the property. ``limit`` is the highest severity of a finding on it.
    ``note`` and ``advice`` are added to the message of the finding. An aspect of the ``surface``
    belongs to the part itself where the part fills the photo.
    """

    name: str
    what: str
    measure: Callable[[_Input], Floats | None]
    limit: Severity = "error"
    note: str = ""
    advice: str = ""
    surface: bool = False


def tables_of(photos: Sequence[Photo], looks: Sequence[Appearance]) -> dict[str, Floats]:
    """The table (n_photos, n_columns) of each available aspect, by its name.

    All values are finite. Constant columns are removed, so that a table may have no columns.
    """
    measured = _Input(photos, looks, np.stack([look.thumbnail for look in looks]))
    found = {name: aspect.measure(measured) for name, aspect in ASPECTS.items()}
    return {name: _varying(table) for name, table in found.items() if table is not None}


def ring_and_interior(looks: Sequence[Appearance], seed: int) -> tuple[Floats, Floats]:
    """The strength of the texture in the border of each photo, and in as many blocks inside it.

    The two tables (n, n_columns) contain quantiles over blocks. They cannot be distinguished if
    one surface fills the photo. Texture is contrast divided by brightness, after a smooth surface
    is subtracted, so that neither a lamp at one side nor the vignette of a lens has an effect.
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
    """(n, 64, 64), photo by photo: all channels of all photos as floats need much memory."""
    return np.stack([look.thumbnail @ _LUMA for look in looks])


def _border(thumbnails: NDArray[np.uint8], luma: NDArray[np.float32]) -> Floats:
    """The brightness along the border, as quantiles and at 16 positions."""
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
    """The brightness of the quarters, the contrast and the tint of each corner."""
    columns: list[Floats] = []
    for rows in (slice(CORNER), slice(-CORNER, None)):
        for at in (slice(CORNER), slice(-CORNER, None)):
            pixels = thumbnails[:, rows, at]
            luma, half = pixels @ _LUMA, CORNER // 2
            quarters = luma.reshape(-1, 2, half, 2, half).mean(axis=(2, 4)).reshape(-1, 4)
            columns += [quarters, luma.std(axis=(1, 2))[:, None], _tint(pixels)]
    return _rounded(np.hstack(columns))


def _rounded(table: Floats) -> Floats:
    """Remove the last digits of float32, whose ranks would count like any others."""
    return table.astype(np.float64).round(3)


def _light(looks: Sequence[Appearance], thumbnails: NDArray[np.uint8]) -> Floats:
    light = [(look.brightness, look.contrast, look.dark, look.bright) for look in looks]
    return np.hstack([np.array(light), _tint(thumbnails)])


def _tint(pixels: NDArray[np.uint8]) -> Floats:
    """(n, height, width, 3) to (n, 2): the excess of red and of blue over green."""
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


def _file_size(photos: Sequence[Photo]) -> Floats | None:
    # Of deep photos the low bits, which no model sees, decide how well they compress.
    if all(is_deep_mode(photo.facts.mode) for photo in photos):
        return None
    return np.log1p([[photo.facts.size] for photo in photos])


def _exif(photos: Sequence[Photo]) -> Floats:
    cameras = [photo.facts.camera or "" for photo in photos]
    return np.hstack([[[photo.facts.exif] for photo in photos], _one_hot(cameras)])


def _time(photos: Sequence[Photo]) -> Floats:
    return _with_gaps([photo.facts.taken for photo in photos])


def _with_gaps(values: Sequence[float | None]) -> Floats:
    """The values, and whether each is available; a missing or invalid value is the median."""
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
    """The most frequent n-grams of one to three letters in each name, and its length."""
    stems = [_stem(photo) for photo in photos]
    ngrams = CountVectorizer(
        analyzer="char", ngram_range=(1, 3), max_features=_MOST_TERMS, binary=True
    )
    lengths = np.array([[len(stem)] for stem in stems])
    return np.hstack([lengths, ngrams.fit_transform(stems).toarray()])


def _numbers(photos: Sequence[Photo]) -> Floats | None:
    """The numbers in each name, or None if the photos are not numbered in one series.

    They are not if each class has its own series, with its own names or from 1 again. The larger
    class then has the larger numbers, which is no information about how the photos were taken.
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


# ---- the list: first the aspects that are visible to a model

_BACKGROUND = (
    "Photograph all classes in one session on one background, crop or mask the background, or "
    "train with --randomize-background-light."
)
_RESAVE = "Save all photos again from their originals, in one format and quality."

_ALL = (
    Aspect(
        "border",
        f"the outer {RING} of {THUMBNAIL} pixels",
        lambda measured: _border(measured.thumbnails, _luma(measured.looks)),
        note="First check whether the defects themselves extend to the border.",
        advice=_BACKGROUND,
        surface=True,
    ),
    Aspect(
        "corners",
        f"four corners of {CORNER} x {CORNER} of {THUMBNAIL} pixels",
        lambda measured: _corners(measured.thumbnails),
        advice=_BACKGROUND,
        surface=True,
    ),
    Aspect(
        "light",
        "brightness, contrast and tint of the whole photo",
        lambda measured: _light(measured.looks, measured.thumbnails),
        note="It may be the brightness of the part itself. Compare the probe of the border.",
        advice=_BACKGROUND,
        surface=True,
    ),
    Aspect(
        "dimensions",
        "width and height",
        lambda measured: _dimensions(measured.photos),
        note="Resizing hides them, but leaves blur and distorted parts.",
        advice="Photograph or crop all classes in one size.",
    ),
    Aspect(
        "mode",
        "the colour mode",
        lambda measured: _one_hot([photo.facts.mode for photo in measured.photos]),
        advice="Save the photos of all classes in one mode.",
    ),
    Aspect(
        "compression",
        "the file format and the JPEG quality",
        lambda measured: _compression(measured.photos),
        note="Compression artefacts are visible to a model.",
        advice=_RESAVE,
    ),
    Aspect(
        "file size",
        "the size of the file",
        lambda measured: _file_size(measured.photos),
        advice=_RESAVE,
    ),
    Aspect(
        "exif",
        "the number of EXIF tags and the camera",
        lambda measured: _exif(measured.photos),
        limit="warning",
        note="It is not visible to a model, but the effect of another camera on a photo is.",
        advice="Photograph all classes with the same camera and process them alike.",
    ),
    Aspect(
        "time",
        "the time of the photo",
        lambda measured: _time(measured.photos),
        limit="info",
        note="It is not visible to a model, but changes between sessions are.",
    ),
    Aspect(
        "name",
        "the name of the file",
        lambda measured: _names(measured.photos),
        limit="info",
        note="It is not visible to a model.",
    ),
    Aspect(
        "order",
        "the numbers in the name of the file",
        lambda measured: _numbers(measured.photos),
        limit="info",
        note="It is not visible to a model, but changes while the photos were taken are.",
    ),
)
ASPECTS: dict[str, Aspect] = {each.name: each for each in _ALL}
