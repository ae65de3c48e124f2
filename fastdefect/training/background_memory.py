"""How well the background alone tells defects from good parts, beside ``--learn good``.

It does not count in a decision. But if the background of defective photos is unlike that of good
ones, a figure of the part may be one of the bench or of the light, of which some reaches the part.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from fastdefect.aliases import Floats32
from fastdefect.events import Note
from fastdefect.good import is_good
from fastdefect.training.memory import PatchMemory, farthest
from fastdefect.training.memory_inputs import MemoryInputs

PLACES = 2000  # of the background that are remembered
_SUSPICIOUS = 0.8


@dataclass(frozen=True)
class Separation:
    """The AUC of validation photos, by the part and by the background alone."""

    part: float
    background: float

    def note(self) -> Note:
        """The result in words; a warning if the background separates them, too."""
        text = (
            f"On validation the part has an AUC of {self.part:.3f}, and the background alone "
            f"{self.background:.3f}."
        )
        if self.background < _SUSPICIOUS:
            return Note(text)
        return Note(
            f"{text} Defective and good parts were photographed before different backgrounds or in "
            "different light, so the first number may be too optimistic.",
            "warning",
        )


def separation(inputs: MemoryInputs, outside: Floats32) -> Separation | None:
    """Compare the part with the background of validation; None without defects there.

    ``outside`` (k, d) are features of places of the background in good training photos.
    """
    data, memory = inputs.data, inputs.memory
    good = is_good(data.manifest.labels[list(data.split.valid)], data.manifest.good_indices)
    if good.all() or not good.any() or not len(outside):
        return None
    of_background = _exchanged(memory, torch.from_numpy(outside), inputs.seed)
    scores = inputs.scores(data.split.valid, memory.scores, of_background.scores)
    return Separation(*(float(roc_auc_score(~good, each)) for each in scores))


def _exchanged(memory: PatchMemory, outside: Tensor, seed: int) -> PatchMemory:
    """A memory of the background, for which the part does not count."""
    other = deepcopy(memory)
    with torch.no_grad():
        other.part.weight.neg_()
        other.part_bias.neg_()
        for depth in other.memories:
            rows = depth.describe(outside.to(depth.memory))
            kept = rows[farthest(rows, PLACES, seed)]
            depth.fill(kept, [len(kept)])
    other.good = other.good[:1]
    return other
