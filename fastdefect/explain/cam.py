"""Heat maps from the inside of a network: gradients at its stages, or its linear head.

Everything is computed in single precision, in evaluation mode and of the photo as it is. The views
of test-time augmentation are ignored: a map of a mean over turned photos explains no decision of
the network itself, and takes a pass for each view. Of an ensemble the map is the mean of the maps
of its networks.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from fastdefect.aliases import Floats, Floats32, Pixels
from fastdefect.data.reading.frame import squares_at_once
from fastdefect.explain.methods import Head, Method
from fastdefect.explain.occlusion import occlusion_in_tiles
from fastdefect.explain.patches import patch_scores
from fastdefect.explain.target import Target
from fastdefect.training.ensemble import Ensemble
from fastdefect.training.memory import PatchMemory
from fastdefect.training.predict import Predictor
from fastdefect.training.stages import Staged, find_taps

_BATCH = 16


@dataclass(frozen=True)
class Stages:
    """One network of an ensemble, and the names of the modules of its body that give maps.

    ``names`` go from the finest maps to the last; "" is the body itself.
    """

    network: nn.Module
    body: nn.Module
    names: tuple[str, ...]

    @property
    def head(self) -> nn.Module:
        """The layers after the body."""
        whole: Any = self.network
        return whole[1]

    @property
    def kind(self) -> Head:
        """Linear if the head is one linear layer on means, or means and deviations, of maps."""
        if isinstance(self.memory, PatchMemory):
            return "memory"
        layers = list(self.head.children())
        kinds = (nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear)
        linear = sum(isinstance(layer, nn.Linear) for layer in layers)
        only = linear == 1 and all(isinstance(m, kinds) for m in layers)
        return "linear" if only and self.names[-1:] == ("",) else "other"

    @property
    def memory(self) -> nn.Module:
        """The memory of good parts, if that is the head."""
        whole: Any = self.network
        return whole[1][0]


def stages_of(predictor: Predictor) -> tuple[Stages, ...]:
    """The networks of ``predictor``, one or those of an ensemble."""
    network: Any = predictor.network
    members = list(network.networks) if isinstance(network, Ensemble) else [network]
    size = predictor.preprocessing.image_size
    return tuple(_stages(member, size, predictor.device) for member in members)


def _stages(member: Any, size: int, device: torch.device) -> Stages:
    first: Any = member[0][0]  # as ``learner.build_network`` nests them
    body = first.body if isinstance(first, Staged) else first
    with torch.inference_mode():
        output, taps = find_taps(body.eval(), torch.zeros(1, 3, size, size, device=device))
    # A body can return a vector, which is no map.
    names = tuple(tap.name for tap in taps if tap.name or output.ndim == 4)
    return Stages(member, body, names)


@dataclass(frozen=True)
class NetworkMaps:
    """The heat maps of the networks of ``predictor`` by ``method``."""

    predictor: Predictor
    target: Target
    method: Method

    @cached_property
    def stages(self) -> tuple[Stages, ...]:
        """The networks that are read."""
        return stages_of(self.predictor)

    def __call__(self, pixels: Pixels) -> Floats32:
        """The evidence (n, h, w) at each place of photos (n, h, w, 3) in the frame; 0 or more.

        That in a tile is as if the tile were a photo of its own.
        """
        frame = self.predictor.preprocessing.frame
        if self.method.needs == "outputs":
            return np.stack([occlusion_in_tiles(photo, self.score, frame) for photo in pixels])
        tiles = frame.cells(pixels)
        at_once = squares_at_once(_BATCH, frame.size)
        starts = range(0, len(tiles), at_once)
        found = np.concatenate([self._batch(tiles[at : at + at_once]) for at in starts])
        if frame.tiles > 1:
            found[~np.concatenate([frame.filled(photo) for photo in pixels])] = 0
        return found.reshape(pixels.shape[:3])

    def of_view(self, view: str | None) -> "NetworkMaps":
        """The maps of photos of one view, for a network that takes it as an input."""
        predictor = self.predictor.of_view(view)
        return self if predictor is self.predictor else replace(self, predictor=predictor)

    def score(self, pixels: Pixels) -> Floats:
        """The log odds (n,) of the target, of the photos as they are."""
        y_prob = self.predictor.probabilities(pixels, range(len(pixels)))
        return self.target.of_probabilities(y_prob)

    def _batch(self, pixels: Pixels) -> Floats32:
        predictor = self.predictor
        predictor.network.eval()
        batch = predictor.preprocessing.batch(pixels, predictor.device)
        with torch.autocast(predictor.device.type, enabled=False):
            grids = [self._of_one(stages, batch) for stages in self.stages]
        size = pixels.shape[1]
        maps = torch.stack([_resized(grid, size) for grid in grids]).mean(dim=0)
        return np.asarray(maps.cpu().numpy(), np.float32)

    def _of_one(self, stages: Stages, batch: Tensor) -> Tensor:
        if self.method.needs == "memory":
            return distance_maps(stages, batch)
        if self.method.needs == "linear head":
            with torch.no_grad(), reading(stages.body, stages.names) as read:
                logits = stages.network(batch)
            return patch_scores(stages.head, self.target, logits, [read[n] for n in stages.names])
        return gradient_maps(stages, self.target, self.method, batch)


def randomised(predictor: Predictor, pixels: Pixels, seed: int = 0) -> Predictor:
    """``predictor`` with random weights; its statistics of batch-norm are those of ``pixels``.

    Without such statistics the values of a deep network would vanish, and so would its maps.
    """
    network = deepcopy(predictor.network)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if weights.ndim > 1:  # He et al. 2015
                deviation = (2 / weights[0].numel()) ** 0.5
                drawn = torch.randn(weights.shape, generator=generator)
                weights.copy_(drawn.to(weights.device) * deviation)
            elif name.endswith("bias"):
                weights.zero_()
        _measure_statistics(network, predictor.preprocessing.batch(pixels, predictor.device))
    return replace(predictor, network=network.eval())


def _measure_statistics(network: nn.Module, batch: Tensor) -> None:
    network.eval()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches, here of one
        norm.train()
    network(batch)


def gradient_maps(stages: Stages, target: Target, method: Method, batch: Tensor) -> Tensor:
    """The evidence (n, h, w) in a batch (n, 3, size, size), from one stage; 0 or more.

    A network with fewer stages is read at its first.
    """
    assert method.combine is not None
    name = stages.names[max(len(stages.names) - method.depth, 0)]
    # So that there are gradients even if all layers are frozen.
    photos = batch.detach().clone().requires_grad_(True)
    with torch.enable_grad(), reading(stages.body, [name]) as read:
        score = target.of_logits(stages.network(photos).float()).sum()
        (gradients,) = torch.autograd.grad(score, read[name])
    return method.combine(read[name].detach().float(), gradients.float()).clamp(min=0)


def distance_maps(stages: Stages, batch: Tensor) -> Tensor:
    """How much farther than usual each place (n, h, w) of a batch is from those of good parts.

    0 up to half of the distance of even odds.
    """
    whole, memory = stages.network, cast("PatchMemory", stages.memory)
    with torch.no_grad():
        distances = memory.distances(cast("Any", whole)[0](batch))
    return (distances - memory.usual / 2).clamp(min=0)


@contextmanager
def reading(body: nn.Module, names: Sequence[str]) -> Iterator[Mapping[str, Tensor]]:
    """The maps of the modules ``names`` of ``body``, by name, after it has run in the block."""
    read: dict[str, Tensor] = {}
    hooks = [
        body.get_submodule(name).register_forward_hook(partial(_keep, read, name)) for name in names
    ]
    try:
        yield read
    finally:
        for hook in hooks:
            hook.remove()


def _keep(read: dict[str, Tensor], name: str, module: nn.Module, args: Any, given: Tensor) -> Any:
    read[name] = given
    return given.clone()  # the next layer may overwrite its input


def _resized(grid: Tensor, size: int) -> Tensor:
    """(n, h, w) to (n, size, size)."""
    return interpolate(grid[:, None], size=(size, size), mode="bilinear")[:, 0]
