"""The two halves of a joint model: which of them rejects a photo.

Such a model has a classifier and a memory of good parts (``training/joint.py``). Each gives the
probabilities of all classes, and of each photo those of the half that is surer of a defect decide.
So a threshold rejects exactly what either half rejects.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.good import Good, is_good, p_defect
from fastdefect.inference.decision_rule import DecisionRule

# Each is also the name of a module of the network.
CLASSIFIER, MEMORY = HALVES = ("classifier", "memory")
RejectedBy = Literal["classifier", "memory", "both"]


def surer_half(halves: Floats, good: Good) -> Floats:
    """The probabilities (n, n_classes) that decide, of those of the halves (n, 2, n_classes).

    Those that are not finite, if there are any, so that the photo is not passed.
    """
    return np.where(_memory_is_surer(halves, good)[:, None], halves[:, 1], halves[:, 0])


def rejecting(
    halves: Floats, rule: DecisionRule, good: Good, products: Sequence[str | None] = ()
) -> NDArray[np.bool_]:
    """(n, 2): whether each half alone rejects each photo; ``halves`` are not calibrated."""
    return np.stack(
        [
            ~is_good(rule.decide(rule.calibrated(halves[:, half]), good, products), good)
            for half in range(len(HALVES))
        ],
        axis=1,
    )


def rejected_by(
    halves: Floats, rule: DecisionRule, good: Good, products: Sequence[str | None] = ()
) -> list[RejectedBy]:
    """The half that rejects each photo, if it is rejected; the surer one if neither does alone.

    That happens only to means over several views.
    """
    alone, surer = rejecting(halves, rule, good, products), _memory_is_surer(halves, good)
    found: list[RejectedBy] = []
    for (by_classifier, by_memory), memory in zip(alone.tolist(), surer.tolist(), strict=True):
        if by_classifier and by_memory:
            found.append("both")
        elif by_classifier or by_memory:
            found.append("memory" if by_memory else "classifier")
        else:
            found.append("memory" if memory else "classifier")
    return found


def _memory_is_surer(halves: Floats, good: Good) -> NDArray[np.bool_]:
    classifier, memory = (p_defect(halves[:, half], good) for half in range(len(HALVES)))
    return (memory > classifier) | np.isnan(memory)
