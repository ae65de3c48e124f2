"""Output on the terminal: progress, tables and the error panel. No other module prints.

There are four listeners for the same events: live (a terminal), plain (lines, for logs and
pipes), JSON lines (for programs) and quiet.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from fastdefect import events
from fastdefect.errors import FastdefectError
from fastdefect.files import finite
from fastdefect.pace import Pace
from fastdefect.text import counted, number_text, without_controls

if TYPE_CHECKING:
    from fastdefect.aliases import Pixels
    from fastdefect.reporting.tables.fit import TableData

Mode = Literal["auto", "quiet", "json"]

# Column of history.csv -> heading and number format.
_EPOCH_COLUMNS = {
    "epoch": ("epoch", "{:.0f}"),
    "train_loss": ("train loss", "{:.4f}"),
    "valid_loss": ("valid loss", "{:.4f}"),
    "train_accuracy": ("train acc", "{:.2%}"),
    "valid_accuracy": ("valid acc", "{:.2%}"),
    "gap": ("gap", "{:+.2%}"),
    "f1": ("F1", "{:.4f}"),
    "precision": ("prec", "{:.4f}"),
    "recall": ("recall", "{:.4f}"),
    "auc": ("AUC", "{:.4f}"),
    "learning_rate": ("lr", "{:.1e}"),
    "seconds": ("s", "{:.1f}"),
}
# Columns that a narrow terminal omits, in this order; history.csv has all of them.
_DISPENSABLE = ("learning_rate", "precision", "recall", "train_loss", "seconds", "valid_loss")


_PICTURE = 48  # columns of a picture
_EVERY = 60.0  # seconds between two lines of progress in a log


class Screen(Protocol):
    """Listens to the events of a job and shows its results."""

    def __call__(self, event: events.Event) -> None:
        """Handle one event."""

    def table(self, table: "TableData") -> None:
        """Show a table."""

    def line(self, text: str) -> None:
        """Show a line."""

    def picture(self, pixels: "Pixels") -> None:
        """Show a small picture of RGB ``pixels`` (h, w, 3) uint8 where colours can be shown."""

    def result(self, name: str, value: Any) -> None:
        """Pass the result of a job to a program that reads the output."""


class QuietScreen:
    """Shows nothing; errors go to standard error (``show_error``)."""

    def __call__(self, event: events.Event) -> None:
        """Ignore the event."""

    def table(self, table: "TableData") -> None:
        """Ignore the table."""

    def line(self, text: str) -> None:
        """Ignore the line."""

    def picture(self, pixels: "Pixels") -> None:
        """Ignore the picture."""

    def result(self, name: str, value: Any) -> None:
        """Ignore the result."""


class JsonScreen(QuietScreen):
    """One JSON object per line on standard output, each with its ``event``."""

    _NAMES: ClassVar = {
        events.Note: "note",
        events.Progress: "progress",
        events.FitStarted: "fit_started",
        events.BatchDone: "batch",
        events.EpochDone: "epoch",
        events.FitEnded: "fit_ended",
    }

    def __call__(self, event: events.Event) -> None:
        """Print the event."""
        self.result(self._NAMES[type(event)], asdict(event))

    def result(self, name: str, value: Any) -> None:
        """Print a result as an event."""
        fields = value if isinstance(value, Mapping) else {"value": value}
        text = json.dumps({"event": name, **finite(dict(fields))})
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


class PlainScreen(QuietScreen):
    """Plain lines: for a pipe, a log file or a terminal that can't move its cursor."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._header_shown = False
        self._pace = Pace()
        self._progress_shown = time.monotonic()

    def __call__(self, event: events.Event) -> None:
        """Print notes, epochs and the progress now and then, but not batches: too many lines."""
        match event:
            case events.Note(text, level):
                self._note(text, level)
            case events.Progress(task, done, total):
                left = self._pace.seconds_left(task, done, total)
                if left and time.monotonic() - self._progress_shown >= _EVERY:
                    self._progress_shown = time.monotonic()
                    self.line(f"{task}: {done} of {total}, {duration(left)} left")
            case events.EpochDone(row, best):
                self._epoch(row, best)
            case events.FitEnded():
                self._ended(event)
            case _:
                pass

    def table(self, table: "TableData") -> None:
        """Print an empty line and the table, or a sentence if it has no rows."""
        self.console.print()
        if table.rows:
            self.console.print(draw(table))
        else:
            self.line(table.empty or f"{table.title}: none.")

    def line(self, text: str) -> None:
        """Print the line unwrapped."""
        self.console.print(_plain(text), soft_wrap=True)

    def picture(self, pixels: "Pixels") -> None:
        """Print the picture on a terminal with colours."""
        if self.console.is_terminal and self.console.color_system and not self.console.no_color:
            self.console.print(half_blocks(pixels, min(_PICTURE, self.console.width)))

    def _note(self, text: str, level: str) -> None:
        style = "yellow" if level == "warning" else ""
        mark = "! " if level == "warning" else ""
        self.console.print(_plain(mark + text, style), soft_wrap=True)

    def _epoch(self, row: Mapping[str, Any], best: bool) -> None:
        if not self._header_shown:
            self.line("  ".join(f"{title:>7}" for title, _ in _EPOCH_COLUMNS.values()))
            self._header_shown = True
        titles = [title for title, _ in _EPOCH_COLUMNS.values()]
        cells = "  ".join(
            f"{cell:>{max(len(title), 7)}}"
            for title, cell in zip(titles, _epoch_cells(row), strict=True)
        )
        self.line(cells + ("  best" if best else ""))

    def _ended(self, event: events.FitEnded) -> None:
        best = f"best epoch {event.best_epoch}" if event.best_epoch else "no epoch finished"
        self.line(
            f"Training ended ({event.reason}) after {counted(event.epochs_done, 'epoch')}; {best}."
        )


class LiveScreen(PlainScreen):
    """A terminal: a table of epochs above a progress bar with rate and remaining time."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._rows: list[Mapping[str, Any]] = []
        self._best: int | None = None
        self._live: Live | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[detail]}"),
            console=console,
        )
        self._task = self._bar.add_task("", total=1, detail="")
        self._job = ""

    def __call__(self, event: events.Event) -> None:
        """Update the display."""
        match event:
            case events.Note(text, level):
                self._note(text, level)
            case events.Progress(task, done, total):
                left = self._pace.seconds_left(task, done, total)
                detail = f"{done}/{total}" if total else f"{done}"
                self._advance(
                    task, done, total, f"{detail}  {duration(left)} left" if left else detail
                )
            case events.FitStarted():
                self._rows, self._best = [], None
                self._start()
            case events.BatchDone():
                self._batch(event)
            case events.EpochDone(row, best):
                self._add_epoch(row, best)
            case events.FitEnded():
                self.close()
                self._ended(event)

    def close(self) -> None:
        """Remove the progress bar from the screen and keep the table of epochs."""
        if self._live:
            self._live.update(self._epoch_table() if self._rows else Text(""), refresh=True)
            self._live.stop()
            self._live = None
            self._rows = []

    def table(self, table: "TableData") -> None:
        """Print the table below the live part."""
        self.close()
        super().table(table)

    def line(self, text: str) -> None:
        """Print the line below the live part."""
        self.close()
        super().line(text)

    def _start(self) -> None:
        if self._live is None:
            self._live = Live(self._picture(), console=self.console, refresh_per_second=8)
            self._live.start()

    def _advance(self, task: str, done: int, total: int | None, detail: str) -> None:
        self._start()
        # Not with update, for which None is no change. Without a total the bar pulses.
        self._bar.tasks[0].total = None if total is None else max(total, 1)
        self._bar.update(
            self._task, description=without_controls(task), completed=done, detail=detail
        )
        self._refresh()
        if total is not None and done >= total and not self._rows:
            self.close()

    def _batch(self, event: events.BatchDone) -> None:
        self._advance(
            f"epoch {event.epoch}",
            event.batch,
            event.batches + 1,  # the last step is the validation
            f"{event.batch}/{event.batches}  {event.images_per_second:.1f} images/s  "
            f"{duration(event.seconds_left)} left  loss {event.loss:.3f}",
        )

    def _add_epoch(self, row: Mapping[str, Any], best: bool) -> None:
        if best:
            self._best = row["epoch"]
        self._rows.append(row)
        self._refresh()

    def _refresh(self) -> None:
        if self._live:
            self._live.update(self._picture())

    def _picture(self) -> Group:
        return Group(*([self._epoch_table()] if self._rows else []), self._bar)

    def _epoch_table(self) -> Table:
        table = Table(box=None, padding=(0, 1), header_style="bold")
        columns = _columns_within(self.console.width)
        for title, _ in columns.values():
            table.add_column(title, justify="right", no_wrap=True)
        table.add_column("")
        # Only the newest rows fit on the screen; history.csv has all of them.
        n_shown = max(self.console.height - 6, 5)
        for row in self._rows[-n_shown:]:
            best = row["epoch"] == self._best
            cells = [number_text(row[name], form) for name, (_, form) in columns.items()]
            table.add_row(*cells, "best" if best else "", style="bold green" if best else "")
        return table


def _columns_within(width: int) -> dict[str, tuple[str, str]]:
    """The columns of an epoch that fit into ``width`` characters, including "best"."""
    columns = dict(_EPOCH_COLUMNS)
    for name in _DISPENSABLE:
        if sum(max(len(title), 7) + 2 for title, _ in columns.values()) + 5 <= width:
            break
        del columns[name]
    return columns


def _epoch_cells(row: Mapping[str, Any]) -> list[str]:
    return [number_text(row[name], form) for name, (_, form) in _EPOCH_COLUMNS.items()]


def duration(seconds: float) -> str:
    """90 as 1:30, 4000 as 1:06:40."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def screen(mode: Mode) -> Iterator[Screen]:
    """The listener for ``mode`` and the type of terminal. Closes a live display at the end."""
    if mode == "quiet":
        yield QuietScreen()
        return
    if mode == "json":
        yield JsonScreen()
        return
    console = Console(highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        # A pipe has no width, and the default of 80 columns would fold the tables.
        yield PlainScreen(Console(highlight=False, width=max(console.width, 160)))
        return
    live = LiveScreen(console)
    try:
        yield live
    finally:
        live.close()


def show_error(error: FastdefectError) -> None:
    """Print message and hint on standard error."""
    body = _plain(error.message)
    if error.hint:
        body.append(_plain("\n" + error.hint, "bold"))
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        console.print(
            Panel(body, title="fastdefect: error", title_align="left", border_style="red")
        )
    else:  # no frame and no wrapped lines, so that a log can be searched
        console.print(Text("fastdefect: error: ") + body, soft_wrap=True)


def show_annotations(lines: Iterable[str]) -> None:
    """Print lines for the system that runs the command on standard error, unchanged.

    Standard output holds tables or JSON. GitHub Actions reads both streams.
    """
    for line in lines:
        sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _plain(text: str, style: str = "") -> Text:
    """``text`` as it is, neither markup nor commands to the terminal."""
    return Text(without_controls(text), style=style)


def draw(table: "TableData") -> Group:
    """A table of plain values for rich.

    Title and caption are as wide as the terminal. rich would wrap its own at the width of the
    table, which may be one word.
    """
    drawn = Table()
    for index, column in enumerate(table.columns):
        # Folded, not cut, so that a name can be copied.
        drawn.add_column(_plain(column), justify="left" if index == 0 else "right", overflow="fold")
    styles = {"good": "green", "bad": "red"}
    for index, row in enumerate(table.rows):
        # Text, not markup: [red] may be the name of a class.
        drawn.add_row(*(_plain(cell) for cell in row), style=styles.get(table.marks.get(index, "")))
    caption = [_plain(table.caption, "table.caption")] if table.caption else []
    return Group(_plain(table.title, "bold"), drawn, *caption)


def half_blocks(pixels: "Pixels", columns: int) -> Text:
    """RGB ``pixels`` (h, w, 3) as text: a character is two pixels, one above the other."""
    import cv2

    height, width = pixels.shape[:2]
    rows = max(1, round(columns * height / width / 2))
    small = cv2.resize(pixels, (columns, 2 * rows), interpolation=cv2.INTER_AREA)
    text = Text(no_wrap=True)
    for upper, lower in zip(small[::2].tolist(), small[1::2].tolist(), strict=True):
        for above, below in zip(upper, lower, strict=True):
            text.append("▀", f"{_colour(above)} on {_colour(below)}")
        text.append("\n")
    return text


def _colour(rgb: list[int]) -> str:
    return f"rgb({rgb[0]},{rgb[1]},{rgb[2]})"
