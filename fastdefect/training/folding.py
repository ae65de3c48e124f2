"""Batch-norm as part of the convolution before it, wherever its statistics stand still.

With fixed statistics a batch-norm layer multiplies each channel by a number and adds another.
The convolution before it can do both with its own weight and bias (Jacob et al. 2018,
"Quantization and training of neural networks", section 3.2), and one pass over the largest
tensors of the network is saved. Scale and shift stay parameters that learn, under their own
names: a state fits the network with and without this.
"""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d


class FoldingConv2d(nn.Conv2d):
    """A convolution that does its batch-norm's work while that one is in evaluation mode."""

    # In a tuple, as a module in an attribute would be the convolution's child, and its state
    # be there twice.
    _norm: tuple[nn.BatchNorm2d]

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (n, in, h, w) to (n, out, h', w'), normalised too if the statistics are fixed."""
        (norm,) = self._norm
        if norm.training:
            return super().forward(maps)
        variance: Any = norm.running_var
        mean: Any = norm.running_mean
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        shift = norm.bias - mean * scale
        if self.bias is not None:
            shift = shift + self.bias * scale
        weight = self.weight * scale[:, None, None, None]
        return conv2d(maps, weight, shift, self.stride, self.padding, self.dilation, self.groups)


class FoldedBatchNorm2d(nn.BatchNorm2d):
    """Batch-norm that leaves its work to the convolution before it while in evaluation mode."""

    def forward(self, maps: Tensor) -> Tensor:
        """Maps as they are in evaluation mode, else normalised by the batch."""
        return super().forward(maps) if self.training else maps


def fold_batch_norm(body: nn.Module, image_size: int) -> int:
    """Let convolutions do the work of fixed batch-norm layers; returns how many pairs there are.

    A pair is a convolution whose output is what a batch-norm layer is given, each called once in a
    pass of a black photo of ``image_size`` pixels. Layers of a class of their own are left alone,
    and so is a network that uses what a convolution gave a second time, after its batch-norm.
    """
    pairs = _pairs(body, image_size)
    for conv, norm in pairs:
        conv.__class__, norm.__class__ = FoldingConv2d, FoldedBatchNorm2d
        conv._norm = (norm,)
    return len(pairs)


def _pairs(body: nn.Module, image_size: int) -> list[tuple[Any, Any]]:
    convs: dict[int, nn.Module] = {}  # by the output's identity
    outputs: list[Tensor] = []  # kept alive, as an identity may be given out again
    calls: Counter[nn.Module] = Counter()
    found: list[tuple[nn.Module, nn.Module]] = []

    def seen(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls[module] += 1
        if isinstance(module, nn.Conv2d):
            convs[id(output)] = module
            outputs.append(output)
        elif (conv := convs.get(id(inputs[0]))) is not None:
            found.append((conv, module))
            # Whoever uses it once more makes the features no number.
            inputs[0].fill_(torch.nan)

    handles = [module.register_forward_hook(seen) for module in body.modules() if _plain(module)]
    training = body.training
    body.eval()
    try:
        with torch.no_grad():
            features = body(torch.zeros(1, 3, image_size, image_size))
    finally:
        for handle in handles:
            handle.remove()
        body.train(training)
    if not torch.isfinite(features).all():
        return []
    return [(conv, norm) for conv, norm in found if calls[conv] == calls[norm] == 1]


def _plain(module: nn.Module) -> bool:
    """Whether the module is torch's own convolution or batch-norm."""
    if type(module) is nn.Conv2d:
        return module.padding_mode == "zeros"
    return type(module) is nn.BatchNorm2d and module.affine and module.track_running_stats
