"""What a frozen backbone sees at several depths: statistics of the last map of each stride.

The last map alone says what a photo shows; fine defects are seen in earlier, larger maps, and its
mean forgets them. Mean and standard deviation of each channel together tell a few strong places
from many weak ones.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

# Maps of a smaller stride show edges and colours, in any photo.
_FINEST = 3  # as a power of two
_FEWEST_STRIDES = 2  # a network with maps of one stride alone is no convolutional one


@dataclass(frozen=True)
class Tap:
    """A module of the body whose output is read, "" being the body itself.

    ``width``: how many numbers it gives a photo, two for each channel of maps.
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


def look_once(body: nn.Module, photo: Tensor) -> tuple[Tensor, tuple[Tap, ...]]:
    """What ``body`` gives for ``photo`` (1, 3, size, size), and the taps that suit it.

    A tap for each stride of 8 and more, a power of two: of the modules with such a map the
    outermost, and of these the last. The last tap is the body itself, maps or a vector.
    """
    outputs: list[_Output] = []
    hooks = [
        module.register_forward_hook(partial(_note_map, outputs, name))
        for name, module in body.named_modules()
        if name
    ]
    try:
        given = body(photo)
    finally:
        for hook in hooks:
            hook.remove()
    return given, _choose(outputs, given, photo.shape[-1]) if given.ndim in (2, 4) else ()


def _note_map(outputs: list[_Output], name: str, module: nn.Module, args: Any, given: Any) -> None:
    # Square maps of the one photo: windows, tokens and maps with the channels last are not.
    if isinstance(given, Tensor) and given.ndim == 4 and given.shape[0] == 1:
        channels, height, width = given.shape[1:]
        if height == width:
            outputs.append(_Output(name, channels, height))


def _choose(outputs: Sequence[_Output], given: Tensor, size: int) -> tuple[Tap, ...]:
    times = Counter(output.name for output in outputs)
    # A module that is called several times gives no one map; a map of one place is a vector.
    single = [output for output in outputs if times[output.name] == 1 and output.size > 1]
    last_of: dict[int, _Output] = {}
    for output in single:
        stride = round(math.log2(size / output.size))
        known = last_of.get(stride)
        if stride >= _FINEST and (known is None or output.depth <= known.depth):
            last_of[stride] = output
    if given.ndim == 4:  # the body's own output is the outermost of its stride
        last_of.pop(round(math.log2(size / given.shape[2])), None)
    elif len(last_of) < _FEWEST_STRIDES:
        last_of = {}
    inner = [last_of[stride] for stride in sorted(last_of)]
    whole = 2 * given.shape[1] if given.ndim == 4 else given.shape[1]
    return (*(Tap(output.name, 2 * output.channels) for output in inner), Tap("", whole))


class Staged(nn.Module):
    """A body whose maps are read at its taps: one vector a photo."""

    def __init__(self, body: nn.Module, taps: Sequence[Tap]) -> None:
        """Read ``body`` at ``taps``, which ``look_once`` found."""
        super().__init__()
        self.body = body
        self.names = tuple(tap.name for tap in taps)

    def forward(self, photos: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, sum of the widths): mean, then deviation, tap by tap."""
        seen: dict[str, Tensor] = {}
        hooks = [
            # A map is summed up at once: the layer behind may overwrite it.
            self.body.get_submodule(name).register_forward_hook(partial(_keep, seen, name))
            for name in self.names
            if name
        ]
        try:
            seen[""] = _summed_up(self.body(photos))
        finally:
            for hook in hooks:
                hook.remove()
        return torch.cat([seen[name] for name in self.names], dim=1)


def _keep(seen: dict[str, Tensor], name: str, module: nn.Module, args: Any, given: Tensor) -> None:
    seen[name] = _summed_up(given)


def _summed_up(given: Tensor) -> Tensor:
    """Mean and standard deviation (n, 2 channels) of maps, float32; vectors as they are."""
    if given.ndim == 2:
        return given.float()
    deviation, mean = torch.std_mean(given.float(), dim=(2, 3), correction=0)
    return torch.cat([mean, deviation], dim=1)
