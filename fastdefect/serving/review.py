"""Which inspections go to people, and in which order."""

import math
from random import Random
from typing import NamedTuple

from fastdefect.inference.decision_rule import Verdict

# Of a priority: parts that are about as uncertain come in a random order, and checks among them.
_JITTER = 0.02


class Choice(NamedTuple):
    """The fields of an ``Inspection`` with these names."""

    share: float
    chosen: bool
    priority: float


def choose(
    decision: Verdict,
    unlike: bool,
    probability: float,
    shares: tuple[float, float],
    random: Random,
) -> Choice:
    """Whether a person looks at a part, and how soon.

    Each ``look`` goes to people, the most uncertain first, after those that are unlike the training
    photos. Of the others, the random shares for OK and for reject, at random places among them:
    the place does not show which is a check. ``random`` must not be predictable (``SystemRandom``).
    """
    if decision != "look":
        share = shares[0] if decision == "OK" else shares[1]
        return Choice(share, random.random() < share, random.random())
    uncertain = 1.0 if unlike or math.isnan(probability) else 1 - abs(2 * probability - 1)
    jittered = uncertain + random.uniform(-_JITTER, _JITTER)
    return Choice(1.0, True, min(max(jittered, 0.0), 1.0))
