"""What a command does in one of several processes of a launcher."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from fastdefect import cli
from fastdefect.cli.launched import run_launched
from fastdefect.processes import Place
from fastdefect.training import processes as module
from fastdefect.training.processes import ProcessLostError

FIRST, OTHER = Place(0, 4, 0, 4), Place(2, 4, 2, 4)


def never() -> None:
    raise AssertionError("the command ran")


@pytest.mark.parametrize("arguments", [["tune", "photos"], ["--x", "ablate"], ["queue", "export"]])
def test_another_command_than_fit_is_refused_once(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for here in (FIRST, OTHER):
        with pytest.raises(SystemExit) as caught:
            run_launched(here, arguments, never)
        assert caught.value.code == 2
        printed = capsys.readouterr()
        assert not printed.out
        assert ("runs in one process, but the launcher started 4." in printed.err) == here.first


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"]])
def test_only_the_first_process_prints_help(arguments: list[str]) -> None:
    ran: list[str] = []
    run_launched(FIRST, arguments, lambda: ran.append("first"))
    run_launched(OTHER, arguments, lambda: ran.append("other"))
    assert ran == ["first"]


def test_processes_that_do_not_find_each_other_are_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def join(here: Place) -> Any:
        raise ProcessLostError("Process 0 can't reach the others.", "Check the address.")

    monkeypatch.setattr(module, "join", join)
    with pytest.raises(SystemExit) as caught:
        run_launched(FIRST, ["fit", "photos"], never)
    assert caught.value.code == 1
    assert "Process 0 can't reach the others." in capsys.readouterr().err


def test_a_process_alone_runs_the_command_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    ran: list[str] = []
    monkeypatch.setattr(cli, "app", lambda: ran.append("app"))
    cli.main()
    assert ran == ["app"]


def test_a_launched_process_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("sys.argv", ["fastdefect", "tune"])
    monkeypatch.setattr(cli, "app", never)
    with pytest.raises(SystemExit):
        cli.main()


class Joined:
    """Stands for the processes: the work of the other ones is never needed."""

    healthy = True

    def end(self) -> None:
        pass


def finished() -> None:
    pass


def raises(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (finished, 0),
        (raises(SystemExit(0)), 0),
        (raises(SystemExit(None)), 0),
        (raises(SystemExit(3)), 3),
        (raises(SystemExit("a message")), 1),
        (raises(ZeroDivisionError()), 1),
    ],
)
def test_the_first_process_leaves_with_the_code_of_the_command(
    command: Callable[[], None], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves when the interpreter calls what is registered for its end, and not before."""
    registered: list[Callable[[], None]] = []
    left: list[int] = []
    monkeypatch.setattr("atexit.register", registered.append)
    monkeypatch.setattr("os._exit", left.append)
    monkeypatch.setattr("signal.signal", lambda number, action: None)
    monkeypatch.setattr(module, "join", lambda here: Joined())
    with suppress(SystemExit, ZeroDivisionError):
        run_launched(FIRST, ["fit", "photos"], command)
    assert not left
    registered[0]()
    assert left == [code]
