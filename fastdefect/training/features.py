"""What a frozen backbone sees in photos: one vector a photo, computed once."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.data.store import PhotoStore

Change = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]

_BATCH = 32


def pooled_features(
    body: nn.Module,
    store: PhotoStore | NDArray[np.uint8],
    rows: Sequence[int],
    preprocessing: Preprocessing,
    *,
    device: torch.device,
    change: Change | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """The mean of each feature map, (n, n_features), of the photos in ``rows`` of ``store``.

    Where the body gives vectors, those. In evaluation mode; the mode of ``body`` is as before
    afterwards. What is seen in a photo does not depend on those beside it.
    ``change(photo, position)`` gives the photo to look at instead, uint8 RGB of the same shape.
    ``on_batch`` is told the number of photos done.
    """
    was_training = body.training
    body.eval()
    chunks: list[NDArray[np.float32]] = []
    try:
        with torch.inference_mode():
            for start in range(0, len(rows), _BATCH):
                photos = store[np.asarray(rows[start : start + _BATCH])]
                if change is not None:
                    photos = np.stack([change(p, start + i) for i, p in enumerate(photos)])
                maps = body(_laid_out(preprocessing.batch(_filled_up(photos), device)))
                vectors = maps.mean(dim=(2, 3)) if maps.ndim == 4 else maps
                chunks.append(vectors[: len(photos)].float().cpu().numpy())
                if on_batch:
                    on_batch(min(start + _BATCH, len(rows)))
    finally:
        body.train(was_training)
    return np.concatenate(chunks)


def _filled_up(photos: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # Batches of another size may be summed up in another order, and differ in the last bit.
    return photos[np.arange(_BATCH) % len(photos)]


def _laid_out(batch: torch.Tensor) -> torch.Tensor:
    mps = batch.device.type == "mps"
    return batch.contiguous(memory_format=torch.contiguous_format if mps else torch.channels_last)
