"""Commands on a finished run, as a user calls them, and what they leave in it."""

import json
from typing import Any

from fastdefect.evaluation.predictions import Predictions, read_predictions
from fastdefect.run import Run
from helpers.cli import Result, invoke

TWO, THREE = ("defect", "good"), ("crack", "fine", "pore")  # the classes of castings and surfaces


def command(name: str, run: Run, *options: str, code: int = 0) -> Result:
    """The result of a command on ``run``, which must end with ``code``."""
    result = invoke(name, str(run.folder), "--device", "cpu", *options)
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


def closing(name: str, run: Run, *options: str, code: int = 0) -> dict[str, Any]:
    """The last event of a command, which must be JSON as its standard has it, without NaN."""

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    lines = command(name, run, *options, "--json", code=code).stdout.splitlines()
    events: list[dict[str, Any]] = [json.loads(line, parse_constant=refuse) for line in lines]
    return events[-1]


def predictions_of(run: Run, name: str, classes: tuple[str, ...] = TWO) -> Predictions:
    """The predictions that a file of ``run`` holds."""
    return read_predictions(run.folder / name, classes, ("good" if "good" in classes else "fine",))
