"""Ctrl-C as a request: end after the batch, with everything saved."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

StopRequested = Callable[[], bool]


@contextmanager
def stop_on_interrupt() -> Iterator[StopRequested]:
    """While the block runs, the first SIGINT or SIGTERM only sets what the callable returns.

    A second one acts as ever: it ends the program at once. Outside the main thread, where
    Python allows no handlers, nothing is changed.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before: dict[int, Any] = {}

    def ask(number: int, frame: Any) -> None:
        asked.set()
        for known, handler in before.items():
            signal.signal(known, handler)

    for wanted in (signal.SIGINT, signal.SIGTERM):
        before[wanted] = signal.signal(wanted, ask)
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
