"""A command in one of several processes of a launcher: the first one runs it, the others help."""

import atexit
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastdefect.errors import FastdefectError, UsageError
from fastdefect.processes import Place

if TYPE_CHECKING:
    from fastdefect.training.processes import Processes

SHARED = "fit"  # the only command that several processes share
# The first process reports first, if it can.
_HEAD_START_S = 3.0


class _Leave:
    """Ends this process with ``code``, once it is known; called when the interpreter ends.

    Rarely the threads of gloo abort a process while the interpreter is taken down, and the launcher
    then calls finished work a failure. Nothing is left to write at that time.
    """

    code: int | None = None

    def __call__(self) -> None:
        if self.code is None:
            return
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # closed by who reads it
                stream.flush()
        os._exit(self.code)


def run_launched(here: Place, arguments: Sequence[str], command: Callable[[], None]) -> None:
    """Run ``command``, the program with ``arguments``, in the first process.

    The others train with it, print nothing and write nothing.
    """
    named = next((each for each in arguments if not each.startswith("-")), None)
    if named not in (SHARED, None):
        _refuse(here, str(named))
    if named is None:  # --help and --version
        if here.first:
            command()
        return
    leave = _Leave()
    # Registered before the functions of the libraries, and so called after them.
    atexit.register(leave)
    from fastdefect.console import show_error
    from fastdefect.training.processes import ProcessLostError, join

    try:
        processes = join(here)
    except FastdefectError as error:
        show_error(error)
        sys.exit(error.exit_code)
    if here.first:
        _outlive_the_loss_of(processes)
        leave.code = 1  # after a traceback
        try:
            command()
            leave.code = 0
        except SystemExit as error:
            leave.code = error.code if isinstance(error.code, int) else int(error.code is not None)
            raise
        finally:
            with suppress(ProcessLostError):  # the work is done, or its error is on its way
                processes.end()
        return
    from fastdefect.jobs.training.together import follow

    _silence()
    try:
        follow(processes)
        leave.code = 0
    except ProcessLostError as error:
        time.sleep(_HEAD_START_S)
        if processes.reports():
            show_error(error)
        leave.code = error.exit_code


def _refuse(here: Place, command: str) -> None:
    from fastdefect.console import show_error

    error = UsageError(
        f"{command} runs in one process, but the launcher started {here.size}.",
        f"Run it without a launcher: fastdefect {command}. Only fit trains in several processes.",
    )
    if here.first:
        show_error(error)
    sys.exit(error.exit_code)


def _outlive_the_loss_of(processes: "Processes") -> None:
    """Let SIGTERM end this process, but not while it reports that another one was lost.

    The launcher sends it to all others when a process has ended.
    """

    def end(number: int, frame: Any) -> None:
        if processes.healthy:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)


def _silence() -> None:
    """Print nothing from here on, except an error that ends the process."""
    warnings.simplefilter("ignore")
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (until the end)
