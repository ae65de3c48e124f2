"""A watched folder: its photos, and the wait for changes in it."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from fastdefect.data.reading.layouts.tree import (
    is_output_folder,
    is_photo,
    is_system_file,
    stream_photos,
)
from fastdefect.errors import DataError
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.predicting.arrivals import State

_TICK = 0.25  # seconds between two looks at the files that wait


class Changes(Protocol):
    """The wait for changes. ``pause`` and ``share`` limit how often the whole folder is listed."""

    pause: float  # seconds from one listing to the next, at least
    share: float  # of the time may be spent on listings

    def __call__(self) -> Iterable[Path] | None:
        """Wait a moment, and return paths that have changed; None if the user wants to stop."""
        ...


@dataclass(frozen=True)
class Listing:
    """The photos in a folder by path; ``complete`` unless a folder could not be listed."""

    files: dict[str, State]
    complete: bool


def list_photos(folder: Path) -> Listing:
    """The photos below the folder; those that vanish meanwhile are left out."""
    files, complete = {}, True
    try:
        for _, path, problem in stream_photos(folder):
            if problem:
                complete = False
            elif (state := state_of(path)) is not None:
                files[str(path)] = state
    except DataError:  # the folder itself: a share that is away
        complete = False
    return Listing(files, complete)


def state_of(path: Path) -> State | None:
    """The state of a file; None if there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


def changed_photos(folder: Path, changed: Iterable[Path]) -> dict[str, State | None]:
    """The states of the photos among the ``changed`` paths, and of all photos in new folders."""
    states: dict[str, State | None] = {}
    for path in changed:
        if not _belongs(folder, path):
            continue
        if path.is_dir():
            states.update(list_photos(path).files)
        elif is_photo(path.name):
            states[str(path)] = state_of(path)
    return states


def _belongs(folder: Path, path: Path) -> bool:
    """Whether ``stream_photos`` would enter the folders above ``path``."""
    steps = path.relative_to(folder).parts
    if any(is_system_file(step) for step in steps):
        return False
    return not any(is_output_folder(above) for above in (path, *path.parents[: len(steps) - 1]))


def changes_of(folder: Path, *, poll: bool, on_event: OnEvent) -> Changes:
    """Changes as the system reports them, or by listing the folder again and again."""
    if poll:
        return Polling()
    if find_spec("watchfiles") is None:
        on_event(Note("watchfiles is not installed, so the folder is listed again and again."))
        return Polling()
    return Reported(folder, on_event)


class Polling:
    """No changes are reported: the folder is listed twice a second, or less often if it is large.

    A listing of 100,000 files takes about a second, so the next one follows ten seconds later.
    """

    pause, share = 0.5, 0.1

    def __call__(self) -> Iterable[Path] | None:
        """Wait a moment."""
        time.sleep(_TICK)
        return ()


class Reported:
    """Changes that the system reports. The folder is also listed now and then.

    Systems drop reports under load, and send none for what happens in a network share elsewhere.
    """

    pause, share = 10.0, 0.02

    def __init__(self, folder: Path, on_event: OnEvent) -> None:
        from watchfiles import watch

        self._folder, self._on_event = folder, on_event
        self._absolute = Path(os.path.abspath(folder))  # noqa: PTH100 - keeps links
        self._polling: Polling | None = None
        self._changes = watch(
            self._absolute,
            watch_filter=None,
            debounce=200,
            rust_timeout=int(_TICK * 1000),
            yield_on_timeout=True,
        )

    def __call__(self) -> Iterable[Path] | None:
        """Wait for a report, at most for a moment."""
        if self._polling:
            return self._polling()
        try:
            found = next(self._changes, None)
        except (OSError, RuntimeError) as error:  # such as a limit on watched folders
            text = f"The system does not report changes ({error}), so the folder is listed instead."
            self._on_event(Note(text, "warning"))
            self._polling = Polling()
            self.pause, self.share = Polling.pause, Polling.share
            return ()
        if found is None:
            return None
        paths = (Path(path) for _, path in found)
        # A folder behind a link may be reported by its other path; the next listing finds it.
        inside = (path for path in paths if path.is_relative_to(self._absolute))
        return [self._folder / path.relative_to(self._absolute) for path in inside]
