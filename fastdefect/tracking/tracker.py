"""A run of an experiment tracker: what it is opened with, and what is logged to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fastdefect.run import RunStatus


@dataclass(frozen=True)
class Opening:
    """The run folder to log, and what the tracker has of it already.

    ``root`` is the folder of all runs. ``group`` is the name of the run that contains this one,
    and ``parent`` its id in the tracker; both are None for a run on its own. ``id`` is the id of
    this run in the tracker, None for a new one, and ``epochs`` the number of its logged epochs.
    ``settings`` are those of config.toml by ``section.name``.
    """

    root: Path
    folder: Path
    name: str
    group: str | None
    parent: str | None
    id: str | None
    epochs: int
    settings: Mapping[str, Any]
    about: Mapping[str, str]


@dataclass(frozen=True)
class Closing:
    """The end of a run: its status, its epochs, its figures by name, and files to keep."""

    status: RunStatus
    epochs: int
    figures: Mapping[str, float]
    files: tuple[Path, ...]

    @property
    def interrupted(self) -> bool:
        """Whether the run can be resumed. A run that still says ``running`` was interrupted."""
        return self.status in (RunStatus.INTERRUPTED, RunStatus.RUNNING)

    @property
    def failed(self) -> bool:
        """Whether the training ended with an error."""
        return self.status in (RunStatus.FAILED, RunStatus.DIVERGED)


class Tracker(Protocol):
    """One open run of a tracker. ``where`` tells the user where it is and how to see it.

    ``epochs`` is the number of epochs that were logged before it was opened. Every method can
    raise any error of its library.
    """

    id: str
    where: str
    epochs: int

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Log the finite figures of an epoch, from 1."""

    def close(self, closing: Closing) -> None:
        """Log the final figures and files, and end the run. It can be opened again."""
