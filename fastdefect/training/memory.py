"""Keep memory that was freed: on a CPU, the price of a training step is mostly page faults.

glibc gives every block above 32 MB back to the kernel the moment it is freed, and a network
frees each layer's activations at every step; taking them again costs a page fault for each
4 KB. ``benchmarks/allocator.py`` measures what keeping them saves. Looking for keypoints, too,
fills and frees a pyramid of pictures for each photo, and takes a third longer without this.
"""

import ctypes
import platform

# malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Tell glibc to serve all blocks from its heap and never to shrink it (mallopt(3)).

    Returns whether it was told: on other systems and C libraries nothing is done.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, -1))
