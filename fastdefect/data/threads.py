"""Several photos at a time, each by one thread."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread_each() -> Iterator[None]:
    """While several threads work on a photo each, BLAS and OpenCV start none of their own.

    Small products and small pictures gain nothing from more threads; they would only stand in
    the way of the other photos'. SIFT on two cores takes a third less of them so.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        cv2.setNumThreads(before)
