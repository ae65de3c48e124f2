"""The inputs of a memory of good parts: its network, the photos, and how they are read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from fastdefect.aliases import Floats
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.training_data import TrainingData
from fastdefect.training.fit import FitInputs
from fastdefect.training.memory import PatchMemory, Places

_BATCH = 16

Score = Callable[[Tensor], Tensor]  # from the features of places to a value (n,) of each photo


@dataclass(frozen=True)
class MemoryInputs:
    """``network`` is ``Sequential(Sequential(Places), Sequential(PatchMemory))`` on ``device``."""

    network: nn.Module
    data: TrainingData
    preprocessing: Preprocessing
    device: torch.device
    seed: int

    @classmethod
    def of(cls, inputs: FitInputs) -> "MemoryInputs":
        """Those of a training whose network is a memory alone."""
        learn = inputs.learn
        return cls(
            learn.model, inputs.data, inputs.preprocessing, learn.dls.device, inputs.training.seed
        )

    @property
    def body(self) -> Places:
        """The frozen network that is read by place."""
        whole: Any = self.network
        return cast("Places", whole[0][0])

    @property
    def memory(self) -> PatchMemory:
        """The memory, which is filled in place."""
        whole: Any = self.network
        return cast("PatchMemory", whole[1][0])

    def scores(self, photos: tuple[int, ...], *scores: Score) -> list[Floats]:
        """The values (n,) of each of ``scores`` for the photos, indices into the manifest."""
        rows = self.data.rows(photos)
        found: list[list[Tensor]] = [[] for _ in scores]
        body = self.body.eval()
        with torch.inference_mode():
            for start in range(0, len(rows), _BATCH):
                pixels = self.data.store[np.asarray(rows[start : start + _BATCH])]
                places = body(self.preprocessing.batch(pixels, self.device))
                for score, values in zip(scores, found, strict=True):
                    values.append(score(places))
        return [torch.cat(values).cpu().double().numpy() for values in found]
