"""A shortlist for each photo of other photos that may show the same part, without geometry.

Every descriptor is hashed several times by the signs of random projections (M. Charikar,
"Similarity estimation techniques from rounding algorithms", 2002). Photos receive votes for each
shared hash, weighted as words are in text search (Sivic and Zisserman, "Video Google", 2003): a
hash that many photos have belongs to the design and has a low weight, a rare one may belong to
the individual. Keypoints are invariant to rotation, shift and scale. Mirror images are searched
separately.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fastdefect.data.parts.keypoints import MIRROR, Keypoints

# Minimum and maximum of the photos on a shortlist (plain and mirrored) and of the hash tables. With
# some hundred photos, many comparisons per photo are affordable.
LISTED, MIRRORED = (26, 60), (6, 40)
_TABLES = (32, 64)
_HASHED = 600  # strongest keypoints per photo
_CROWD = 8  # average number of keypoints per hash
_BUDGET = 6_000_000  # limit of hashed keypoints: beyond 10,000 photos fewer per photo
_BLOCK = 100_000_000  # votes of a table in memory at a time, 4 bytes each

Counts = NDArray[np.float32]


@dataclass(frozen=True)
class Shortlist:
    """Indices of other photos, most similar first; ``mirrored`` are similar as mirror images."""

    plain: NDArray[np.int64]
    mirrored: NDArray[np.int64]


def shortlists(photos: Sequence[Keypoints]) -> list[Shortlist]:
    """For each photo the other photos that share most hashes with it.

    Their number is between the limits of ``LISTED`` and ``MIRRORED``; from 1,400 photos on it is
    the lower limit. A photo can be on both lists. The same photos in the same order give the same
    lists.
    """
    n = len(photos)
    if sum(map(len, photos)) == 0:
        none = np.zeros(0, np.int64)
        return [Shortlist(none, none)] * n
    hashes = _Hashes(photos)
    most = min(max(36_000 // n, LISTED[0]), LISTED[1])
    most_mirrored = min(max(18_000 // n - 20, MIRRORED[0]), MIRRORED[1])
    rows = max(1, _BLOCK // (2 * n))
    lists: list[Shortlist] = []
    for start in range(0, n, rows):
        plain, mirrored = hashes.votes(start, min(start + rows, n))
        for row in range(len(plain)):
            own = start + row
            lists.append(
                Shortlist(_best(plain[row], own, most), _best(mirrored[row], own, most_mirrored))
            )
    return lists


def _best(votes: Counts, own: int, most: int) -> NDArray[np.int64]:
    votes[own] = 0
    order = np.argsort(-votes, kind="stable")[:most]
    return np.asarray(order[votes[order] > 0], np.int64)


class _Hashes:
    """Keypoints hashed by one table after the other; no table is kept, to save memory."""

    def __init__(self, photos: Sequence[Keypoints]) -> None:
        most = min(_HASHED, max(1, _BUDGET // len(photos)))
        packed = [photo.packed[:most] for photo in photos]
        self.n = len(photos)
        self.tables = min(max(20_000 // self.n, _TABLES[0]), _TABLES[1])
        self.starts = np.cumsum([0, *map(len, packed)])
        self.packed = np.concatenate(packed)
        total = len(self.packed)
        self.bits = min(max(round(np.log2(total / _CROWD)), 4), 24)
        sample = self.packed[:: max(1, total // 50_000)].astype(np.float32)
        # Scaled by the square root of the spread: full whitening would amplify the noise of small
        # axes.
        self.scale = 1 / np.sqrt(np.maximum(sample.std(axis=0), 1e-3))
        self.sample = sample * self.scale

    def votes(self, start: int, stop: int) -> tuple[Counts, Counts]:
        """The votes (stop - start, n) of a range of photos, plain and mirrored.

        They are the cosines (0 to 1) between the photos' vectors of weighted hashes.
        """
        shape = (stop - start, self.n)
        plain, mirrored = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        squares = np.zeros(self.n, np.float32)
        with ThreadPoolExecutor(2) as pool:
            for of_one in pool.map(
                lambda table: self._products(table, start, stop), range(self.tables)
            ):
                plain += of_one[0]
                mirrored += of_one[1]
                squares += of_one[2]
        lengths = np.sqrt(np.maximum(squares, 1e-9))
        scale = lengths[start:stop, None] * lengths[None]
        return plain / scale, mirrored / scale

    def _products(self, table: int, start: int, stop: int) -> tuple[Counts, Counts, Counts]:
        """One table's plain and mirrored products (stop - start, n), and squared lengths (n,)."""
        directions, medians = self._draw(table)
        present = self._presence(directions, medians, 0, self.n)
        mirrored = self._presence(directions * MIRROR[:, None], medians, start, stop)
        # Rare hashes have higher weights on both sides of the product, hence the square.
        owners = np.bincount(present.indices, minlength=present.shape[1])
        weight = np.log((self.n + 1) / (owners + 1)).astype(np.float32) ** 2
        owned = present.T.tocsr()
        products = []
        for queries in (present[start:stop], mirrored):
            queries.data = weight[queries.indices]
            products.append((queries @ owned).toarray())
        return products[0], products[1], present @ weight

    def _draw(self, table: int) -> tuple[Counts, Counts]:
        """Random orthogonal directions (axes, bits) of a table, and the medians along them."""
        rng = np.random.default_rng(table)
        square = np.linalg.qr(rng.standard_normal((len(MIRROR), len(MIRROR))))[0]
        directions = square[:, : self.bits].astype(np.float32)
        medians = np.median(self.sample @ directions, axis=0)
        return self.scale[:, None] * directions, medians

    def _presence(
        self, directions: Counts, medians: Counts, start: int, stop: int
    ) -> sparse.csr_matrix:
        """A matrix (photos, 2^bits) with 1 where a photo has a hash."""
        first, last = self.starts[start], self.starts[stop]
        codes = np.zeros(last - first, np.int32)
        for at in range(
            first, last, 100_000
        ):  # in chunks: all keypoints as floats need too much memory
            values = self.packed[at : min(at + 100_000, last)].astype(np.float32)
            signs = values @ directions > medians
            powers = (1 << np.arange(self.bits)).astype(np.float32)  # exact below 2^24
            codes[at - first : at - first + len(values)] = signs.astype(np.float32) @ powers
        found = sparse.csr_matrix(
            (np.ones(len(codes), np.float32), codes, self.starts[start : stop + 1] - first),
            shape=(stop - start, 1 << self.bits),
        )
        found.sum_duplicates()
        found.data[:] = 1
        return found
