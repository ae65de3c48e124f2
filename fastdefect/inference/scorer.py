"""A model that is ready to decide on photos: how they are read, its network and its rule."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Pixels
from fastdefect.data.reading.frame import Frame, Framed
from fastdefect.data.reading.images import Reading, decode, from_array, read_bytes
from fastdefect.data.reading.view_input import one_hot
from fastdefect.inference.judge import Decision, Judge
from fastdefect.inference.outputs import Outputs

PhotoLike = str | PathLike[str] | bytes | bytearray | memoryview | NDArray[Any]


@dataclass(frozen=True)
class Scorer:
    """A model of a bundle or a run; ``frame`` is how a photo becomes the input of ``network``.

    ``concurrent``: ``network`` may be called from several threads, a photo at a time, and gives
    the same values for a photo whatever the batch. ``identity`` changes with the weights and the
    rule. ``part_from`` finds the part in a name, as in the training; None without parts in names.
    ``view_from`` and ``product_from`` find the view and the product, and ``views`` are those that
    the model learned from; empty if its photos had none. ``joint``: it has two halves
    (``halves.py``). ``view_input`` are the views that ``network`` takes as a second input, one-hot
    rows (n, views) of ``view_input.one_hot``; empty if it takes photos alone.
    """

    name: str
    identity: str
    frame: Frame
    reading: Reading
    network: Callable[..., Outputs]
    judge: Judge
    concurrent: bool
    part_from: str | None = None
    view_from: str | None = None
    product_from: str | None = None
    views: tuple[str, ...] = ()
    joint: bool = False
    view_input: tuple[str, ...] = ()

    def outputs(self, pixels: Pixels, views: Sequence[str | None]) -> Outputs:
        """What the network gives for photos (n, ...) in the frame.

        ``views`` (n,) are those of the photos, as far as they are known. A network that takes no
        views ignores them.
        """
        if not self.view_input:
            return self.network(pixels)
        return self.network(pixels, one_hot(self.view_input, views))

    def probabilities_of_view(self, view: str | None) -> Callable[[Pixels], Floats]:
        """The probabilities (n, n_classes) of photos that all have this view, for heat maps."""
        return lambda pixels: self.outputs(pixels, [view] * len(pixels)).y_prob

    def framed(self, photo: PhotoLike) -> Framed:
        """The input of the network for ``photo``, which is as in ``Inspector.inspect``."""
        if isinstance(photo, np.ndarray):
            return self.frame.take(from_array(photo, self.reading))
        if isinstance(photo, bytes | bytearray | memoryview):
            return self.decoded(bytes(photo), "the photo")
        path = Path(photo)
        return self.decoded(read_bytes(path), str(path))

    def decoded(self, data: bytes, name: str) -> Framed:
        """The input of the network for the bytes of a file; errors call it ``name``."""
        found = decode(data, name, self.reading)
        return self.frame.take(found.pixels, (found.width, found.height))

    def decide(
        self,
        photo: Framed,
        started: float,
        product: str | None = None,
        view: str | None = None,
    ) -> Decision:
        """Decide on one input of the network; ``started`` is a time of ``time.perf_counter``.

        ``product`` and ``view`` are those that the photo shows, if they are known.
        """
        outputs = self.outputs(photo.pixels[None], [view])
        elapsed = (time.perf_counter() - started) * 1000
        return self.judge.decide(outputs, [elapsed], [product], [photo.boxes])[0]
