"""From probabilities to decisions: the run's calibration, and its operating point if it has one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.evaluation.calibration import apply_temperature

Floats = NDArray[np.float64]
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
        return y_prob if self.temperature == 1 else apply_temperature(y_prob, self.temperature)

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


def defect_score(y_prob: Floats, good: int) -> Floats:
    """P(defect) = 1 - P(good) of each photo, (n,) in [0, 1]."""
    return np.clip(1 - y_prob[:, good], 0, 1)
