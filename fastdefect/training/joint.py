"""A joint model: a classifier for the defects that are known, and a memory of good parts.

The classifier knows the defects of its training, the memory (``training/memory.py``) rejects what
is like no good part, known or not. The photo is as defective as the half says that is surer of a
defect. So with one threshold the model rejects exactly what either half rejects.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from fastdefect.good import Good
from fastdefect.inference.halves import CLASSIFIER, MEMORY
from fastdefect.training.memory import PatchMemory


class Joint(nn.Module):
    """``classifier`` and ``memory`` as one network.

    ``memory`` is ``Sequential(Sequential(Places), Sequential(PatchMemory))``. ``temperature``
    divides the logits of the classifier, so that both halves are calibrated before they are
    compared; the network as a whole needs no other temperature.
    """

    temperature: Tensor

    def __init__(self, classifier: nn.Module, memory: nn.Module, classes: int, good: Good) -> None:
        """Join networks for ``classes``, of which those at the indices ``good`` are good."""
        super().__init__()
        self.classifier, self.memory = classifier, memory
        self.register_buffer("temperature", torch.ones(()))
        self.good = tuple(good)
        self.defects = tuple(index for index in range(classes) if index not in good)

    def forward(self, photos: Tensor) -> Tensor:
        """Return logits (n, n_classes), float32: of each photo those of the surer half."""
        logits, more = self._halves(photos)
        return logits + more.clamp(min=0)

    def halves(self, photos: Tensor) -> Tensor:
        """Return logits (n, 2, n_classes), float32: those of the classifier, and of the memory.

        The memory does not know classes: among defects, and among good classes, the proportions
        are those of the classifier.
        """
        logits, more = self._halves(photos)
        return torch.stack([logits, logits + more], dim=1)

    def _halves(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """The classifier's logits, and by how much the memory raises those of defects."""
        logits = self.classifier(photos).float() / self.temperature
        places, head = cast("Any", self.memory)
        memory: PatchMemory = head[0]
        of_defects, of_good = (
            torch.stack([logits[:, index] for index in some], dim=1).logsumexp(dim=1)
            for some in (self.defects, self.good)
        )
        more = memory.odds(places(photos)) - (of_defects - of_good)
        zero = torch.zeros_like(more)
        columns = [more if index in self.defects else zero for index in range(logits.shape[1])]
        return logits, torch.stack(columns, dim=1)


class Halves(nn.Module):
    """The network of a ``Joint`` that returns the logits (n, 2, n_classes) of its halves."""

    def __init__(self, joint: Joint) -> None:
        """Share the weights of ``joint``."""
        super().__init__()
        self.joint = joint

    def forward(self, photos: Tensor) -> Tensor:
        """See ``Joint.halves``."""
        return self.joint.halves(photos)


def joint_state(
    classifier: Mapping[str, Tensor], memory: Mapping[str, Tensor], temperature: float
) -> dict[str, Tensor]:
    """The state of a ``Joint`` from those of its halves."""
    return {
        **{f"{CLASSIFIER}.{name}": value for name, value in classifier.items()},
        **{f"{MEMORY}.{name}": value for name, value in memory.items()},
        "temperature": torch.tensor(temperature),
    }


def classifier_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of the classifier in that of a ``Joint``; of any other network, its own."""
    prefix = f"{CLASSIFIER}."
    found = {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }
    return found or dict(state)
