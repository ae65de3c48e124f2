"""The output of the live screen."""

import io

from helpers.console_events import EVENTS, epoch_row, show_all
from rich.console import Console

from fastdefect.console import LiveScreen
from fastdefect.events import (
    EpochDone,
    Event,
    FitStarted,
    Note,
)


def live_screen(
    height: int = 30, kind: type[LiveScreen] = LiveScreen
) -> tuple[LiveScreen, io.StringIO]:
    file = io.StringIO()
    terminal = Console(
        file=file,
        force_terminal=True,
        width=160,
        height=height,
        highlight=False,
        legacy_windows=False,
    )
    return kind(terminal), file


class Eager(LiveScreen):
    """Draws at every event, not eight times a second."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if self._live:
            self._live.refresh()


def test_live_shows_all_events_and_closes() -> None:
    shown, file = live_screen(kind=Eager)
    show_all(shown)
    shown.close()
    text = file.getvalue()

    for words in ("measuring valid", "35.0 images/s", "1:30 left", "F1", "finished", "Best model"):
        assert words in text
    assert "[red]" in text
    assert "runs/[x]" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is back
    assert shown._live is None
    shown.close()  # twice does no harm


def test_live_keeps_the_epochs_on_the_screen_when_it_closes() -> None:
    shown, file = live_screen()
    for event in EVENTS[4:11]:
        shown(event)
    before = len(file.getvalue())
    shown.close()
    last = file.getvalue()[before:]
    drawn = last.rpartition("\x1b[2K")[2]  # what stands there after the last erasing
    assert drawn.count("0.9123") == 2
    assert drawn.count("best") == 1


def test_live_can_be_closed_in_the_middle_of_an_epoch() -> None:
    shown, _ = live_screen()
    for event in EVENTS[4:6]:
        shown(event)
    shown.close()
    assert shown._live is None


def test_live_shows_the_newest_epochs_of_many() -> None:
    shown, _ = live_screen(height=12)
    shown(FitStarted(50, 0, "x"))
    for epoch in range(1, 31):
        shown(EpochDone(epoch_row(epoch), best=epoch == 3))
    table = shown._epoch_table()
    assert table.row_count == 6
    assert list(table.columns[0].cells)[-1] == "30"
    shown.close()


def test_a_second_fit_starts_with_an_empty_table() -> None:
    shown, _ = live_screen()
    for event in EVENTS[4:]:
        shown(event)
    shown(FitStarted(2, 0, "y"))
    assert shown._rows == []
    assert shown._best is None
    shown.close()


def test_notes_during_a_fit_do_not_end_the_display() -> None:
    shown, file = live_screen()
    shown(FitStarted(2, 0, "x"))
    shown(Note("the disk is slow", "warning"))
    assert shown._live is not None
    assert "the disk is slow" in file.getvalue()
    shown.close()
