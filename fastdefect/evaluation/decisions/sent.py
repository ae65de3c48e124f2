"""The effect of a review band: who is sent to people, and what is decided without them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.evaluation.statistics.rates import Rate, rate_of
from fastdefect.inference.decision_rule import DecisionRule


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


def sent_to_people(
    decision: DecisionRule, score: Floats, defective: NDArray[np.bool_], parts: Sequence[str]
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
