"""Call the commands as a user does, in this process or in one of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

# Small enough for a test, and with everything on that draws random numbers.
TINY_TRAINING = (
    "--arch small-cnn --weights none --image-size 64 --epochs 3 --batch-size 8 "
    "--device cpu --workers 0 --seed 7 --final none --valid 0.2 --tiles none"
).split()
# Which views decide would else be a matter of luck with such networks.
TINY = [*TINY_TRAINING, "--views", "none"]


@dataclass(frozen=True)
class FitResult:
    """A run's folder and what the command printed."""

    folder: Path
    output: str

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


def invoke(*arguments: str) -> Result:
    """Run a command in this process."""
    from fastdefect.cli import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_fit(data: Path, runs: Path, *arguments: str) -> FitResult:
    """``fit`` with the tiny settings; must end well."""
    result = invoke("fit", str(data), "--runs", str(runs), *TINY, *arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return FitResult((runs / "latest").resolve(), result.output)


def start_process(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start a command in a process of its own; its events are lines on ``stdout``."""
    return subprocess.Popen(
        [sys.executable, "-m", "fastdefect", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def wait_for_event(process: "subprocess.Popen[str]", name: str, count: int = 1) -> dict[str, Any]:
    """Read events until the ``count``-th of that name; the process must not end before."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == name:
            count -= 1
            if count == 0:
                return event
    stderr = process.stderr.read() if process.stderr else ""
    raise AssertionError(f"{name} never came; the process said: {stderr}")
