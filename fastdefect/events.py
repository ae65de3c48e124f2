"""What a long job tells while it works. The job never knows who listens.

Every event is a plain value; ``OnEvent`` is the one callable that a job is handed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Note:
    """A line worth reading once: what was found, chosen or given up."""

    text: str
    level: str = "info"  # info | warning


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` steps of a named piece of work."""

    task: str
    done: int
    total: int


@dataclass(frozen=True)
class FitStarted:
    """Training is about to begin (or to go on after ``first_epoch`` finished epochs)."""

    epochs: int
    first_epoch: int
    run: str


@dataclass(frozen=True)
class BatchDone:
    """One training batch is done; rates are over this epoch so far, times in seconds."""

    epoch: int  # from 1
    batch: int  # from 1
    batches: int
    images_per_second: float
    seconds_left: float  # of the whole fit, validation included
    loss: float


@dataclass(frozen=True)
class EpochDone:
    """One epoch is trained, validated and on disk; ``row`` is its line of ``history.csv``."""

    row: Mapping[str, Any]
    best: bool


@dataclass(frozen=True)
class FitEnded:
    """Training is over; ``reason`` is ``finished``, ``early stopping`` or ``interrupted``."""

    reason: str
    epochs_done: int
    best_epoch: int | None


Event = Note | Progress | FitStarted | BatchDone | EpochDone | FitEnded
OnEvent = Callable[[Event], None]


def silent(event: Event) -> None:
    """Listen to nothing."""
