"""Events of a training, and a screen that shows them."""

import math
from typing import Any

from fastdefect import console
from fastdefect.events import (
    BatchDone,
    EpochDone,
    Event,
    FitEnded,
    FitStarted,
    Note,
    Progress,
)
from fastdefect.reporting.tables.fit import TableData

NAN = math.nan


def epoch_row(epoch: int, **changes: Any) -> dict[str, Any]:
    row = {
        "epoch": epoch,
        "train_loss": 0.51234,
        "valid_loss": 0.41234,
        "train_accuracy": 0.9,
        "valid_accuracy": 0.95,
        "gap": -0.05,
        "f1": 0.91234,
        "precision": 0.9,
        "recall": 0.92,
        "auc": NAN,
        "escape_rate": NAN,
        "overkill_rate": 0.1,
        "learning_rate": 0.0008,
        "seconds": 12.34,
    }
    return {**row, **changes}


# Every event, in the order of a fit; a class called [red] must not be taken for markup.
EVENTS: list[Event] = [
    Progress("measuring valid", 1, 3),
    Progress("reading photos", 3, 3),
    Note("2 photos of [red] are unreadable", "warning"),
    Note("Weights: random"),
    FitStarted(2, 0, "runs/x"),
    BatchDone(1, 1, 2, 33.3, 4000.0, 0.7),
    BatchDone(1, 2, 2, 35.0, 90.0, 0.6),
    EpochDone(epoch_row(1), best=True),
    BatchDone(2, 1, 2, 35.0, 45.0, NAN),
    BatchDone(2, 2, 2, 35.0, 0.0, 0.5),
    EpochDone(epoch_row(2, valid_loss=NAN), best=False),
    FitEnded("finished", 2, 1),
    Progress("measuring valid", 3, 3),
]


TABLE = TableData(
    "Best model",
    ("metric", "valid"),
    (("F1", "0.9123"), ("[bold]x", "-")),
    "a caption",
    {0: "good"},
)


def show_all(shown: console.Screen) -> None:
    for event in EVENTS:
        shown(event)
    shown.table(TABLE)
    shown.line("Run: runs/[x]")
    shown.result("result", {"f1": NAN})
