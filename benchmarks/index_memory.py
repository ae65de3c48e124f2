"""Memory and time of the index of hashes, from which the search for one part takes its shortlists.

    python benchmarks/index_memory.py [--photos 20000]

The keypoints are drawn at random, 900 for each photo from 200,000 different ones, so that nothing
has to be rendered or kept. Prints the peak of the memory, the processor time for building the
index, and that for the votes of one photo.
"""

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from typing import overload

import numpy as np

from fastdefect.data.parts.candidates import _Index
from fastdefect.data.parts.keypoints import MIRROR, MOST, Keypoints
from fastdefect.process import keep_freed_memory, one_thread_each

POOL = np.random.default_rng(0).integers(-60, 60, (200_000, len(MIRROR))).astype(np.int8)
NOWHERE = np.zeros((MOST, 2), np.float32)


class Drawn(Sequence[Keypoints]):
    """Photos whose keypoints are drawn when they are asked for."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    @overload
    def __getitem__(self, index: int) -> Keypoints: ...
    @overload
    def __getitem__(self, index: slice) -> list[Keypoints]: ...
    def __getitem__(self, index: int | slice) -> Keypoints | list[Keypoints]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.n))]
        if index >= self.n:
            raise IndexError(index)
        drawn = POOL[np.random.default_rng(index).integers(0, len(POOL), MOST)]
        return Keypoints(NOWHERE, NOWHERE[:, 0], NOWHERE[:, 1], drawn)


def peak() -> float:
    """The peak memory in MiB; macOS counts bytes, Linux kibibytes."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=20_000)
    photos = Drawn(parser.parse_args().photos)
    keep_freed_memory()
    before = peak()
    with one_thread_each():
        started = time.process_time()
        index = _Index(photos, threads=2)
        built = time.process_time()
        for photo in photos[:100]:
            index.votes(photo.packed)
        voted = time.process_time()
    print(
        f"{len(photos)} photos: peak {peak():.0f} MiB ({before:.0f} before), "
        f"building {built - started:.1f} s, votes {10 * (voted - built):.1f} ms a photo"
    )


if __name__ == "__main__":
    main()
