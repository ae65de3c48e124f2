"""From probabilities to decisions: the run's calibration, and its operating point if it has one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.evaluation.decisions.calibration import apply_temperature
from fastdefect.evaluation.statistics.rates import Rate, rate_of

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Decision:
    """How a photo's probabilities, averaged over ``views``, become a decision.

    They are calibrated with ``temperature`` first. A photo whose score, 1 - P(good), is below
    ``threshold`` is passed; any other is rejected as its most probable defect. Without a
    threshold the most probable class decides. Where there is a ``high`` above it, a photo
    between the two is sent to a person: not passed, but not rejected for good. ``rule`` says
    in words where this comes from.
    """

    views: str
    temperature: float
    threshold: float | None
    high: float | None
    rule: str

    @property
    def has_band(self) -> bool:
        """Whether some photos are sent to people."""
        return self.high is not None and self.threshold is not None and self.high > self.threshold

    def calibrated(self, y_prob: Floats) -> Floats:
        """The probabilities (n, n_classes) at the run's temperature."""
        return calibrated(y_prob, self.temperature)

    def decide(self, calibrated: Floats, good: int | None) -> Labels:
        """(n,) class indices; ``calibrated`` (n, n_classes) comes from ``calibrated``."""
        if self.threshold is None or good is None:
            return calibrated.argmax(axis=1)
        defects = calibrated.copy()
        defects[:, good] = -1
        return np.where(
            defect_score(calibrated, good) < self.threshold, good, defects.argmax(axis=1)
        )

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return dict(vars(self))


@dataclass(frozen=True)
class Sent:
    """What a band of thresholds sends to people: shares of the defective and the good photos.

    ``escape`` and ``overkill`` are those of the decisions made without a person.
    """

    defective: Rate
    good: Rate
    escape: Rate
    overkill: Rate

    def as_json(self) -> dict[str, Any]:
        """All rates."""
        return {name: rate.as_json() for name, rate in vars(self).items()}


def calibrated(y_prob: Floats, temperature: float) -> Floats:
    """The probabilities (n, n_classes) at ``temperature``; at 1 they stay as they are, bit by bit.

    A threshold must be chosen on the very numbers that it will decide on.
    """
    return y_prob if temperature == 1 else apply_temperature(y_prob, temperature)


def defect_score(y_prob: Floats, good: int) -> Floats:
    """P(defect) = 1 - P(good) of each photo, (n,) in [0, 1]."""
    return np.clip(1 - y_prob[:, good], 0, 1)


def sent_to_people(
    decision: Decision, score: Floats, defective: NDArray[np.bool_], parts: Sequence[str]
) -> Sent | None:
    """What the band of ``decision`` does to photos of these scores; None if it has no band.

    ``score`` (n,) is ``defect_score``, ``defective`` (n,) the truth, ``parts`` (n,) the parts.
    """
    if decision.threshold is None or decision.high is None or not decision.has_band:
        return None
    passed, rejected = score < decision.threshold, score >= decision.high
    asked, names = ~passed & ~rejected, np.asarray(parts)
    return Sent(
        defective=rate_of(asked[defective], names[defective]),
        good=rate_of(asked[~defective], names[~defective]),
        escape=rate_of(passed[defective], names[defective]),
        overkill=rate_of(rejected[~defective], names[~defective]),
    )
