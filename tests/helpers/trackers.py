"""Trackers that record what is logged to them, and runs that were never trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fastdefect.config import RunConfig
from fastdefect.run import Run, RunKind
from fastdefect.run_registry import create_member, create_run
from fastdefect.tracking import catalogue, logged_run, tracked
from fastdefect.tracking.catalogue import Library
from fastdefect.tracking.tracker import Closing, Opening

COLUMNS = ("epoch", "valid_loss", "f1")


@dataclass
class FakeRun:
    """One run of a fake tracker: what it was opened with, and what was logged."""

    opening: Opening
    id: str
    epochs: int
    where: str = "in memory"
    rows: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        self.rows.append((epoch, dict(figures)))

    def close(self, closing: Closing) -> None:
        self.closings.append(closing)


@dataclass
class FakeTracker:
    """A tracker in memory. ``fails_at`` names the call that raises an error."""

    fails_at: str = ""
    keeps_files: bool = True
    runs: list[FakeRun] = field(default_factory=list)

    def open_run(self, opening: Opening) -> FakeRun:
        if self.fails_at == "open":
            raise ConnectionError("the server is down.")
        made = FakeRun(opening, opening.id or f"id-{len(self.runs)}", opening.epochs)
        if self.fails_at in ("log_epoch", "close"):
            setattr(made, self.fails_at, self._fail)
        self.runs.append(made)
        return made

    def _fail(self, *arguments: Any) -> None:
        raise ConnectionError("the server is down.")

    def epochs_of(self, name: str) -> list[int]:
        """All epochs logged for a run, by its name, in order."""
        return [epoch for run in self.runs if run.opening.name == name for epoch, _ in run.rows]

    @property
    def last(self) -> FakeRun:
        """The run that was opened last."""
        return self.runs[-1]


def use_trackers(monkeypatch: pytest.MonkeyPatch, **trackers: FakeTracker) -> None:
    """Let these be the only trackers; their package is one that is always installed."""
    table = {
        name: Library(name, "json", each.open_run, keeps_files=each.keeps_files)
        for name, each in trackers.items()
    }
    for module in (catalogue, logged_run, tracked):
        monkeypatch.setattr(module, "TRACKERS", table)


def untrained(runs: Path, name: str = "one", kind: RunKind = RunKind.TRAINING) -> Run:
    """A run that has only its settings and its state."""
    return create_run(runs, name, RunConfig(), "fastdefect fit", kind=kind)


def untrained_member(parent: Run, name: str) -> Run:
    """A training inside ``parent`` that has only its settings and its state."""
    return create_member(parent, name, RunConfig())


def write_epochs(run: Run, epochs: int) -> None:
    """Write a history of so many epochs, the loss of each being its number."""
    rows = [{"epoch": n, "valid_loss": float(n), "f1": float("nan")} for n in range(1, epochs + 1)]
    run.write("history.csv", rows, COLUMNS)


def write_results(run: Run, status: str = "finished") -> None:
    """Write what the end of a training writes."""
    metrics = {"f1": 0.5, "n": 6, "auc": None, "confusion": [[1, 2], [0, 3]]}
    run.write("metrics.json", {"valid": metrics})
    run.path("curves.png").write_bytes(_dot())
    run.update_state(status=status, best_epoch=1)


def opening_of(runs: Path, **changes: Any) -> Opening:
    """An opening of a new run ``one`` in ``runs``."""
    whole = Opening(
        root=runs,
        folder=runs / "one",
        name="one",
        group=None,
        parent=None,
        id=None,
        epochs=0,
        settings={"training.epochs": 2, "report.target": ()},
        about={"version": "1"},
    )
    return replace(whole, **changes)


def pictures(
    folder: Path, names: Sequence[str] = ("curves.png", "metrics.json")
) -> tuple[Path, ...]:
    """Files of a run, of which the .png is a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(_dot() if name.endswith(".png") else b"{}")
    return tuple(folder / name for name in names)


def _dot() -> bytes:
    import cv2
    import numpy as np

    return bytes(cv2.imencode(".png", np.zeros((4, 6, 3), np.uint8))[1])
