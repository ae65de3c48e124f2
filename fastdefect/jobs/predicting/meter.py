"""Progress of a prediction: photos a second, and the time left if the number is known."""

import time
from collections.abc import Callable

from fastdefect.events import OnEvent, Progress

_EVERY = 0.2  # seconds between two reports


class Meter:
    """Counts the photos of this run, after ``before`` that an earlier one had decided."""

    def __init__(
        self,
        on_event: OnEvent,
        total: int | None,
        before: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_event, self._total, self._before, self._clock = on_event, total, before, clock
        self._done, self._shown, self._started = 0, 0.0, clock()

    @property
    def per_second(self) -> float:
        """Photos of this run a second."""
        return self._done / max(self._clock() - self._started, 1e-9)

    def step(self, photos: int = 1) -> None:
        """So many more photos are decided."""
        self._done += photos
        if (now := self._clock()) - self._shown >= _EVERY:
            self._shown = now
            self._report(self._total)

    def close(self) -> None:
        """All photos are decided: masks and repeats were counted, but have no decision."""
        self._report(self._before + self._done)

    def _report(self, total: int | None) -> None:
        done, text = self._before + self._done, f"deciding, {self.per_second:.1f} photos/s"
        if total is not None and self._done:
            text += f", {_duration(max(total - done, 0) / self.per_second)} left"
        self._on_event(Progress(text, done, total))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
