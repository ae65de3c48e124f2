"""Photos unlike the training photos: another part, a black frame, a light that is out.

A classifier answers for any photo, also for one that shows nothing it has learned. The score of a
photo is the distance of its features to the nearest training photos, each feature vector scaled to
length 1 (Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors"). They use
the last layer, which hardly reacts to light: of castings in a quarter of the light it detects 55 %,
where layers near the input detect all. So the features of several depths count separately
(``training/stages.py``), and the depth with the largest distance decides. Of photos in tiles, the
tile with the largest distance counts, too: what is strange in one tile vanishes in the mean over
all. The score
becomes a conformal p-value over parts (Bates et al. 2023, "Testing for outliers with conformal
p-values"): the share of calibration parts that are at least as far away. Of new parts like these,
at most the share ``level`` gets such a p-value, whatever the features are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fastdefect.aliases import Floats, Floats32
from fastdefect.inference.outputs import TileFeatures

NEIGHBOURS = 3
ALPHA = 0.01


@dataclass(frozen=True, eq=False)
class TileReference:
    """What a model in tiles has learned of tiles: ``features`` (k, d) float32, ``normalised``.

    ``scales``: by block, the usual distance of the tile of a photo that is farthest away.
    """

    features: Floats32
    scales: tuple[float, ...]


class Distances(NamedTuple):
    """Scores (n,) of photos, and (n, tiles) of their tiles; -inf for tiles that do not count."""

    photos: Floats
    tiles: Floats | None


@dataclass(frozen=True, eq=False)
class Reference:
    """What a model has learned: features of training photos, and scores of calibration parts.

    ``features`` (m, d) float32 are ``normalised``. ``blocks``: the widths of their parts, one for
    each depth of the network, from the finest; they add up to d. ``scales``: the usual distance in
    each block. ``scores`` (p,) float64, ascending: the highest score of the photos of each part
    that the model was not trained on. ``alpha``: the share of new parts that may be sent to people
    for no other reason. ``tiles``: that of a model in tiles; the score of a photo is then also
    that of its worst tile.
    """

    features: Floats32
    blocks: tuple[int, ...]
    scales: tuple[float, ...]
    scores: Floats
    alpha: float
    tiles: TileReference | None = None

    @property
    def level(self) -> float:
        """A photo with a p-value up to this is unlike; with few parts it is more than ``alpha``."""
        return max(self.alpha, 1 / (len(self.scores) + 1))

    def distances(self, features: Floats32, tiles: TileFeatures | None = None) -> Distances:
        """The scores of photos with features (n, d), and those of their ``tiles``."""
        photos = self.score(features)
        if self.tiles is None or tiles is None:
            return Distances(photos, None)
        far = tile_distances(tiles, self.tiles.features, self.blocks)
        of_tiles = (far / np.array(self.tiles.scales)).max(axis=2)
        return Distances(np.maximum(photos, of_tiles.max(axis=1)), of_tiles)

    def score(self, features: Floats32) -> Floats:
        """(n,) scores of (n, d) features: the largest distance in a block, in usual distances."""
        with np.errstate(invalid="ignore", over="ignore"):  # infinity becomes NaN
            found = distances(normalised(features, self.blocks), self.features, self.blocks)
        return np.asarray((found / np.array(self.scales)).max(axis=1))

    def p_values(self, scores: Floats) -> Floats:
        """(n,) shares of parts, the new one included, that are at least as far away."""
        below = np.searchsorted(self.scores, scores, side="left")
        p = (1.0 + len(self.scores) - below) / (len(self.scores) + 1)
        # NaN features are unlike anything.
        return np.asarray(np.where(np.isfinite(scores), p, 0.0))


def distances(features: Floats32, reference: Floats32, blocks: Sequence[int]) -> Floats:
    """(n, blocks) mean distances to the nearest rows of ``reference``, each in [0, 2].

    Both are ``normalised``: (n, d) and (m, d).
    """
    nearest = min(NEIGHBOURS, len(reference))
    found = []
    for here in _slices(blocks):
        likeness = _products(features[:, here], reference[:, here]).astype(np.float64)
        squared = np.clip(2 - 2 * likeness, 0, None)
        found.append(np.sqrt(np.partition(squared, nearest - 1)[:, :nearest]).mean(axis=1))
    return np.stack(found, axis=1)


def tile_distances(tiles: TileFeatures, reference: Floats32, blocks: Sequence[int]) -> Floats:
    """(n, tiles, blocks) distances of tiles to ``reference``; -inf for those that do not count."""
    found = np.full((*tiles.counts.shape, len(blocks)), -np.inf)
    for photo, counts, far in zip(tiles.features, tiles.counts, found, strict=True):
        with np.errstate(invalid="ignore", over="ignore"):
            far[counts] = distances(normalised(photo[counts], blocks), reference, blocks)
    return found


def _products(rows: Floats32, others: Floats32) -> Floats32:
    """(n, m) scalar products of (n, d) and (m, d) rows; those of a row don't depend on the others.

    Without BLAS, whose values depend on n, and which would start a thread for each core beside
    those that run the network: the speed of ``predict`` nearly halves with them.
    """
    return np.einsum("nd,md->nm", rows, others)


def normalised(features: Floats32, blocks: Sequence[int]) -> Floats32:
    """(n, d) features with each block of each row scaled to length 1; zeros stay zero."""
    unit = np.array(features, np.float32)
    for here in _slices(blocks):
        length = np.linalg.norm(unit[:, here], axis=1, keepdims=True)
        unit[:, here] /= np.maximum(length, np.float32(1e-12))
    return unit


def usual(distances: Floats) -> tuple[float, ...]:
    """The median of each block of (n, blocks) distances."""
    return tuple(np.maximum(np.median(distances, axis=0), 1e-6).tolist())


def part_scores(scores: Floats, parts: Sequence[str]) -> Floats:
    """The highest score of each part, ascending."""
    highest: dict[str, float] = {}
    for part, score in zip(parts, scores, strict=True):
        highest[part] = max(highest.get(part, 0.0), float(score))
    return np.sort(np.array(list(highest.values())))


def _slices(blocks: Sequence[int]) -> list[slice]:
    ends = np.cumsum([0, *blocks]).tolist()
    return [slice(start, end) for start, end in pairwise(ends)]
