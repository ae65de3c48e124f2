"""A model that is ready to decide on photos: how they are read, its network and its rule."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Floats32, Pixels
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.images import Reading, decode_photo, from_array, read_bytes
from fastdefect.good import Good
from fastdefect.inference.halves import surer_half
from fastdefect.inference.judge import Decision, Judge, probabilities_of

PhotoLike = str | PathLike[str] | bytes | bytearray | memoryview | NDArray[Any]


class Outputs(NamedTuple):
    """What a network gives for n photos in the frame, uint8.

    Probabilities (n, n_classes), features (n, d) or None, and the probabilities (n, 2, n_classes)
    by each half of a joint model, or None.
    """

    y_prob: Floats
    features: Floats32 | None
    halves: Floats | None = None


@dataclass(frozen=True)
class Scorer:
    """A model of a bundle or a run; ``frame`` is how a photo becomes the input of ``network``.

    ``concurrent``: ``network`` may be called from several threads, a photo at a time, and gives
    the same values for a photo whatever the batch. ``identity`` changes with the weights and the
    rule. ``part_from`` finds the part in a name, as in the training; None without parts in names.
    ``view_from`` and ``product_from`` find the view and the product, and ``views`` are those that
    the model learned from; empty if its photos had none. ``joint``: it has two halves
    (``halves.py``).
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
    joint: bool = False

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
        found = self.network(pixels[None])
        elapsed = (time.perf_counter() - started) * 1000
        return self.judge.decide(
            found.y_prob, found.features, [elapsed], [product], halves=found.halves
        )[0]


def joined(outputs: Sequence[Outputs]) -> Outputs:
    """The outputs of several calls of a network as those of one call."""
    features = [each.features for each in outputs if each.features is not None]
    halves = [each.halves for each in outputs if each.halves is not None]
    return Outputs(
        np.concatenate([each.y_prob for each in outputs]),
        np.concatenate(features) if features else None,
        np.concatenate(halves) if halves else None,
    )


def outputs_of(logits: Floats32, features: Floats32 | None, good: Good, *, joint: bool) -> Outputs:
    """The outputs of a network with ``logits`` (n, views, n_classes) and ``features`` (n, d).

    Those of a ``joint`` one are (n, 2 * views, n_classes): those of the classifier in each view,
    then those of the memory. In each view the surer half decides.
    """
    if not joint:
        return Outputs(probabilities_of(logits), features)
    n, rows, classes = logits.shape
    each = probabilities_of(logits.reshape(n * rows, 1, classes)).reshape(n, 2, -1, classes)
    by_view = each.swapaxes(1, 2).reshape(-1, 2, classes)
    deciding = surer_half(by_view, good).reshape(n, -1, classes)
    return Outputs(deciding.mean(axis=1), features, each.mean(axis=2))
