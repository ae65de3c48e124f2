"""Which files of a watched folder are complete and new. Time is a parameter: tests need none."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

State = tuple[int, int]  # size in bytes, time of the last change in ns

# A file is complete when it has not changed for so long, and damaged when it can't be read after
# so much longer: cameras and copies over a network write in pieces.
SETTLED, PATIENCE = 0.5, 10.0
_RETRY = 1.0  # seconds until a file that can't be read is tried again


@dataclass
class _Arrival:
    """A file without a decision: its state, when that was first seen, and when to try it."""

    state: State
    unchanged_since: float
    try_at: float


class Arrivals:
    """The files of a folder, by path: those that wait for a decision, and those that have one.

    A file that is written again after its decision is new again.
    """

    def __init__(self, decided: Mapping[str, State]) -> None:
        """``decided``: the files that are there already and that an earlier watch has decided."""
        self._waiting: dict[str, _Arrival] = {}
        # A hash instead of the state: there may be a hundred thousand old files.
        self._done = {path: hash(state) for path, state in decided.items()}

    @property
    def waiting(self) -> Collection[str]:
        """The files without a decision; the caller looks at them again soon."""
        return tuple(self._waiting)

    def listed(self, files: Mapping[str, State], now: float, *, complete: bool) -> None:
        """Take note of the present files of the folder; ``complete`` if all could be listed.

        Files that are gone are forgotten, but not all at once: a network share that is away looks
        like an empty folder, and its files must not be new when it is back.
        """
        for path in [path for path in self._waiting if path not in files]:
            del self._waiting[path]  # removed, or renamed when it was complete
        if files and complete:
            self._done = {path: state for path, state in self._done.items() if path in files}
        for path, state in files.items():
            self.seen(path, state, now)

    def seen(self, path: str, state: State | None, now: float) -> None:
        """Take note of one file; None if it is gone."""
        if state is None:
            self._waiting.pop(path, None)
        elif self._done.get(path) != hash(state):
            waiting = self._waiting.get(path)
            if waiting is None or waiting.state != state:
                pause = SETTLED if state[0] else PATIENCE  # an empty file is a name in advance
                self._waiting[path] = _Arrival(state, now, now + pause)

    def ready(self, now: float) -> list[str]:
        """The files that are complete, or are to be tried again."""
        return [path for path, arrival in self._waiting.items() if now >= arrival.try_at]

    def settle(self, path: str, state: State | None, readable: bool, now: float) -> bool:
        """Whether the decision on a ready file is final; ``state`` is that after the decision.

        It is not if the file has changed meanwhile. An unreadable file is tried for a while.
        """
        arrival = self._waiting[path]
        if state is not None and state != arrival.state:
            self.seen(path, state, now)
            return False
        if not readable and (state is None or now - arrival.unchanged_since < PATIENCE):
            arrival.try_at = now + _RETRY
            return False
        del self._waiting[path]
        if state is not None:
            self._done[path] = hash(state)
        return True
