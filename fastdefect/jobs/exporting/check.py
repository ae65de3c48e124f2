"""The check of a bundle: run from the file, does it decide as the run does, and how fast?"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Pixels
from fastdefect.data.reading.frame import Frame
from fastdefect.errors import ModelError
from fastdefect.events import OnEvent, Progress
from fastdefect.good import Good, is_good
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.inference.scorer import Scorer
from fastdefect.inference.stream import decide_all

_TIMED = 32  # photos, or tiles


@dataclass(frozen=True)
class Judged:
    """The decisions of one form of the network on the same n photos.

    ``escapes`` and ``overkills`` are None without a good class. ``per_second`` are photos a
    second of the network alone, a photo at a time; ``megabytes`` are those of its files.
    """

    name: str
    y_prob: Floats
    escapes: int | None
    overkills: int | None
    per_second: float
    megabytes: float


@dataclass(frozen=True)
class Check:
    """A form of the network against the run: ``difference`` is the largest of a probability.

    ``flips`` of the ``photos`` have another decision (OK, look, reject, and the class).
    """

    name: str
    photos: int
    difference: float
    flips: int
    escapes: int | None
    overkills: int | None
    per_second: float
    ratio: float
    megabytes: float

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


@dataclass(frozen=True)
class Limits:
    """What a bundle may differ from its run: a probability, and the share of other decisions."""

    difference: float
    flips: float

    def exceeded(self, check: Check) -> list[str]:
        """What exceeds a limit, in words; empty if the form of the network is accepted."""
        wrong = []
        if not check.difference <= self.difference:  # NaN exceeds it
            wrong.append(
                f"a probability differs by {check.difference:.2g}, more than {self.difference:g}"
            )
        if check.flips > self.flips * check.photos:
            wrong.append(
                f"{check.flips} of {check.photos} decisions differ, more than {self.flips:.2%}"
            )
        return wrong


@dataclass(frozen=True)
class Truth:
    """The validation photos: ``paths``, class indices (n,), the good classes and the rule.

    ``products`` and ``views`` (n,) are those of the photos, as far as they are known.
    """

    paths: Sequence[Path]
    labels: NDArray[np.int64]
    good: Good
    rule: DecisionRule
    products: Sequence[str | None] = ()
    views: Sequence[str | None] = ()

    def judged(self, name: str, y_prob: Floats, speed: float, megabytes: float) -> Judged:
        """Count the wrong decisions of calibrated probabilities (n, n_classes)."""
        escapes = overkills = None
        if self.good:
            passed = is_good(self.rule.decide(y_prob, self.good, self.products), self.good)
            good = is_good(self.labels, self.good)
            escapes, overkills = int((passed & ~good).sum()), int((~passed & good).sum())
        return Judged(name, y_prob, escapes, overkills, speed, megabytes)

    def compare(self, run: Judged, other: Judged) -> Check:
        """``other`` against ``run``."""
        return Check(
            other.name,
            len(self.paths),
            float(np.abs(run.y_prob - other.y_prob).max()),
            sum(a != b for a, b in zip(self._said(run), self._said(other), strict=True)),
            other.escapes,
            other.overkills,
            other.per_second,
            other.per_second / run.per_second,
            other.megabytes,
        )

    def _said(self, judged: Judged) -> list[tuple[str, int]]:
        asked = (judged.y_prob, self.good, self.products)
        labels = self.rule.decide(*asked).tolist()
        return list(zip(self.rule.verdicts(*asked), labels, strict=True))


def from_files(
    scorer: Scorer,
    paths: Sequence[Path],
    on_event: OnEvent,
    views: Sequence[str | None] = (),
) -> Floats:
    """The calibrated probabilities (n, n_classes) of the photos in ``paths``, from their files.

    ``views`` (n,) are those of the photos, as far as they are known.
    """
    found: list[list[float]] = []
    view_of = (views or [None] * len(paths)).__getitem__
    for done in decide_all(scorer, range(len(paths)), paths.__getitem__, view_of=view_of):
        if done.decision is None:
            raise ModelError(
                f"Expected to read {paths[done.item]} as in the training, but: {done.error}.",
                "Restore the photo.",
            )
        found.append(list(done.decision.probabilities.values()))
        on_event(Progress("checking the bundle on validation photos", len(found), len(paths)))
    return np.array(found)


def photos_per_second(network: Callable[[Pixels], Any], frame: Frame) -> float:
    """The speed of a network that gets a photo of ``frame`` at a time."""
    photo = np.random.default_rng(0).integers(0, 256, (1, *frame.shape), dtype=np.uint8)
    timed = max(2, _TIMED // frame.tiles)
    network(photo)
    started = time.perf_counter()
    for _ in range(timed):
        network(photo)
    return timed / (time.perf_counter() - started)
