"""Class probabilities of photos, computed the same way during and after training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fastdefect.aliases import Floats
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.store import PhotoStore
from fastdefect.training.view_head import of_view

View = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Predictor:
    """A network on ``device`` that predicts decoded photos, without a Learner or loaders."""

    network: nn.Module
    preprocessing: Preprocessing
    device: torch.device

    def probabilities(
        self,
        store: PhotoStore | NDArray[np.uint8],
        rows: Sequence[int],
        *,
        batch_size: int = 64,
        views: Sequence[View] = (),
        seen_from: Sequence[str | None] = (),
        on_batch: Callable[[int], None] | None = None,
    ) -> Floats:
        """Return the probabilities (n, n_classes) of the photos in ``rows`` of ``store``.

        The network runs in evaluation mode and returns to its previous mode afterwards. Each of
        ``views`` maps a batch (n, 3, h, w) to one of the same shape; the probabilities are
        averaged over the views. A photo is decoded and normalised once for all views. A batch has
        ``batch_size`` photos, or fewer in tiles or large ones (``Frame.at_once``).
        ``seen_from`` (n,) are the views of the photos, such as the camera; None for unknown ones,
        and () if none is known. A network that does not take them ignores them.
        ``on_batch`` receives the number of photos done. A network with several rows of logits for a
        photo, as ``Halves``, gives (n, rows, n_classes).
        """
        batch_size = self.preprocessing.frame.at_once(batch_size)
        was_training = self.network.training
        self.network.eval()
        chunks: list[Floats] = []
        try:
            with torch.inference_mode():
                for start in range(0, len(rows), batch_size):
                    photos = store[np.asarray(rows[start : start + batch_size])]
                    batch = self.preprocessing.batch(photos, self.device)
                    cameras = seen_from[start : start + batch_size] or [None] * len(batch)
                    seen = self.preprocessing.seen(cameras, self.device)
                    chunks.append(_average(self.network, batch, seen, views or (_identity,)))
                    if on_batch:
                        on_batch(min(start + batch_size, len(rows)))
        finally:
            self.network.train(was_training)
        return np.concatenate(chunks)

    def of_view(self, view: str | None) -> "Predictor":
        """The predictor of photos of one view, whose network takes photos alone."""
        steps = self.preprocessing
        if not steps.view_input:
            return self
        index = steps.view_input.index(view) if view in steps.view_input else None
        network = of_view(self.network, index)
        return Predictor(network, steps.of_photos(), self.device)


def _average(
    network: nn.Module,
    batch: torch.Tensor,
    seen: Sequence[torch.Tensor],
    views: Sequence[View],
) -> Floats:
    layout: Any = torch.channels_last if batch.device.type != "mps" else torch.contiguous_format

    def logits(view: View) -> torch.Tensor:
        found: torch.Tensor = network(view(batch).contiguous(memory_format=layout), *seen)
        return found

    # To the CPU first: MPS has no double precision.
    total = sum(logits(view).cpu().double().softmax(dim=-1).numpy() for view in views)
    return np.asarray(total) / len(views)


def _identity(batch: torch.Tensor) -> torch.Tensor:
    return batch
