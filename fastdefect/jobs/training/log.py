"""The log of a run: lines with their time, buffered until the run has a folder."""

from datetime import UTC, datetime
from pathlib import Path

from fastdefect.events import EpochDone, Event, FitEnded, FitStarted, Note, OnEvent
from fastdefect.files import named_errors


class Log:
    """Passes every event on, and writes the lasting ones to a file once there is one."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._waiting: list[str] = []
        self._path: Path | None = None

    def __call__(self, event: Event) -> None:
        """Record the event and pass it on."""
        line = _line(event)
        if line:
            self._write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}")
        self._on_event(event)

    def to(self, path: Path) -> None:
        """Append the lines so far to ``path``, and all later ones."""
        self._path = path
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            self._write(line)

    def _write(self, line: str) -> None:
        if self._path is None:
            self._waiting.append(line)
            return
        with (
            named_errors(self._path),
            self._path.open("a", encoding="utf-8", newline="\n") as file,
        ):
            file.write(line + "\n")


def _line(event: Event) -> str:
    match event:
        case Note(text, level):
            return f"{level}: {text}"
        case FitStarted(epochs, first_epoch, run):
            return f"fit: {epochs} epochs, {first_epoch} done before, in {run}"
        case EpochDone(row, best):
            figures = " ".join(f"{key}={value:.6g}" for key, value in row.items())
            return f"epoch: {figures}{' best' if best else ''}"
        case FitEnded(reason, epochs_done, best_epoch):
            return f"fit ended: {reason} after {epochs_done} epochs, best {best_epoch}"
        case _:
            return ""
