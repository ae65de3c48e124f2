"""From probabilities to decisions: the run's calibration and its operating point, if any."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.evaluation.decisions.calibration import apply_temperature
from fastdefect.evaluation.statistics.rates import Rate, rate_of
from fastdefect.good import Good, p_defect

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Decision:
    """The rule that turns a photo's probabilities, averaged over ``views``, into a decision.

    The probabilities are calibrated with ``temperature`` first. A photo with a score, 1 - P(good),
    below ``threshold`` is passed as its most probable good class; any other is rejected as its most
    probable defect. Without a threshold the most probable class is the decision. With a ``high``
    above the threshold, a photo between the two goes to a person for review: it is not passed, and
    its rejection is not final.
    ``rule`` describes the origin of the values.
    """

    views: str
    temperature: float
    threshold: float | None
    high: float | None
    rule: str

    @property
    def has_band(self) -> bool:
        """Whether some photos go to review by a person."""
        return self.high is not None and self.threshold is not None and self.high > self.threshold

    def calibrated(self, y_prob: Floats) -> Floats:
        """The probabilities (n, n_classes) at the run's temperature."""
        return calibrated(y_prob, self.temperature)

    def decide(self, calibrated: Floats, good: Good) -> Labels:
        """(n,) class indices; ``calibrated`` (n, n_classes) is the result of ``calibrated``."""
        if self.threshold is None or not good:
            return calibrated.argmax(axis=1)
        defects = calibrated.copy()
        defects[:, list(good)] = -1
        passed_as = np.array(good)[calibrated[:, list(good)].argmax(axis=1)]
        passed = defect_score(calibrated, good) < self.threshold
        return np.where(passed, passed_as, defects.argmax(axis=1))

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return dict(vars(self))


@dataclass(frozen=True)
class Sent:
    """The shares of defective and good photos that a review band sends to people.

    ``escape`` and ``overkill`` are the rates of the decisions made without a person.
    """

    defective: Rate
    good: Rate
    escape: Rate
    overkill: Rate

    def as_json(self) -> dict[str, Any]:
        """All rates."""
        return {name: rate.as_json() for name, rate in vars(self).items()}


def calibrated(y_prob: Floats, temperature: float) -> Floats:
    """The probabilities (n, n_classes) at ``temperature``; at 1 they are unchanged, bit by bit.

    A threshold must be chosen on exactly the values that it is applied to later.
    """
    return y_prob if temperature == 1 else apply_temperature(y_prob, temperature)


def defect_score(y_prob: Floats, good: Good) -> Floats:
    """P(defect) = 1 - P(good) of each photo, (n,) in [0, 1]; P(good) is of all good classes."""
    return np.clip(p_defect(y_prob, good), 0, 1)


def sent_to_people(
    decision: Decision, score: Floats, defective: NDArray[np.bool_], parts: Sequence[str]
) -> Sent | None:
    """The effect of the review band of ``decision`` on photos; None without a band.

    ``score`` (n,) is ``defect_score``, ``defective`` (n,) the truth, ``parts`` (n,) the parts.
    """
    if decision.threshold is None or decision.high is None or not decision.has_band:
        return None
    passed, rejected = score < decision.threshold, score >= decision.high
    reviewed, names = ~passed & ~rejected, np.asarray(parts)
    return Sent(
        defective=rate_of(reviewed[defective], names[defective]),
        good=rate_of(reviewed[~defective], names[~defective]),
        escape=rate_of(passed[defective], names[defective]),
        overkill=rate_of(rejected[~defective], names[~defective]),
    )
