"""A model that is ready to decide on photos: how they are read, its network and its rule."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Floats32, Pixels
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.images import Reading, decode_photo, from_array, read_bytes
from fastdefect.inference.judge import Decision, Judge

PhotoLike = str | PathLike[str] | bytes | bytearray | memoryview | NDArray[Any]

# Of n photos in the frame, uint8: probabilities (n, n_classes) and features (n, d) or None.
Outputs = tuple[Floats, Floats32 | None]


@dataclass(frozen=True)
class Scorer:
    """A model of a bundle or a run; ``frame`` is how a photo becomes the input of ``network``.

    ``concurrent``: ``network`` may be called from several threads, a photo at a time, and gives
    the same values for a photo whatever the batch. ``identity`` changes with the weights and the
    rule. ``part_from`` finds the part in a name, as in the training; None without parts in names.
    ``view_from`` and ``product_from`` find the view and the product, and ``views`` are those that
    the model learned from; empty if its photos had none.
    """

    name: str
    identity: str
    frame: Frame
    reading: Reading
    network: Callable[[Pixels], Outputs]
    judge: Judge
    concurrent: bool
    part_from: str | None = None
    view_from: str | None = None
    product_from: str | None = None
    views: tuple[str, ...] = ()

    def pixels(self, photo: PhotoLike) -> Pixels:
        """The input of the network for ``photo``: uint8 RGB in the ``frame``.

        ``photo`` is as in ``Inspector.inspect``.
        """
        if isinstance(photo, np.ndarray):
            return self.frame.fit(from_array(photo, self.reading))
        if isinstance(photo, bytes | bytearray | memoryview):
            return self.decoded(bytes(photo), "the photo")
        path = Path(photo)
        return self.decoded(read_bytes(path), str(path))

    def decoded(self, data: bytes, name: str) -> Pixels:
        """The input of the network for the bytes of a file; errors call it ``name``."""
        return self.frame.fit(decode_photo(data, name, self.reading))

    def decide(self, pixels: Pixels, started: float, product: str | None = None) -> Decision:
        """Decide on one input of the network; ``started`` is a time of ``time.perf_counter``.

        ``product`` is the one that the photo shows, if it is known.
        """
        y_prob, features = self.network(pixels[None])
        elapsed = (time.perf_counter() - started) * 1000
        return self.judge.decide(y_prob, features, [elapsed], [product])[0]


def joined(outputs: Sequence[Outputs]) -> Outputs:
    """The outputs of several calls of a network as those of one call."""
    features = [each for _, each in outputs if each is not None]
    return np.concatenate([y_prob for y_prob, _ in outputs]), (
        np.concatenate(features) if features else None
    )
