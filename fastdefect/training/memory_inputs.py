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
from fastdefect.training.bag_probe import Tiles
from fastdefect.training.fit import FitInputs
from fastdefect.training.memory import PatchMemory, Places

_BATCH = 16
TURNED = {"auto": None, "yes": True, "no": False}  # of the setting

Score = Callable[[Tensor], Tensor]  # from the features of places to a value (n,) of each tile


@dataclass(frozen=True)
class MemoryInputs:
    """``network`` is ``Sequential(Sequential(Places), Sequential(PatchMemory))`` on ``device``."""

    network: nn.Module
    data: TrainingData
    preprocessing: Preprocessing
    device: torch.device
    seed: int
    turned: bool | None = None  # whether good photos are remembered turned, too; None: if few

    @classmethod
    def of(cls, inputs: FitInputs) -> "MemoryInputs":
        """Those of a training whose network is a memory alone."""
        learn = inputs.learn
        return cls(
            learn.model,
            inputs.data,
            inputs.preprocessing,
            learn.dls.device,
            inputs.training.seed,
            TURNED[inputs.training.turned],
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
        """The values (n,) of each of ``scores`` for the photos, indices into the manifest.

        The value of a photo is the highest of its tiles.
        """
        tiles = Tiles.of(self.data.store, self.data.rows(photos))
        cells, steps, body = self.data.store.cells, self.preprocessing.of_tiles(), self.body.eval()
        found = [np.full(len(photos), -np.inf) for _ in scores]
        at_once = steps.frame.at_once(_BATCH)
        with torch.inference_mode():
            for start in range(0, len(tiles.rows), at_once):
                here = slice(start, start + at_once)
                places = body(steps.batch(cells[tiles.rows[here]], self.device))
                for score, values in zip(scores, found, strict=True):
                    np.maximum.at(values, tiles.photo[here], score(places).cpu().double().numpy())
        return found
