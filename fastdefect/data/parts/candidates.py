"""A shortlist for each photo of other photos that may show the same part, without geometry.

Every descriptor is hashed several times by the signs of random projections (M. Charikar,
"Similarity estimation techniques from rounding algorithms", 2002). Photos receive votes for each
shared hash, weighted as words are in text search (Sivic and Zisserman, "Video Google", 2003): a
hash that many photos have belongs to the design and has a low weight, a rare one may belong to
the individual. The most frequent ones are left out: they have most of the votes and little weight.
The photos of each hash are kept in an inverted index, which is built once. Keypoints are invariant
to rotation, shift and scale. Mirror images are searched separately.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Floats32
from fastdefect.data.parts.keypoints import MIRROR, Keypoints
from fastdefect.process import finished_in_order

# Minimum and maximum of the photos on a shortlist (plain and mirrored) and of the hash tables. With
# some hundred photos, many comparisons per photo are affordable.
LISTED, MIRRORED = (26, 60), (6, 40)
_TABLES = (32, 64)
_HASHED = 600  # strongest keypoints per photo
_CROWD = 8  # average number of keypoints per hash
_BUDGET = 6_000_000  # limit of hashed keypoints: beyond 10,000 photos fewer per photo
_COMMON = 64  # a hash that more than one photo in this many has is left out...
_FEW = 40  # ...but none of at most this many photos
_CHUNK = 100_000  # keypoints that are hashed at a time: as floats, all need too much memory


@dataclass(frozen=True)
class Shortlist:
    """Indices of other photos, most similar first; ``mirrored`` are similar as mirror images."""

    plain: NDArray[np.int64]
    mirrored: NDArray[np.int64]


def shortlists(
    photos: Sequence[Keypoints],
    *,
    threads: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Shortlist]:
    """For each photo the other photos that share most hashes with it.

    Their number is between the limits of ``LISTED`` and ``MIRRORED``; from 1,400 photos on it is
    the lower limit. A photo can be on both lists. The same photos in the same order give the same
    lists, for any number of ``threads``. Each photo is read twice. ``on_progress(done, total)``
    counts the photos with a list.
    """
    n = len(photos)
    if not any(len(photo) for photo in photos):
        none = np.zeros(0, np.int64)
        return [Shortlist(none, none)] * n
    most = min(max(36_000 // n, LISTED[0]), LISTED[1])
    most_mirrored = min(max(18_000 // n - 20, MIRRORED[0]), MIRRORED[1])
    index = _Index(photos, threads)

    def of(own: int) -> Shortlist:
        packed = photos[own].packed
        return Shortlist(
            _best(index.votes(packed), own, most),
            _best(index.votes(packed, MIRROR), own, most_mirrored),
        )

    lists = []
    with finished_in_order(of, range(n), threads) as results:
        for listed in results:
            lists.append(listed)
            if on_progress is not None:
                on_progress(len(lists), n)
    return lists


def _best(votes: Floats, own: int, most: int) -> NDArray[np.int64]:
    votes[own] = 0
    least = np.partition(votes, -most)[-most] if most < len(votes) else 0.0
    chosen = np.flatnonzero((votes >= least) & (votes > 0))
    return np.asarray(chosen[np.argsort(-votes[chosen], kind="stable")[:most]], np.int64)


class _Index:
    """The inverted index of the hashes of all photos, table after table.

    The photos that have hash h of table t are ``owners[t, starts[t, h]:starts[t, h + 1]]``, 2 bytes
    each, 4 above 65,535 photos.
    """

    def __init__(self, photos: Sequence[Keypoints], threads: int) -> None:
        self.n = len(photos)
        self._most = min(_HASHED, max(1, _BUDGET // self.n))
        packed, owner = _strongest(photos, self._most)
        total = len(packed)
        self._tables = min(max(20_000 // self.n, _TABLES[0]), _TABLES[1])
        self._bits = min(max(round(np.log2(total / _CROWD)), 4), 24)
        self._directions, self._medians = self._draw(packed[:: max(1, total // 50_000)])
        self._starts = np.zeros((self._tables, (1 << self._bits) + 1), np.int32)
        self._owners = np.empty((self._tables, total), np.uint16 if self.n < 2**16 else np.int32)
        squares = np.zeros(self.n)
        with finished_in_order(
            lambda table: self._fill(table, packed, owner), range(self._tables), threads
        ) as results:
            for of_one in results:
                squares += of_one
        self._lengths = np.sqrt(np.maximum(squares, 1e-9))

    def votes(self, packed: NDArray[np.int8], signs: Floats32 | None = None) -> Floats:
        """The votes (n,) of a photo's descriptors for every photo.

        They are the cosines between the photos' vectors of weighted hashes, times the length of
        the vector of this photo. ``signs`` change those of the descriptors.
        """
        numbers = self._codes(packed[: self._most], slice(None), signs)
        numbers += np.arange(self._tables) << self._bits  # table and hash in one number
        numbers = np.sort(numbers, axis=None)
        numbers = numbers[np.diff(numbers, prepend=-1) > 0]  # a hash counts once for each photo
        table, code = numbers >> self._bits, numbers & ((1 << self._bits) - 1)
        begin = self._starts[table, code].astype(np.int64)
        size = self._starts[table, code + 1] - begin
        begin += table * self._owners.shape[1]
        before = np.cumsum(size) - size
        places = np.arange(size.sum()) + np.repeat(begin - before, size)
        weights = np.repeat(self._weight(size), size)
        found = np.bincount(self._owners.reshape(-1)[places], weights, minlength=self.n)
        return np.asarray(found / self._lengths, np.float64)

    def _fill(self, table: int, packed: NDArray[np.int8], owner: NDArray[np.int64]) -> Floats:
        """Fill the index of a table, and return the squared lengths (n,) of its vectors."""
        keys = np.empty(len(packed), np.int64)
        for at in range(0, len(packed), _CHUNK):
            here = slice(at, at + _CHUNK)
            keys[here] = self._codes(packed[here], slice(table, table + 1), None)[:, 0]
        keys *= self.n
        keys += owner
        keys.sort()
        code, owners = np.divmod(keys[np.diff(keys, prepend=-1) > 0], self.n)
        sizes = np.bincount(code, minlength=1 << self._bits)
        sizes[sizes > max(_FEW, self.n // _COMMON)] = 0
        kept = sizes[code] > 0
        code, owners = code[kept], owners[kept]
        self._starts[table, 1:] = np.cumsum(sizes)
        self._owners[table, : len(owners)] = owners
        # Rare hashes have higher weights on both sides of the product, hence the square.
        squares = np.bincount(owners, self._weight(sizes)[code], minlength=self.n)
        return np.asarray(squares, np.float64)

    def _weight(self, sizes: NDArray[np.int64]) -> Floats:
        """The square of the weight of hashes that ``sizes`` photos have."""
        return np.asarray(np.log((self.n + 1) / (sizes + 1)) ** 2, np.float64)

    def _draw(self, sample: NDArray[np.int8]) -> tuple[Floats32, Floats32]:
        """Random orthogonal directions (axes, tables, bits), and the medians along them."""
        # Scaled by the square root of the spread: full whitening would amplify the noise of small
        # axes.
        values = sample.astype(np.float32)
        scale = 1 / np.sqrt(np.maximum(values.std(axis=0), 1e-3))
        values *= scale
        directions, medians = [], []
        for table in range(self._tables):
            normal = np.random.default_rng(table).standard_normal((len(MIRROR), len(MIRROR)))
            chosen = np.linalg.qr(normal)[0][:, : self._bits].astype(np.float32)
            directions.append(scale[:, None] * chosen)
            medians.append(np.median(values @ chosen, axis=0))
        return np.stack(directions, axis=1), np.array(medians, np.float32)

    def _codes(
        self, packed: NDArray[np.int8], tables: slice, signs: Floats32 | None
    ) -> NDArray[np.int64]:
        """The hashes (keypoints, tables) of descriptors: the sides of the directions as bits."""
        values = packed.astype(np.float32)
        if signs is not None:
            values *= signs
        directions = self._directions[:, tables].reshape(len(MIRROR), -1)
        medians = self._medians[tables]
        above = values @ directions > medians.reshape(-1)
        powers = (1 << np.arange(self._bits)).astype(np.float32)  # exact below 2^24
        codes = above.reshape(-1, self._bits).astype(np.float32) @ powers
        return codes.reshape(len(packed), len(medians)).astype(np.int64)


def _strongest(
    photos: Sequence[Keypoints], most: int
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """The ``most`` strongest descriptors of each photo (n, 46), and the photo of each (n,)."""
    packed = np.empty((len(photos) * most, len(MIRROR)), np.int8)
    counts, total = [], 0
    for photo in photos:
        here = photo.packed[:most]
        packed[total : total + len(here)] = here
        total += len(here)
        counts.append(len(here))
    return packed[:total], np.repeat(np.arange(len(photos)), counts)
