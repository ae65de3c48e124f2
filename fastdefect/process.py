"""How this process uses the machine: how threads wait, memory that is kept, and one thread a photo.

**Waiting.** A step of a network on a CPU is some hundred parallel regions, at the end of which the
threads wait for the last one. GNU's OpenMP lets them spin for that, for milliseconds: where another
program has taken a core, they keep busy the very core that the last one needs. A thousand turns
are enough where nothing else runs. ``benchmarks/beside.py`` measures both.

**Memory.** On a CPU most of the price of a training step is page faults. glibc gives every block
above 32 MB back to the kernel the moment it is freed, and a network frees each layer's activations
at every step; taking them again costs a page fault for each 4 KB. ``benchmarks/allocator.py``
measures what keeping them saves. The search for keypoints, too, fills and frees a pyramid of
pictures for each photo, and takes a third longer without this.
"""

import ctypes
import os
import platform
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

SPINS = "1000"

# malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def wait_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set how long OpenMP's threads spin, unless the user did; call it before torch is imported.

    ``GOMP_SPINCOUNT`` and ``OMP_WAIT_POLICY``: the libgomp manual. Other OpenMP libraries read
    neither or only the second, and are left as they are.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPINS)


def keep_freed_memory() -> bool:
    """Make glibc serve all blocks from its heap and never shrink it (mallopt(3)).

    Returns whether that was done: on other systems and C libraries nothing is.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, -1))


@contextmanager
def one_thread_each() -> Iterator[None]:
    """While several threads work on a photo each, BLAS and OpenCV start none of their own.

    Small products and small pictures gain nothing from more threads; they would only stand in
    the way of the other photos'. SIFT on two cores takes a third less of them so.
    """
    # Here, as this module is imported by every command, --help too.
    import cv2
    from threadpoolctl import threadpool_limits

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        cv2.setNumThreads(before)
