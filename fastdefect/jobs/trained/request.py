"""The request to a finished run: one value for all commands that evaluate a run."""

from dataclasses import dataclass
from pathlib import Path

from fastdefect.config import Device, PartRule, Unit


@dataclass(frozen=True)
class Request:
    """The photos to evaluate a run on, and the rule by which it decides.

    ``split``: ``valid`` or ``test``; ``data``: other labelled photos instead. Photos of ``data``
    that the run, or a run in one of the folders ``known_to``, was trained on are left out, unless
    ``include_trained``. ``data_root``: the folder where the run's photos are now. ``views``: a name
    of ``evaluation/views.py``, None for the operating point's or the run's own. ``threshold``:
    ``stored``, ``argmax`` or a number. ``decide``: what one decision is about, and ``part_rule``
    how the photos of a part are combined; None for those of the operating point. ``command``: what
    the user typed, noted in the run if it opens the sealed test.
    """

    split: str = "valid"
    data: Path | None = None
    include_trained: bool = False
    known_to: tuple[Path, ...] = ()
    data_root: Path | None = None
    views: str | None = None
    threshold: str = "stored"
    decide: Unit | None = None
    part_rule: PartRule | None = None
    device: Device = "auto"
    command: str = ""

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides of the run's split that are evaluated."""
        return () if self.data is not None else (self.split,)
