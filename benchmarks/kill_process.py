"""Commands in forked processes, which are interrupted at a moment or at a system call.

torch and fastai are imported once; each command is a fork of this process. So a command takes as
long as its work, and many moments can be tried.
"""

import importlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# What changes files. Reading is left out: a kill there changes nothing.
WRITING = (
    "write,pwrite64,writev,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,unlinkat,"
    "mkdir,symlink"
)


MODULES = "modules.txt"


@dataclass(frozen=True)
class Place:
    """Where a command works: its output, temporary files and cache are in ``folder``."""

    folder: Path

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def said(self) -> Path:
        return self.folder / "said.txt"

    def make(self) -> "Place":
        for each in (self.folder, self.temporary, self.cache):
            each.mkdir(parents=True, exist_ok=True)
        return self


@dataclass(frozen=True)
class Call:
    """A system call of a traced command: its name, its number among those, and its line."""

    name: str
    number: int
    line: str


@dataclass(frozen=True)
class At:
    """When to interrupt: after ``seconds``, or at a call: the name, and its number from 1."""

    how: signal.Signals
    seconds: float | None = None
    call: tuple[str, int] | None = None

    @property
    def injection(self) -> str:
        """The expression of strace that sends the signal at the call."""
        name, number = self.call or ("", 0)
        return f"inject={name}:signal={self.how.name}:when={number}"

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s" if self.call is None else "call {} {}".format(*self.call)


def import_as(place: Place) -> None:
    """Import what a command imported, so that the next forks need not: they begin their work."""
    for name in (place.folder / MODULES).read_text(encoding="utf-8").splitlines():
        with suppress(Exception):  # such as a module that another one made
            if name not in sys.modules and "__" not in name:
                importlib.import_module(name)


class Child:
    """A command in a fork of this process, in a session of its own."""

    def __init__(self, arguments: Sequence[str], place: Place, *, stopped: bool = False) -> None:
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _run(arguments, place, stopped)
        if stopped:
            os.waitpid(self.pid, os.WUNTRACED)

    def ended(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = None if pid == 0 else os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, seconds: float = 600) -> int:
        """The exit code. Ends the process with its session if it takes longer."""
        end = time.monotonic() + seconds
        while (code := self.ended()) is None:
            if time.monotonic() > end:
                os.killpg(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise TimeoutError(f"process {self.pid} did not end in {seconds:g} s")
            time.sleep(0.005)
        return code

    def send(self, how: signal.Signals) -> None:
        os.kill(self.pid, how)


def _run(arguments: Sequence[str], place: Place, stopped: bool) -> None:
    """Be the command; this never returns."""
    code = 70
    try:
        os.setsid()
        said = os.open(place.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.environ.update(TMPDIR=str(place.temporary), FASTDEFECT_CACHE=str(place.cache))
        tempfile.tempdir = None  # that of this process
        sys.argv = ["fastdefect", *arguments]
        if stopped:
            os.kill(os.getpid(), signal.SIGSTOP)
        from fastdefect.cli import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 (as the interpreter does)
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        if not stopped:  # else strace may let this write fail
            (place.folder / MODULES).write_text("\n".join(sys.modules), encoding="utf-8")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(arguments: Sequence[str], place: Place, at: At | None = None) -> int:
    """Run a command to its end, or until it is interrupted at ``at``; its exit code."""
    if at is None:
        return Child(arguments, place).wait()
    if at.call is not None:
        with Traced(arguments, place, at.injection) as traced:
            return traced.child.wait()
    child, end = Child(arguments, place), time.monotonic() + (at.seconds or 0)
    while time.monotonic() < end:
        if (code := child.ended()) is not None:
            return code
        time.sleep(0.002)
    child.send(at.how)
    return child.wait()


class Traced:
    """A command under strace, which is attached before the command begins. Use as a context."""

    def __init__(
        self, arguments: Sequence[str], place: Place, *expressions: str, calls: str = WRITING
    ) -> None:
        self.log = place.folder / "calls.txt"
        self.child = Child(arguments, place, stopped=True)
        options = [f"-etrace={calls}", *(f"-e{each}" for each in expressions)]
        self._strace = subprocess.Popen(
            [
                "strace",
                "-f",
                "-y",
                "-qq",
                "-s0",
                *options,
                "-o",
                self.log,
                "-p",
                str(self.child.pid),
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait_for_tracer()
        self.child.send(signal.SIGCONT)

    def _wait_for_tracer(self) -> None:
        status = Path(f"/proc/{self.child.pid}/status")
        end = time.monotonic() + 30
        while "TracerPid:\t0\n" in status.read_text():
            if time.monotonic() > end or self._strace.poll() is not None:
                self.child.send(signal.SIGKILL)
                raise RuntimeError("strace could not attach")
            time.sleep(0.005)

    def __enter__(self) -> "Traced":
        return self

    def __exit__(self, *error: object) -> None:
        self._strace.wait(60)

    def calls(self) -> list[Call]:
        """The calls of the main thread, after the command has ended."""
        start = re.compile(rf"{self.child.pid} +(\w+)\(")
        numbers: Counter[str] = Counter()
        found = []
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            if match := start.match(line):
                numbers[match[1]] += 1  # strace counts the calls of each name
                found.append(Call(match[1], numbers[match[1]], line))
        return found
