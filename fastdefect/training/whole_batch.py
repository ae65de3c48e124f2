"""Layers that depend on the whole batch, when each of several processes has a share of it.

Batch-norm uses the mean and variance of all photos of the batch, also if a share is only a few. On
CUDA the layers compute as ``torch.nn.SyncBatchNorm``. It has no kernels for the CPU, where the same
formula (Ioffe and Szegedy 2015) is computed from sums over all processes. Dropout draws for all
photos of the batch, in every process alike, and uses the draws of the share.

The layers stay in the network: their names, parameters and types do not change.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True)
class Share:
    """A process's share of a batch of ``photos``: those at ``places``, from 0.

    A process without a photo of its own has the first one again, which is not ``counted``.
    """

    photos: int
    places: Sequence[int]
    counted: bool = True


def share_layers(network: nn.Module, share: Callable[[], Share]) -> Callable[[], None]:
    """Let the layers of ``network`` use the whole batch in training mode.

    ``share`` returns that of the current batch. Returns a function that undoes the change. Of
    dropout, only ``nn.Dropout`` itself draws for the batch. On CUDA, batch-norm counts a photo that
    a process has again.
    """
    changed: list[Any] = []
    for layer in network.modules():
        if isinstance(layer, _BatchNorm):
            _compute(layer, _statistics(layer, share))
        elif type(layer) is nn.Dropout:
            _compute(layer, partial(_dropped, layer, share))
        else:
            continue
        changed.append(layer)

    def restore() -> None:
        for layer in changed:
            del layer.forward

    return restore


def _compute(layer: Any, in_training: Callable[[Tensor], Tensor]) -> None:
    layer.forward = partial(_forward, layer, in_training, type(layer).forward)


def _forward(layer: Any, in_training: Any, usual: Any, values: Tensor) -> Tensor:
    result: Tensor = in_training(values) if layer.training else usual(layer, values)
    return result


def _dropped(layer: Any, share: Callable[[], Share], values: Tensor) -> Tensor:
    own = share()
    kept = nn.functional.dropout(values.new_ones(own.photos, *values.shape[1:]), layer.p)
    return values * kept[list(own.places)]


def _statistics(layer: Any, share: Callable[[], Share]) -> Callable[[Tensor], Tensor]:
    if layer.weight is not None and layer.weight.is_cuda:
        # It shares the parameters and statistics of the layer, and is always in training mode.
        synced: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(layer)  # type: ignore[no-untyped-call]
        return synced.train()
    return partial(_normalised, layer, share)


def _normalised(layer: Any, share: Callable[[], Share], photos: Tensor) -> Tensor:
    """Return ``photos`` (n, channels, ...) normalised; updates the layer's running statistics."""
    places = [0, *range(2, photos.ndim)]
    shape = (1, -1, *[1] * (photos.ndim - 2))
    values = photos.float()
    weight = float(share().counted)
    count = _sum(values.new_tensor([weight * values.numel() / values.shape[1]]))
    mean = _sum(weight * values.sum(places)) / count
    centred = values - mean.view(shape)
    variance = _sum(weight * centred.square().sum(places)) / count
    _note(layer, mean.detach(), variance.detach(), float(count))
    result = centred * torch.rsqrt(variance + layer.eps).view(shape)
    if layer.affine:
        result = result * layer.weight.view(shape) + layer.bias.view(shape)
    return result.to(photos.dtype)


def _note(layer: Any, mean: Tensor, variance: Tensor, count: float) -> None:
    if layer.running_mean is None:
        return
    layer.num_batches_tracked.add_(1)
    share = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
    layer.running_mean.lerp_(mean, share)
    layer.running_var.lerp_(variance * (count / max(count - 1, 1)), share)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, own: Tensor) -> Tensor:
        whole = own.contiguous().clone()
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(_ctx, gradient)


def _sum(own: Tensor) -> Tensor:
    """Return the sum over all processes; its gradient is the sum of their gradients."""
    whole: Tensor = _Sum.apply(own)
    return whole
