"""Features of photos from a frozen backbone: one vector per photo."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fastdefect.aliases import Floats32
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.store import PhotoStore

Change = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]

_BATCH = 32


@dataclass(frozen=True)
class FrozenBackbone:
    """A backbone on ``device`` that is not trained, with the preprocessing of its input."""

    body: nn.Module
    preprocessing: Preprocessing
    device: torch.device

    def features(
        self,
        store: PhotoStore | NDArray[np.uint8],
        rows: Sequence[int],
        *,
        change: Change | None = None,
        on_batch: Callable[[int], None] | None = None,
    ) -> Floats32:
        """Return the features (n, n_features) of the photos in ``rows`` of ``store``.

        Feature maps are averaged over their positions; feature vectors are returned unchanged.
        The body runs in evaluation mode and returns to its previous mode afterwards. The
        features of a photo do not depend on the other photos of its batch.
        ``change(photo, position)`` returns the photo to use instead, uint8 RGB of the same
        shape. ``on_batch`` receives the number of photos done.
        """
        was_training, at_once = self.body.training, self._at_once
        self.body.eval()
        chunks: list[Floats32] = []
        try:
            with torch.inference_mode():
                for start in range(0, len(rows), at_once):
                    photos = store[np.asarray(rows[start : start + at_once])]
                    if change is not None:
                        photos = np.stack([change(p, start + i) for i, p in enumerate(photos)])
                    chunks.append(self._of_batch(photos))
                    if on_batch:
                        on_batch(min(start + at_once, len(rows)))
        finally:
            self.body.train(was_training)
        return np.concatenate(chunks)

    @property
    def _at_once(self) -> int:
        return self.preprocessing.frame.at_once(_BATCH)

    def _of_batch(self, photos: NDArray[np.uint8]) -> Floats32:
        batch = self.preprocessing.batch(_padded(photos, self._at_once), self.device)
        maps = self.body(_in_fast_layout(batch))
        vectors = maps.mean(dim=(2, 3)) if maps.ndim == 4 else maps
        features: Floats32 = vectors[: len(photos)].float().cpu().numpy()
        return features


def _padded(photos: NDArray[np.uint8], n: int) -> NDArray[np.uint8]:
    # A batch of another size may be summed in another order and differ in the last bit.
    return photos[np.arange(n) % len(photos)]


def _in_fast_layout(batch: torch.Tensor) -> torch.Tensor:
    mps = batch.device.type == "mps"
    return batch.contiguous(memory_format=torch.contiguous_format if mps else torch.channels_last)
