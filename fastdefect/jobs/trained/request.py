"""What is asked of a finished run: one value for all commands that judge one."""

from dataclasses import dataclass
from pathlib import Path

from fastdefect.config import Device


@dataclass(frozen=True)
class Request:
    """On which photos a run is judged, and how it decides there.

    ``split``: ``valid`` or ``test``; ``data``: other labelled photos instead. ``views``: names of
    ``evaluation/views.py``, None for the operating point's or the run's own. ``threshold``:
    ``stored``, ``argmax`` or a number. ``command``: what the user typed, which is noted where it
    opens the sealed test.
    """

    split: str = "valid"
    data: Path | None = None
    views: str | None = None
    threshold: str = "stored"
    device: Device = "auto"
    command: str = ""
