"""What a heat map explains: the log odds of some classes against the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastdefect.aliases import Floats
from fastdefect.errors import UsageError
from fastdefect.good import Good

if TYPE_CHECKING:
    from torch import Tensor

_TINY = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Target:
    """The log odds of the classes ``of`` against the classes ``against``, both as indices.

    A difference of logits, not a probability: where P(defect) is near 1, its gradient is near 0.
    """

    name: str
    of: tuple[int, ...]
    against: tuple[int, ...]

    def of_probabilities(self, y_prob: Floats) -> Floats:
        """(n,) log odds of probabilities (n, n_classes)."""
        odds = [
            np.log(np.maximum(y_prob[:, list(some)].sum(axis=1), _TINY))
            for some in (self.of, self.against)
        ]
        return np.asarray(odds[0] - odds[1])

    def of_logits(self, logits: "Tensor") -> "Tensor":
        """(n,) log odds of logits (n, n_classes), with gradient."""
        mine, others = logits[:, list(self.of)], logits[:, list(self.against)]
        return mine.logsumexp(dim=1) - others.logsumexp(dim=1)


def choose_target(classes: Sequence[str], good: Good, name: str | None) -> Target:
    """The target of the class ``name`` against all others; by default of defect against good.

    Raises ``UsageError`` for an unknown name, and without a name if there is no good class.
    """
    indices = range(len(classes))
    if name is None:
        if not good or len(good) == len(classes):
            raise UsageError(
                "A heat map shows the evidence for a defect against a good part, but the model has "
                f"only {'defects' if not good else 'good classes'}: {', '.join(classes)}.",
                f"Choose a class: --class {classes[0]}",
            )
        return Target("defect", tuple(i for i in indices if i not in good), good)
    if name not in classes:
        raise UsageError(
            f"--class {name}: expected a class of the model: {', '.join(classes)}.",
            "Choose one of them, or remove --class for the defect against good.",
        )
    own = list(classes).index(name)
    return Target(name, (own,), tuple(i for i in indices if i != own))
