"""A joint model: a classifier for the defects that are known, and a memory of good parts.

The classifier knows the defects of its training, the memory (``training/memory.py``) rejects what
is like no good part, known or not. The photo is as defective as the half says that is surer of a
defect. So with one threshold the model rejects exactly what either half rejects. Of a photo in
tiles, the worst tile speaks for the classifier and the least familiar one for the memory; these may
be two tiles.
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from fastdefect.good import Good
from fastdefect.inference.halves import CLASSIFIER, MEMORY
from fastdefect.training.tiled import Tiled


class Joint(nn.Module):
    """``classifier`` and ``memory`` as one network.

    ``memory`` is ``Sequential(Sequential(Places), Sequential(PatchMemory))``; for photos in tiles
    both are ``Tiled``, the memory without good classes, so that its odds are pooled as they are.
    ``temperature`` divides the logits of the classifier, so that both halves are calibrated before
    they are compared; the network as a whole needs no other temperature.
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
        return self._surer(self.classifier(photos), self.memory(photos))

    def halves(self, photos: Tensor) -> Tensor:
        """Return logits (n, 2, n_classes), float32: those of the classifier, and of the memory.

        The memory does not know classes: among defects, and among good classes, the proportions
        are those of the classifier.
        """
        return self._halves(self.classifier(photos), self.memory(photos))

    def by_tile(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``halves`` (n, 2, n_classes) of photos in tiles, and the logits of each tile.

        Those (n, tiles, n_classes) are of the half that is surer of a defect in the tile, so that
        the tile with the most evidence decides on the photo. Empty tiles have logits, too, which do
        not count.
        """
        classifier, memory = cast("tuple[Tiled, Tiled]", (self.classifier, self.memory))
        of_photo, of_tiles = zip(classifier.by_tile(photos), memory.by_tile(photos), strict=True)
        return self._halves(*of_photo), self._surer(*of_tiles)

    def _halves(self, classifier: Tensor, memory: Tensor) -> Tensor:
        """The logits of both, (n, 2, n_classes), from what their networks give, (n, n_classes)."""
        logits, more = self._compared(classifier, memory)
        return torch.stack([logits, logits + more], dim=1)

    def _surer(self, classifier: Tensor, memory: Tensor) -> Tensor:
        """The logits (..., n_classes) of the surer half from what both networks give."""
        logits, more = self._compared(classifier, memory)
        return logits + more.clamp(min=0)

    def _compared(self, classifier: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """The classifier's logits, and by how much the memory raises those of defects."""
        logits = classifier.float() / self.temperature
        of_defects, of_good = (
            torch.stack([logits[..., index] for index in some], dim=-1).logsumexp(dim=-1)
            for some in (self.defects, self.good)
        )
        odds = memory[..., self.defects[0]]  # the logit of any defect; see ``PatchMemory``
        more = odds - (of_defects - of_good)
        zero = torch.zeros_like(more)
        columns = [more if index in self.defects else zero for index in range(logits.shape[-1])]
        return logits, torch.stack(columns, dim=-1)


class Halves(nn.Module):
    """The network of a ``Joint`` that returns the logits (n, 2, n_classes) of its halves."""

    def __init__(self, joint: Joint) -> None:
        """Share the weights of ``joint``."""
        super().__init__()
        self.joint = joint
        self.training = joint.training  # a Predictor returns to it, with ``joint``

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
