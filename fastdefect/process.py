"""How this process uses the machine: waiting threads, freed memory, and one thread per photo.

**Waiting.** A step of a network on a CPU has about a hundred parallel regions. At the end of each,
the threads wait for the last one. In GNU's OpenMP they spin for milliseconds. If another program
uses a core, they occupy the core that the last thread needs. A thousand spins are enough on an
idle machine. ``benchmarks/beside.py`` measures both cases.

**Memory.** On a CPU page faults take most of the time of a training step. glibc returns every
block above 32 MB to the kernel when it is freed, and a network frees the activations of each layer
at every step. Allocating them again costs a page fault for each 4 KB. ``benchmarks/allocator.py``
measures the gain from keeping them. The search for keypoints also allocates and frees an image
pyramid for each photo, and takes a third longer without this.
"""

import ctypes
import os
import platform
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

SPINS = "1000"

# malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def wait_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Limit how long OpenMP threads spin, unless the user set it. Call before importing torch.

    For ``GOMP_SPINCOUNT`` and ``OMP_WAIT_POLICY`` see the libgomp manual. Other OpenMP libraries
    read at most the second, and their behaviour does not change.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPINS)


def keep_freed_memory() -> bool:
    """Make glibc allocate all blocks from its heap and never shrink it (mallopt(3)).

    Returns True on success, and False on other systems and C libraries, where it does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, -1))


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Limit BLAS and OpenCV to one thread while several threads work on one photo each.

    Small matrices and small images gain nothing from more threads, which would compete with the
    threads of the other photos. SIFT on two cores takes a third less time with this limit.
    """
    # Imported here, as every command imports this module, including --help.
    import cv2
    from threadpoolctl import threadpool_limits

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def finished_in_order(
    work: Callable[[_Item], _Result], items: Sequence[_Item], threads: int
) -> Iterator[Iterator[_Result]]:
    """The results of ``work`` for all items, in their order, from several threads.

    Only some items are in work or wait to be taken at a time, so that results use little memory.
    When the block is left early, as on Ctrl-C, the items that have not begun are dropped.
    """
    pool = ThreadPoolExecutor(threads)
    ahead: deque[Future[_Result]] = deque()

    def results() -> Iterator[_Result]:
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) >= 8 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    try:
        yield results()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
