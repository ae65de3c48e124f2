"""The output of each of the four screens."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from helpers.console_events import EVENTS, NAN, show_all
from rich.console import Console

from fastdefect import console
from fastdefect.console import (
    JsonScreen,
    LiveScreen,
    PlainScreen,
    QuietScreen,
    duration,
    half_blocks,
    screen,
)
from fastdefect.errors import DataError, UsageError
from fastdefect.events import (
    BatchDone,
    Event,
    FitEnded,
    Note,
    Progress,
)
from fastdefect.reporting.tables.fit import TableData


@pytest.fixture
def plain() -> tuple[PlainScreen, Callable[[], str]]:
    file = io.StringIO()
    return PlainScreen(Console(file=file, width=160, highlight=False)), file.getvalue


def test_plain_shows_a_row_per_epoch_under_one_header(
    plain: tuple[PlainScreen, Callable[[], str]],
) -> None:
    shown, text = plain
    show_all(shown)
    lines = text().splitlines()

    (header,) = [line for line in lines if "train loss" in line]
    rows = [line for line in lines if "0.9123  " in line]
    assert [row.split()[0] for row in rows] == ["1", "2"]
    assert rows[0].endswith("best")
    assert not rows[1].endswith("best")
    # Under their headings: the first row's cells end where those do.
    for title in ("valid loss", "gap", "F1", "AUC", "lr"):
        end = header.index(title) + len(title)
        assert rows[0][end - 1] != " "
        assert rows[0][end : end + 1] in (" ", "")
    first = rows[0].split()
    assert first[:7] == ["1", "0.5123", "0.4123", "90.00%", "95.00%", "-5.00%", "0.9123"]
    assert first[9:] == ["-", "8.0e-04", "12.3", "best"]
    assert rows[1].split()[2] == "-"


def test_plain_shows_how_training_ended(plain: tuple[PlainScreen, Callable[[], str]]) -> None:
    shown, text = plain
    shown(FitEnded("early stopping", 14, 2))
    shown(FitEnded("interrupted", 0, None))
    first, second = text().splitlines()
    assert "early stopping" in first
    assert "14 epochs" in first
    assert "best epoch 2" in first
    assert "no epoch finished" in second


def test_plain_prints_text_unchanged(plain: tuple[PlainScreen, Callable[[], str]]) -> None:
    shown, text = plain
    show_all(shown)
    assert "! 2 photos of [red] are unreadable" in text()
    assert "Run: runs/[x]" in text()
    assert "[bold]x" in text()
    assert "\x1b" not in text()


def test_control_characters_in_names_are_printed_as_escapes(
    plain: tuple[PlainScreen, Callable[[], str]],
) -> None:
    shown, text = plain
    name = "a\x1b[2J\x9b\u202eb.png"
    shown.line(f"{name}: OK\nnext")
    shown(Note(name, "warning"))
    shown.table(TableData(name, (name,), ((name,),), name))
    assert text().count(r"a\x1b[2J\x9b\u202eb.png") == 6
    assert not set("\x1b\x9b\u202e") & set(text())
    assert "OK\nnext" in text()


def test_a_table_without_rows_is_one_sentence(
    plain: tuple[PlainScreen, Callable[[], str]],
) -> None:
    shown, text = plain
    shown.table(TableData("Labels [x]", ("photo",), (), "a caption", empty="None of 3 is [bad]."))
    shown.table(TableData("Escapes by size", ("size",), ()))
    assert text() == "\nNone of 3 is [bad].\n\nEscapes by size: none.\n"


def test_title_and_caption_are_as_wide_as_the_terminal() -> None:
    file = io.StringIO()
    title, caption = "Settings [all] that differ in some way", "One says so. " * 3 + "And [ends]."
    table = TableData(title, ("a", "b"), (("x", "1"),), caption)
    PlainScreen(Console(file=file, width=60, highlight=False)).table(table)
    lines = file.getvalue().splitlines()
    assert lines[1] == title
    assert max(map(len, lines[2:-1])) < 15  # the table itself
    assert lines[-1] == caption


def test_plain_shows_the_time_left_of_a_long_task_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    file = io.StringIO()
    shown = PlainScreen(Console(file=file, width=160, highlight=False))
    for seconds, done in ((0, 0), (30, 10), (70, 15), (30, 30), (40, 40)):
        now += seconds
        shown(Progress("same part: comparing photos", done, 100))
    assert file.getvalue().splitlines() == [
        "same part: comparing photos: 15 of 100, 9:27 left",
        "same part: comparing photos: 40 of 100, 4:15 left",
    ]


def test_plain_keeps_batches_out_of_the_log(plain: tuple[PlainScreen, Callable[[], str]]) -> None:
    shown, text = plain
    shown(BatchDone(1, 1, 2, 33.3, 40.0, 0.7))
    shown(Progress("reading photos", 1, 2))
    assert text() == ""


def _events(text: str) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def test_json_lines_are_strict_json(capsys: pytest.CaptureFixture[str]) -> None:
    show_all(JsonScreen())
    events = _events(capsys.readouterr().out)

    assert [line["event"] for line in events] == [
        *("progress", "progress", "note", "note", "fit_started", "batch", "batch", "epoch"),
        *("batch", "batch", "epoch", "fit_ended", "progress", "result"),
    ]
    epoch = events[7]
    assert epoch["best"] is True
    assert epoch["row"]["f1"] == 0.91234
    assert epoch["row"]["auc"] is None
    assert events[8]["loss"] is None
    assert events[-1] == {"event": "result", "f1": None}


def test_json_accepts_all_values_of_results(capsys: pytest.CaptureFixture[str]) -> None:
    shown = JsonScreen()
    shown.result("a", {"nested": {"x": [(1, NAN)]}, "class": "défaut 試験"})
    shown.result("b", 3)
    shown.result("c", {"f1": np.float64("nan")})
    assert _events(capsys.readouterr().out) == [
        {"event": "a", "nested": {"x": [[1, None]]}, "class": "défaut 試験"},
        {"event": "b", "value": 3},
        {"event": "c", "f1": None},
    ]


def test_every_event_has_a_json_name() -> None:
    assert JsonScreen._NAMES.keys() == set(Event.__args__)  # type: ignore[attr-defined]


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_all(QuietScreen())
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


@pytest.mark.parametrize(
    ("mode", "kind"), [("quiet", QuietScreen), ("json", JsonScreen), ("auto", PlainScreen)]
)
def test_the_mode_and_the_terminal_choose_the_screen(
    mode: console.Mode, kind: type[QuietScreen]
) -> None:
    with screen(mode) as shown:  # under pytest, standard output is no terminal
        assert type(shown) is kind


def test_a_terminal_gets_the_live_screen_and_its_cursor_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = io.StringIO()
    monkeypatch.setattr(
        console, "Console", lambda **options: Console(file=file, force_terminal=True, width=160)
    )
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(DataError), screen("auto") as shown:
        assert isinstance(shown, LiveScreen)
        shown(EVENTS[4])
        raise DataError("no photos")
    assert shown._live is None
    assert "\x1b[?25h" in file.getvalue()


def test_a_terminal_without_a_cursor_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        console, "Console", lambda **options: Console(file=io.StringIO(), force_terminal=True)
    )
    monkeypatch.setenv("TERM", "dumb")
    with screen("auto") as shown:
        assert type(shown) is PlainScreen


def test_an_error_is_shown_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_error(DataError("no photos in [data]", "Give a folder."))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no photos in [data]" in captured.err
    assert "Give a folder." in captured.err


def test_an_error_without_a_hint_has_no_empty_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_error(UsageError("no"))
    assert capsys.readouterr().err.splitlines() == ["fastdefect: error: no"]


def test_an_error_in_a_log_is_not_broken_into_lines(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a folder with a long name " * 20
    console.show_error(DataError(f"No photos in {name}.", "Give another."))
    assert f"No photos in {name}." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (5.4, "0:05"), (59.6, "1:00"), (90, "1:30"), (3599, "59:59"), (4000, "1:06:40")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# The end of a command


def _list_runs(*arguments: str) -> Any:
    from typer.testing import CliRunner

    from fastdefect.cli import app

    return CliRunner().invoke(app, ["runs", *arguments], env={"COLUMNS": "120"})


def test_a_users_error_is_one_panel_and_an_exit_code(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from fastdefect.cli import app

    result = CliRunner().invoke(app, ["tta-eval", "nope", "--runs", str(tmp_path)])
    assert result.exit_code == 1
    assert "No run at nope" in result.stderr.replace("\n", " ")
    assert "fastdefect: error" in result.stderr
    assert "Traceback" not in result.output


def test_with_json_an_error_is_also_an_event(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from fastdefect.cli import app

    result = CliRunner().invoke(app, ["tta-eval", "nope", "--runs", str(tmp_path), "--json"])
    assert result.exit_code == 1
    (event,) = _events(result.stdout)
    assert event["event"] == "error"
    assert "No run at nope" in event["message"]


def test_no_runs_is_not_an_error(tmp_path: Path) -> None:
    result = _list_runs("--runs", str(tmp_path))
    assert result.exit_code == 0
    assert "No runs yet" in result.stdout
    (event,) = _events(_list_runs("--runs", str(tmp_path), "--json").stdout)
    assert event == {"event": "runs", "runs": []}


@pytest.mark.parametrize("width", [70, 80, 100, 130])
def test_a_narrow_terminal_drops_columns_and_cuts_none(width: int) -> None:
    from fastdefect.console import _columns_within

    columns = _columns_within(width)
    assert {"epoch", "train_accuracy", "valid_accuracy", "gap", "f1", "auc"} <= columns.keys()
    assert sum(max(len(title), 7) + 2 for title, _ in columns.values()) + 5 <= width


def test_a_picture_is_two_pixels_a_character_with_their_colours() -> None:
    pixels = np.zeros((4, 2, 3), np.uint8)
    pixels[0, 0], pixels[3, 1] = (255, 0, 0), (0, 0, 255)
    text = half_blocks(pixels, 2)
    assert text.plain == "▀▀\n▀▀\n"
    assert [str(span.style) for span in text.spans] == [
        "rgb(255,0,0) on rgb(0,0,0)",
        "rgb(0,0,0) on rgb(0,0,0)",
        "rgb(0,0,0) on rgb(0,0,0)",
        "rgb(0,0,0) on rgb(0,0,255)",
    ]


@pytest.mark.parametrize(("colours", "rows"), [("truecolor", 24), (None, 0)])
def test_a_picture_needs_a_terminal_with_colours(
    colours: Literal["truecolor"] | None, rows: int
) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system=colours, width=60, _environ={})
    PlainScreen(console).picture(np.zeros((50, 50, 3), np.uint8))
    assert file.getvalue().count("\n") - (rows > 0) == rows
