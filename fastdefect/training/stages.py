"""Features of a frozen backbone at several depths: statistics of the last map of each stride.

The last map describes the content of a photo. Fine defects are visible in earlier, larger maps, and
the mean of the last map loses them. Mean and standard deviation of each channel together
distinguish a few strong activations from many weak ones.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

# Maps with a smaller stride show only edges and colours.
_FINEST = 3  # as a power of two
_FEWEST_STRIDES = 2  # a network with maps of one stride only is not convolutional


@dataclass(frozen=True)
class Tap:
    """A module of the body that is read; the name "" is the body itself.

    ``width`` is its number of features per photo: two for each channel of a map.
    """

    name: str
    width: int


@dataclass(frozen=True)
class _Output:
    name: str
    channels: int
    size: int

    @property
    def depth(self) -> int:
        return self.name.count(".") + 1 if self.name else 0


def find_taps(body: nn.Module, photo: Tensor) -> tuple[Tensor, tuple[Tap, ...]]:
    """Return the output of ``body`` for ``photo`` (1, 3, size, size), and its taps.

    There is a tap for each stride, a power of two from 8: the last of the outermost modules with
    a map of this stride. The last tap is the body itself, with maps or a vector.
    """
    outputs: list[_Output] = []
    hooks = [
        module.register_forward_hook(partial(_note_map, outputs, name))
        for name, module in body.named_modules()
        if name
    ]
    try:
        output = body(photo)
    finally:
        for hook in hooks:
            hook.remove()
    return output, _choose(outputs, output, photo.shape[-1]) if output.ndim in (2, 4) else ()


def _note_map(outputs: list[_Output], name: str, module: nn.Module, args: Any, given: Any) -> None:
    # Only square maps of the photo; no windows, tokens or channels-last maps.
    if isinstance(given, Tensor) and given.ndim == 4 and given.shape[0] == 1:
        channels, height, width = given.shape[1:]
        if height == width:
            outputs.append(_Output(name, channels, height))


def _choose(outputs: Sequence[_Output], given: Tensor, size: int) -> tuple[Tap, ...]:
    times = Counter(output.name for output in outputs)
    # Skip modules that are called several times, and maps of one position, which are vectors.
    single = [output for output in outputs if times[output.name] == 1 and output.size > 1]
    last_of: dict[int, _Output] = {}
    for output in single:
        stride = round(math.log2(size / output.size))
        known = last_of.get(stride)
        if stride >= _FINEST and (known is None or output.depth <= known.depth):
            last_of[stride] = output
    if given.ndim == 4:  # the body itself is the outermost module of its stride
        last_of.pop(round(math.log2(size / given.shape[2])), None)
    elif len(last_of) < _FEWEST_STRIDES:
        last_of = {}
    inner = [last_of[stride] for stride in sorted(last_of)]
    body_width = 2 * given.shape[1] if given.ndim == 4 else given.shape[1]
    return (*(Tap(output.name, 2 * output.channels) for output in inner), Tap("", body_width))


class Staged(nn.Module):
    """A body that is read at its taps and returns one vector per photo."""

    def __init__(self, body: nn.Module, taps: Sequence[Tap]) -> None:
        """Read ``body`` at ``taps`` from ``find_taps``."""
        super().__init__()
        self.body = body
        self.names = tuple(tap.name for tap in taps)
        self.describe: Callable[[Tensor], Tensor] = summary

    def forward(self, photos: Tensor) -> Tensor:
        """Return features (n, sum of the widths) of photos (n, 3, h, w): mean, deviation by tap."""
        return torch.cat(self._read(photos), dim=1)

    def _read(self, photos: Tensor) -> list[Tensor]:
        """Return the description of what each tap gives, in the order of the taps."""
        read: dict[str, Tensor] = {}
        hooks = [
            # Describe a map at once: the next layer may overwrite it.
            self.body.get_submodule(name).register_forward_hook(partial(self._keep, read, name))
            for name in self.names
            if name
        ]
        try:
            last = self.body(photos)
            if "" in self.names:
                read[""] = self.describe(last)
        finally:
            for hook in hooks:
                hook.remove()
        return [read[name] for name in self.names]

    def _keep(
        self, read: dict[str, Tensor], name: str, module: nn.Module, args: Any, given: Tensor
    ) -> None:
        read[name] = self.describe(given)


def summary(given: Tensor) -> Tensor:
    """Return mean and standard deviation (n, 2 channels) of maps, float32; vectors unchanged."""
    if given.ndim == 2:
        return given.float()
    deviation, mean = torch.std_mean(given.float(), dim=(2, 3), correction=0)
    return torch.cat([mean, deviation], dim=1)
