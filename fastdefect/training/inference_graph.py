"""A trained network as one graph: from 8-bit photos to logits by view, and features.

Normalisation, the views of test-time augmentation and all members of an ensemble are inside, so
that a runtime needs no more than the photo at the network's size.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.training.ensemble import Ensemble, averaged
from fastdefect.training.joint import Joint
from fastdefect.training.predict import View
from fastdefect.training.stages import Staged, find_taps, summary
from fastdefect.training.tiled import Tiled, cut, empty_tiles

# The second of a network that takes it; the exporter itself calls values "view".
INPUTS = ("photos", "view_of_photo")
OUTPUTS = ("logits", "features", "tile_logits", "tile_features")  # the last two with tiles


class InferenceGraph(nn.Module):
    """A network with its preprocessing and views, in evaluation mode."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, preprocessing: Preprocessing, views: Sequence[View]
    ) -> None:
        """Take ``network`` as built by ``build_network``; its features are of the first member."""
        super().__init__()
        self.network = network.eval()
        self.joint = isinstance(network, Joint)
        self.views = tuple(views)
        self.reversed = tuple(map(_reverses, views))
        first: Any = network.networks[0] if isinstance(network, Ensemble) else network
        first = first.classifier if isinstance(first, Joint) else first
        self.frame = preprocessing.frame
        self.known_views = preprocessing.view_input
        body = first[0][0]  # as ``build_network`` nests them
        self.taps = _tap_names(body, preprocessing.image_size)
        # In a tuple torch does not register it: the body is a part of ``network`` already.
        self.body = (body,) if not isinstance(body, Staged) else (body.body,)
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(shape))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(shape))

    def widths(self) -> tuple[int, ...]:
        """The widths of the features of each depth that is read, from the finest."""
        size = self.frame.size
        photos = torch.zeros(1, 3, size, size, device=self.mean.device)
        read: Read = {}
        with torch.inference_mode(), _reading(self.body[0], self.taps, read):
            self.body[0](photos)
        return tuple(read[name][0].shape[1] for name in self.taps)

    def forward(self, photos: Tensor, seen: Tensor | None = None) -> tuple[Tensor, ...]:
        """Map (n, size, size, 3) uint8 RGB to logits (n, views, classes) and features (n, d).

        ``seen`` (n, known views) float32 are rows of ``one_hot``, for a network that takes the view
        of a photo, such as its camera.

        Both are float32. The features are of the first view: mean and standard deviation of each
        channel of the maps that ``stages`` reads, of the last only the mean, or a vector of the
        body. Of photos in tiles, (n, tiles * size, size, 3), they are the mean over the tiles that
        are not empty. There may be any number of tiles, and two more outputs are those of each:
        logits (n, views, tiles, classes) and features (n, tiles, d). A joint network gives logits
        (n, 2 * views, classes): those of the classifier in each view, then those of the memory. The
        logits of its tiles are those of the surer half in each.
        """
        batch = (photos.permute(0, 3, 1, 2).float() / 255.0 - self.mean) / self.std
        if self.frame.tiles > 1:
            return self._in_tiles(batch, photos.shape[1] // self.frame.size)
        n = batch.shape[0]
        read: Read = {}
        with _reading(self.body[0], self.taps, read):
            logits = self._logits(torch.cat([view(batch) for view in self.views]), seen)
        features = torch.cat([torch.cat(read[name])[:n] for name in self.taps], dim=1)
        rows = 2 * len(self.views) if self.joint else len(self.views)
        return logits.float().reshape(rows, n, -1).transpose(0, 1), features

    def _logits(self, batch: Tensor, seen: Tensor | None) -> Tensor:
        """The logits of all views, (rows * n, classes); of a joint network by half first."""
        if not isinstance(self.network, Joint):
            inputs = () if seen is None else (torch.cat([seen] * len(self.views)),)
            return cast("Tensor", self.network(batch, *inputs))
        return torch.cat(self.network.halves(batch).unbind(dim=1))

    def _in_tiles(self, batch: Tensor, tiles: int) -> tuple[Tensor, ...]:
        read: Read = {}
        # View by view, for memory; and a stack that is turned by a quarter has another shape.
        with _reading(self.body[0], self.taps, read):
            found = [_by_tile(self.network, self.views[0](batch))]
        found += [_by_tile(self.network, view(batch)) for view in self.views[1:]]
        # (n, views, classes), or (n, 2, views, classes) of a joint network.
        of_photos = torch.stack([of_photo.float() for of_photo, _ in found], dim=-2)
        logits = of_photos.flatten(1, -2)
        of_tiles = [
            each.flip(1) if reverse else each
            for reverse, (_, each) in zip(self.reversed, found, strict=True)
        ]
        rows = batch.shape[0] * tiles
        features = torch.cat([torch.cat(read[name])[:rows] for name in self.taps], dim=1)
        features = features.reshape(-1, tiles, features.shape[1])
        filled = (~empty_tiles(cut(batch, self.frame.size), tiles)).float()[:, :, None]
        mean = (features * filled).sum(dim=1) / filled.sum(dim=1)
        return logits, mean, torch.stack(of_tiles, dim=1).float(), features


def _by_tile(network: Any, photos: Tensor) -> tuple[Tensor, Tensor]:
    """As ``Tiled.by_tile`` or ``Joint.by_tile``, also for an ensemble."""
    if isinstance(network, Tiled | Joint):
        return network.by_tile(photos)
    found = [member.by_tile(photos) for member in network.networks]
    of_photos, of_tiles = zip(*found, strict=True)
    return averaged(of_photos), averaged(of_tiles)


def _reverses(view: View) -> bool:
    """Whether the first tile of a stack is the last in a view of it."""
    stack = view(torch.arange(2.0).reshape(1, 1, 2, 1))
    return bool(stack.reshape(-1)[0])


def _tap_names(body: nn.Module, size: int) -> tuple[str, ...]:
    if isinstance(body, Staged):
        return body.names
    parameter = next(body.parameters())
    with torch.inference_mode():
        photo = torch.zeros(1, 3, size, size, device=parameter.device, dtype=parameter.dtype)
        _, taps = find_taps(body, photo)
    return tuple(tap.name for tap in taps) or ("",)


# By the name of a module, what it gave in each call.
Read = dict[str, list[Tensor]]


@contextmanager
def _reading(body: nn.Module, names: Sequence[str], read: Read) -> Iterator[None]:
    hooks = [
        body.get_submodule(name).register_forward_hook(partial(_keep, read, name)) for name in names
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _keep(read: Read, name: str, module: nn.Module, args: Any, given: Tensor) -> None:
    # The body's own maps, the last, are the widest; their deviations tell no more than their means.
    last = name == "" and given.ndim == 4
    found = given.float().mean(dim=(2, 3)) if last else summary(given)
    read.setdefault(name, []).append(found)


def write_onnx(graph: InferenceGraph, path: Path) -> None:
    """Write ``graph`` as one ONNX file for any number of photos; it must be on the CPU.

    If photos are in tiles, it is for any number of tiles: one can be decided on alone. A network
    that takes the view of a photo has a second input, ``view_of_photo``.
    """
    shapes: dict[int, Any] = {0: torch.export.Dim("n")}
    if graph.frame.tiles > 1:
        shapes[1] = graph.frame.size * torch.export.Dim("tiles")
    inputs: tuple[Tensor, ...] = (torch.zeros(2, *graph.frame.shape, dtype=torch.uint8),)
    if graph.known_views:
        inputs += (torch.zeros(2, len(graph.known_views)),)
    with without_messages("torch.onnx", "onnxscript", "onnx_ir"):
        torch.onnx.export(
            graph,
            inputs,
            path,
            input_names=list(INPUTS[: len(inputs)]),
            output_names=list(OUTPUTS if graph.frame.tiles > 1 else OUTPUTS[:2]),
            dynamic_shapes=(shapes, {0: shapes[0]})[: len(inputs)],
            dynamo=True,
            external_data=False,
            verbose=False,
        )


@contextmanager
def without_messages(*names: str) -> Iterator[None]:
    """Hide what a library prints, its warnings, and all but errors of the loggers ``names``."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
