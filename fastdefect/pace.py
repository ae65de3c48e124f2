"""The time left of a task, from the steps that it reports."""

import time
from collections.abc import Callable

_LEAST = 3.0  # seconds from which a rate is known


class Pace:
    """The rate of one task after the other; a report of another task starts it again."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or time.monotonic
        self._task: str | None = None
        self._first, self._last, self._started = 0, 0, 0.0

    def seconds_left(self, task: str, done: int, total: int | None) -> float | None:
        """The seconds left after ``done`` of ``total`` steps; None while no rate is known."""
        now = self._clock()
        if task != self._task or done < self._last:
            self._task, self._first, self._started = task, done, now
        self._last = done
        passed, steps = now - self._started, done - self._first
        if total is None or steps <= 0 or passed < _LEAST:
            return None
        return passed / steps * max(total - done, 0)
