"""Batch-norm with fixed statistics, folded into the preceding convolution.

With fixed statistics a batch-norm layer multiplies each channel by a factor and adds a constant.
The preceding convolution can do both with its own weight and bias (Jacob et al. 2018,
"Quantization and training of neural networks", section 3.2), which saves one pass over the largest
tensors of the network. Scale and shift remain trainable parameters under their own names, so a
state fits the network with and without folding.
"""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d


class FoldingConv2d(nn.Conv2d):
    """A convolution that includes its batch-norm layer while that is in evaluation mode."""

    # In a tuple: a module in an attribute would be a child of the convolution, and the state
    # would contain it twice.
    _norm: tuple[nn.BatchNorm2d]

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (n, out, h', w') of maps (n, in, h, w); normalise by fixed statistics."""
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
    """Batch-norm that the preceding convolution includes in evaluation mode."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps unchanged in evaluation mode, else normalised by the batch."""
        return super().forward(maps) if self.training else maps


def fold_batch_norm(body: nn.Module, image_size: int) -> int:
    """Fold batch-norm layers into convolutions; return the number of pairs.

    A pair is a convolution and the batch-norm layer of its output, each called once in a pass of
    a black photo of ``image_size`` pixels. Subclasses of torch's layers are not folded. A network
    that uses the output of a convolution again after its batch-norm is not changed.
    """
    pairs = _pairs(body, image_size)
    for conv, norm in pairs:
        conv.__class__, norm.__class__ = FoldingConv2d, FoldedBatchNorm2d
        conv._norm = (norm,)
    return len(pairs)


def _pairs(body: nn.Module, image_size: int) -> list[tuple[Any, Any]]:
    convs: dict[int, nn.Module] = {}  # by the output's identity
    outputs: list[Tensor] = []  # kept alive, because the identity of a freed tensor can be reused
    calls: Counter[nn.Module] = Counter()
    found: list[tuple[nn.Module, nn.Module]] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls[module] += 1
        if isinstance(module, nn.Conv2d):
            convs[id(output)] = module
            outputs.append(output)
        elif (conv := convs.get(id(inputs[0]))) is not None:
            found.append((conv, module))
            # A second use of this output makes the features NaN.
            inputs[0].fill_(torch.nan)

    handles = [module.register_forward_hook(record) for module in body.modules() if _plain(module)]
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
