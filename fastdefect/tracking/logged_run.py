"""One run folder in one tracker: logs what the tracker does not have yet."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastdefect import __version__
from fastdefect.config import SECTIONS, RunConfig
from fastdefect.run import Run, RunStatus
from fastdefect.tracking.catalogue import TRACKERS
from fastdefect.tracking.tracker import Closing, Opening

STATE = "tracking.json"
# Small, and without the names of photos: a tracker may be outside the factory.
_FILES = (
    *("config.toml", "environment.json", "recipe.json", "model.json", "metrics.json"),
    *("curves.png", "confusion.png"),
)
_COMPLETE = (RunStatus.FINISHED, RunStatus.EARLY_STOPPING)


class LoggedRun:
    """An open run of the tracker ``name`` for a run folder.

    The id and the number of logged epochs are in the run folder, so that a resumed training goes
    on in the same run of the tracker.
    """

    def __init__(self, name: str, run: Run, parent: "LoggedRun | None") -> None:
        self._name, self._run = name, run
        state = run.read(STATE).get(name, {})
        opening = _opening(run, parent, state)
        self._tracker = TRACKERS[name].open_run(opening)
        self._epochs = self._tracker.epochs
        self._note(ended=None)

    @property
    def id(self) -> str:
        """The id of the run in the tracker."""
        return self._tracker.id

    @property
    def where(self) -> str:
        """Where the run is, and how to see it."""
        return self._tracker.where

    def log_epochs(self, last: int) -> None:
        """Log the epochs of history.csv up to ``last`` that the tracker does not have."""
        for row in self._run.read_history():
            epoch = int(row["epoch"])
            if self._epochs < epoch <= last:
                self._tracker.log_epoch(epoch, dict(_numbers(row)))
                self._epochs = epoch
                self._note(ended=None)

    def close(self, more: Sequence[Path] = ()) -> None:
        """Log the final figures, the files of the run folder, ``more`` files, and the status."""
        run = self._run
        state = run.read_state()
        status = RunStatus(state["status"])
        figures = {"final": run.read("metrics.json"), "best_epoch": state.get("best_epoch")}
        files = tuple(path for name in _FILES if (path := run.path(name)).exists())
        closing = Closing(status, self._epochs, dict(_numbers(figures)), (*files, *more))
        self._tracker.close(closing)
        self._note(ended=status)

    def _note(self, ended: RunStatus | None) -> None:
        entry = {"id": self._tracker.id, "epochs": self._epochs, "ended": ended}
        self._run.put(STATE, self._name, entry)


def is_complete(name: str, run: Run) -> bool:
    """Whether the tracker has everything of a finished run."""
    return run.read(STATE).get(name, {}).get("ended") in _COMPLETE


def _opening(run: Run, parent: LoggedRun | None, state: Mapping[str, Any]) -> Opening:
    around = run.parent
    return Opening(
        root=(around or run).folder.parent,
        folder=run.folder,
        name=f"{around.name}/{run.name}" if around else run.name,
        group=around.name if around else None,
        parent=parent.id if parent else None,
        id=state.get("id"),
        epochs=int(state.get("epochs", 0)),
        settings=_settings(run.read_config()),
        about={
            "version": __version__,
            "kind": run.read_kind(),
            "command": str(run.read_state().get("command", "")),
            "folder": str(run.folder),
        },
    )


def _settings(config: RunConfig) -> dict[str, Any]:
    return {
        f"{section}.{name}": value.as_posix() if isinstance(value, Path) else value
        for section in SECTIONS
        for name, value in vars(getattr(config, section)).items()
    }


def _numbers(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, float]]:
    """The finite numbers at any depth, by path: ``final/valid/f1``."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{path}{key}/")
        elif (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        ):
            yield f"{path}{key}", float(value)
