"""Ctrl-C as a request to end after the current batch, with the state saved."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

StopRequested = Callable[[], bool]


@contextmanager
def stop_on_interrupt() -> Iterator[StopRequested]:
    """While the block runs, the first SIGINT or SIGTERM only makes the callable return true.

    A second one has its usual effect: it ends the program at once. Outside the main thread, where
    Python allows no handlers, signals are not changed.
    """
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested.is_set
        return
    before: dict[int, Any] = {}

    def request(number: int, frame: Any) -> None:
        requested.set()
        for known, handler in before.items():
            signal.signal(known, handler)

    for handled in (signal.SIGINT, signal.SIGTERM):
        before[handled] = signal.signal(handled, request)
    try:
        yield requested.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
