"""The run that a command starts: one value for all commands that train."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class NewRun:
    """Where a new run is written, and which command starts it.

    ``runs``: the folder of all runs. ``name``: the run's name, None for the time and the
    architecture. ``command``: what the user typed, for the run's records.
    """

    runs: Path
    name: str | None
    command: str
