"""Decide on photos as they arrive in a folder; nothing in the folder is moved or changed."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from fastdefect.data.reading.layouts.tree import walk
from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.errors import DataError, UsageError
from fastdefect.events import Note, OnEvent
from fastdefect.inference.scorer import Scorer
from fastdefect.inference.stream import Decided, decide_all
from fastdefect.jobs.predict import Output, PartOf, Predicted
from fastdefect.jobs.predicting.live_file import LiveFile
from fastdefect.jobs.predicting.rows import Row, Tally, photo_row

State = tuple[int, int]  # size in bytes, time of the last change in ns

# A file is complete when it has not changed for so long, and damaged when it can't be read after
# so much longer: cameras and copies over a network write in pieces.
_SETTLED, _PATIENCE = 0.5, 10.0
_TICK = 0.25


class Changes(Protocol):
    """Waits until something may have changed in the folder, at most for a moment."""

    def __call__(self) -> bool:
        """False if the user wants to stop."""
        ...


@dataclass
class _Arrival:
    """A file that is not decided: its state, when this was first seen, and when the file was."""

    state: State
    unchanged_since: float
    first_seen: float


class Arrivals:
    """Which files of a folder are complete and new. Time is a parameter, so that tests need none.

    A file that is written again after its decision is new again.
    """

    def __init__(self, known: Callable[[str], bool]) -> None:
        """``known`` tells whether an earlier watch has decided on a name."""
        self._known = known
        self._waiting: dict[str, _Arrival] = {}
        self._done: dict[str, State] = {}

    def complete(self, files: dict[str, State], now: float) -> list[str]:
        """The names of ``files``, the present content of the folder, that are ready at ``now``."""
        for name in [name for name in self._waiting if name not in files]:
            del self._waiting[name]  # removed, or renamed when it was complete
        ready = []
        for name, state in files.items():
            if self._done.get(name) == state:
                continue
            waiting = self._waiting.get(name)
            if waiting is None:
                if name not in self._done and self._known(name):
                    self._done[name] = state
                    continue
                self._waiting[name] = _Arrival(state, now, now)
            elif waiting.state != state:
                waiting.state, waiting.unchanged_since = state, now
            elif state[0] and now - waiting.unchanged_since >= _SETTLED:
                ready.append(name)
        return ready

    def settle(self, name: str, readable: bool, now: float) -> bool:
        """Whether the decision on ``name`` is final; an unreadable file is tried for a while."""
        arrival = self._waiting[name]
        if not readable and now - arrival.unchanged_since < _PATIENCE:
            return False
        self._done[name] = arrival.state
        del self._waiting[name]
        return True


def watch(
    scorer: Scorer,
    folder: Path,
    photos: Sequence[str],
    output: Output,
    *,
    poll: bool,
    on_event: OnEvent,
) -> Predicted:
    """Decide on the photos in ``folder`` and on those that arrive, until Ctrl-C.

    Rows are appended to the output, which a later watch continues. Raises ``UsageError`` for
    options that do not apply, and ``DataError`` if there is no such folder.
    """
    _check(folder, photos, output)
    tally, part_of = Tally(), PartOf(output.part_from or scorer.part_from)
    started = time.monotonic()
    with LiveFile(output.out, scorer) as file:
        on_event(Note(f"Watching {folder}. Ctrl-C ends."))
        arrivals = Arrivals(lambda name: file.knows(str(folder / name)))
        for row in _rows(scorer, folder, arrivals, part_of, _changes(folder, poll)):
            tally.add(row)
            file.append(row)
            on_event(Note(_line(row)))
    rate = tally.total / max(time.monotonic() - started, 1e-9)
    return Predicted(tally, (), output.out, 0, rate, scorer.name)


def _rows(
    scorer: Scorer, folder: Path, arrivals: Arrivals, part_of: PartOf, changes: Changes
) -> Iterator[Row]:
    while True:
        now = time.monotonic()
        names = arrivals.complete(_content(folder), now)
        candidates = [Candidate(str(folder / name), folder / name) for name in names]
        done: Iterator[Decided[Candidate]] = decide_all(scorer, candidates, lambda c: c.path)
        for name, each in zip(names, done, strict=True):
            if arrivals.settle(name, each.decision is not None, time.monotonic()):
                yield photo_row(each, part_of(each.item), scorer)
        if not changes():
            return


def _content(folder: Path) -> dict[str, State]:
    """The photos below the folder and their states; those that vanish meanwhile are left out."""
    found = {}
    for name, path in walk(folder, lenient=True).photos.items():
        try:
            facts = path.stat()
        except OSError:
            continue
        found[name] = (facts.st_size, facts.st_mtime_ns)
    return found


def _changes(folder: Path, poll: bool) -> Changes:
    if poll or find_spec("watchfiles") is None:
        return _Sleep()
    return _Watchfiles(folder)


class _Sleep:
    def __call__(self) -> bool:
        try:
            time.sleep(2 * _TICK)
        except KeyboardInterrupt:
            return False
        return True


class _Watchfiles:
    """Wakes when the system reports a change; also now and then, for files that settle."""

    def __init__(self, folder: Path) -> None:
        from watchfiles import watch as watch_files

        self._changes = watch_files(
            folder, rust_timeout=int(_TICK * 1000), yield_on_timeout=True, raise_interrupt=False
        )

    def __call__(self) -> bool:
        return next(self._changes, None) is not None


def _line(row: Row) -> str:
    if row["error"]:
        return f"{row['path']}: look ({row['error']})"
    unlike = ", unlike the training photos" if row["unlike"] else ""
    return f"{row['path']}: {row['decision']}, P(defect) {row['p_defective']:.4f}{unlike}"


def _check(folder: Path, photos: Sequence[str], output: Output) -> None:
    if photos or output.by != "photo" or output.resume:
        raise UsageError(
            "--watch takes its photos from one folder and continues its --out file by itself; "
            "other photos, --by part and --resume do not apply.",
            "Remove them.",
        )
    if not folder.is_dir():
        raise DataError(
            f"--watch {folder}: expected a folder, but there is none.", "Correct the path."
        )
