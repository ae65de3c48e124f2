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
from scipy import sparse

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
_CODES = 12_000_000  # limit of the hashes that are sorted at a time, to save memory
_HASHES = 1 << 16  # that are weighted at a time, for the same reason
_SAMPLE = 20_000  # keypoints from which the medians are taken, about


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
    lists, for any number of ``threads``. Each photo is read some times.
    ``on_progress(done, total)`` counts the photos with a list.
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

    A number is a table and a hash of it, ``table << bits | hash``. The photos that have it are
    ``owners[starts[number]:starts[number + 1]]``, 2 bytes each, 4 above 65,535 photos.
    """

    def __init__(self, photos: Sequence[Keypoints], threads: int) -> None:
        self.n = len(photos)
        self._most = min(_HASHED, max(1, _BUDGET // self.n))
        firsts = np.cumsum([0, *(min(len(photo), self._most) for photo in photos)])
        total = int(firsts[-1])
        self._tables = min(max(20_000 // self.n, _TABLES[0]), _TABLES[1])
        self._bits = min(max(round(np.log2(total / _CROWD)), 4), 24)
        self._directions, self._medians = self._draw(_sample(photos, self._most))
        self._starts = np.zeros((self._tables << self._bits) + 1, np.int32)
        # What is left out at the end is never written, and so takes no memory.
        self._owners = np.empty(self._tables * total, np.uint16 if self.n < 2**16 else np.int32)
        squares = np.zeros(self.n)
        at_once = min(max(1, _CODES // total), self._tables)
        for first in range(0, self._tables, at_once):
            codes = self._codes_of_all(photos, firsts, slice(first, first + at_once))
            with finished_in_order(
                lambda of_table: self._sorted(of_table, firsts), list(codes), threads
            ) as results:
                for table, (owners, sizes) in enumerate(results, first):
                    squares += self._add(table, owners, sizes)
        self._lengths = np.sqrt(np.maximum(squares, 1e-9))

    def votes(self, packed: NDArray[np.int8], signs: Floats32 | None = None) -> Floats:
        """The votes (n,) of a photo's descriptors for every photo.

        They are the cosines between the photos' vectors of weighted hashes, times the length of
        the vector of this photo. ``signs`` change those of the descriptors.
        """
        numbers = self._codes(packed[: self._most], slice(None), signs)
        numbers += np.arange(self._tables, dtype=np.int32) << self._bits
        numbers = np.sort(numbers, axis=None)
        numbers = numbers[np.diff(numbers, prepend=-1) > 0]  # a hash counts once for each photo
        begin = self._starts[numbers]
        size = self._starts[numbers + 1] - begin
        before = np.cumsum(size) - size
        places = np.arange(size.sum()) + np.repeat(begin - before, size)
        weights = np.repeat(self._weight(size), size)
        found = np.bincount(self._owners[places], weights, minlength=self.n)
        return np.asarray(found / self._lengths, np.float64)

    def _codes_of_all(
        self, photos: Sequence[Keypoints], firsts: NDArray[np.int64], tables: slice
    ) -> NDArray[np.int32]:
        """The hashes (tables, keypoints) of all photos, for some tables."""
        count = len(self._medians[tables])
        codes = np.empty((count, int(firsts[-1])), np.int32)
        for photo, first in zip(photos, firsts[:-1], strict=True):
            here = photo.packed[: self._most]
            codes[:, first : first + len(here)] = self._codes(here, tables, None).T
        return codes

    def _sorted(
        self, codes: NDArray[np.int32], firsts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The photos of each hash of a table, hash after hash, and the number (2^bits,) of them.

        A photo is there once for each hash, and the hashes of many photos have none.
        """
        by_photo = sparse.csr_array(
            (np.ones(len(codes), np.int8), codes, firsts), shape=(self.n, 1 << self._bits)
        )
        by_hash = by_photo.tocsc()  # a counting sort
        owners, begin = by_hash.indices, by_hash.indptr
        kept = np.ones(len(owners), np.bool_)
        np.not_equal(owners[1:], owners[:-1], out=kept[1:])
        kept[begin[:-1][begin[:-1] < len(owners)]] = True  # the first of each hash
        count = np.zeros(len(owners) + 1, np.int32)
        np.cumsum(kept, out=count[1:])
        sizes = np.diff(count[begin])
        common = sizes > max(_FEW, self.n // _COMMON)
        kept &= ~np.repeat(common, np.diff(begin))
        sizes[common] = 0
        return owners[kept], sizes

    def _add(self, table: int, owners: NDArray[np.int32], sizes: NDArray[np.int32]) -> Floats:
        """Add the photos of a table's hashes; return the squared lengths (n,) of its vectors."""
        number = table << self._bits
        first = int(self._starts[number])
        self._starts[number + 1 : number + 1 + len(sizes)] = first + np.cumsum(sizes)
        self._owners[first : first + len(owners)] = owners
        squares = np.zeros(self.n)
        for at in range(0, len(sizes), _HASHES):
            size = sizes[at : at + _HASHES]
            begin, end = self._starts[[number + at, number + at + len(size)]]
            # Rare hashes have higher weights on both sides of the product, hence the square.
            weights = np.repeat(self._weight(size), size)
            squares += np.bincount(self._owners[begin:end], weights, minlength=self.n)
        return squares

    def _weight(self, sizes: NDArray[np.int32]) -> Floats:
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
    ) -> NDArray[np.int32]:
        """The hashes (keypoints, tables) of descriptors: the sides of the directions as bits."""
        values = packed.astype(np.float32)
        if signs is not None:
            values *= signs
        medians = self._medians[tables]
        directions = self._directions[:, tables].reshape(len(MIRROR), medians.size)
        above = values @ directions > medians.reshape(-1)
        powers = (1 << np.arange(self._bits)).astype(np.float32)  # exact below 2^24
        codes = above.reshape(-1, self._bits).astype(np.float32) @ powers
        return codes.reshape(len(packed), len(medians)).astype(np.int32)


def _sample(photos: Sequence[Keypoints], most: int) -> NDArray[np.int8]:
    """Some descriptors (about ``_SAMPLE`` or fewer, 46), from photos in equal distances."""
    chosen = photos[:: max(1, len(photos) * most // (4 * _SAMPLE))]
    packed = np.concatenate([photo.packed[:most] for photo in chosen])
    return packed[:: max(1, len(packed) // _SAMPLE)]
