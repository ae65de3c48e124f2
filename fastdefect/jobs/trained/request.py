"""The request to a finished run: one value for all commands that evaluate a run."""

from dataclasses import dataclass
from pathlib import Path

from fastdefect.config import Device


@dataclass(frozen=True)
class Request:
    """The photos to evaluate a run on, and the rule by which it decides.

    ``split``: ``valid`` or ``test``; ``data``: other labelled photos instead. ``views``: a name of
    ``evaluation/views.py``, None for the operating point's or the run's own. ``threshold``:
    ``stored``, ``argmax`` or a number. ``command``: what the user typed, noted in the run if it
    opens the sealed test.
    """

    split: str = "valid"
    data: Path | None = None
    views: str | None = None
    threshold: str = "stored"
    device: Device = "auto"
    command: str = ""
