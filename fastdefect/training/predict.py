"""From photos to class probabilities, the same way during training and ever after."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.data.store import PhotoStore

View = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Predictor:
    """A network on a device that is asked about decoded photos: no Learner, no loaders."""

    network: nn.Module
    preprocessing: Preprocessing
    device: torch.device

    def probabilities(
        self,
        store: PhotoStore | NDArray[np.uint8],
        rows: Sequence[int],
        *,
        views: Sequence[View] = (),
        on_batch: Callable[[int], None] | None = None,
    ) -> NDArray[np.float64]:
        """Probabilities (n, n_classes) of the photos in ``rows``; see ``class_probabilities``."""
        return class_probabilities(
            self.network,
            store,
            rows,
            self.preprocessing,
            device=self.device,
            views=views,
            on_batch=on_batch,
        )


def class_probabilities(
    model: nn.Module,
    store: PhotoStore | NDArray[np.uint8],
    rows: Sequence[int],
    preprocessing: Preprocessing,
    *,
    device: torch.device,
    batch_size: int = 64,
    views: Sequence[View] = (),
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.float64]:
    """Probabilities (n, n_classes) of the photos in ``rows`` of ``store``.

    In evaluation mode; the model's mode is as before afterwards. With ``views``, each a map
    of a batch (n, 3, h, w) to one of the same shape, the probabilities are averaged over
    them; a photo is decoded and normalised once for all. ``on_batch`` is told the number
    of photos done.
    """
    was_training = model.training
    model.eval()
    chunks: list[NDArray[np.float64]] = []
    try:
        with torch.inference_mode():
            for start in range(0, len(rows), batch_size):
                photos = store[np.asarray(rows[start : start + batch_size])]
                batch = preprocessing.batch(photos, device)
                chunks.append(_average(model, batch, views or (_as_it_is,)))
                if on_batch:
                    on_batch(min(start + batch_size, len(rows)))
    finally:
        model.train(was_training)
    return np.concatenate(chunks)


def _average(model: nn.Module, batch: torch.Tensor, views: Sequence[View]) -> NDArray[np.float64]:
    layout: Any = torch.channels_last if batch.device.type != "mps" else torch.contiguous_format
    total = sum(
        # To the CPU first: MPS has no double precision.
        model(view(batch).contiguous(memory_format=layout)).cpu().double().softmax(dim=1).numpy()
        for view in views
    )
    return np.asarray(total) / len(views)


def _as_it_is(batch: torch.Tensor) -> torch.Tensor:
    return batch
