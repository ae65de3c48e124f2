"""Events that a long job reports while it runs. A job does not depend on its listeners.

Every event is a plain value. A job receives one callable of the type ``OnEvent``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Note:
    """A message for the user: something that was found, chosen or abandoned."""

    text: str
    level: str = "info"  # info | warning


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` steps of a named task; None if their number is not known."""

    task: str
    done: int
    total: int | None


@dataclass(frozen=True)
class FitStarted:
    """Training starts, or resumes after ``first_epoch`` finished epochs."""

    epochs: int
    first_epoch: int
    run: str


@dataclass(frozen=True)
class BatchDone:
    """A training batch is finished. The rate is the mean over this epoch so far."""

    epoch: int  # from 1
    batch: int  # from 1
    batches: int
    images_per_second: float
    seconds_left: float  # of all remaining epochs, including validation
    loss: float


@dataclass(frozen=True)
class EpochDone:
    """An epoch is trained, validated and saved; ``row`` is its row of ``history.csv``."""

    row: Mapping[str, Any]
    best: bool


@dataclass(frozen=True)
class FitEnded:
    """Training ended; ``reason`` is ``finished``, ``early stopping`` or ``interrupted``."""

    reason: str
    epochs_done: int
    best_epoch: int | None


Event = Note | Progress | FitStarted | BatchDone | EpochDone | FitEnded
OnEvent = Callable[[Event], None]


def silent(event: Event) -> None:
    """Ignore the event."""


def progress_only(on_event: OnEvent) -> OnEvent:
    """A listener that passes only the progress on to ``on_event``.

    For photos that are read again: the training reported the notes on them.
    """

    def pass_on(event: Event) -> None:
        if isinstance(event, Progress):
            on_event(event)

    return pass_on
