"""The layers that see edges and spots: they stay as they were pretrained.

What the first layers see is much the same on any photo (Yosinski et al. 2014, "How transferable
are features in deep neural networks?"), their maps are the largest of the network, and going
back through them takes half of a training step. Detectors have long been fine-tuned from the
third stage on (He et al. 2017, "Mask R-CNN", whose published code fixes the first two).
"""

from typing import Any

import torch
from fastai.callback.core import Callback
from torch import Tensor, nn

STRIDE = 4


def early_parameters(body: nn.Module, image_size: int) -> tuple[nn.Parameter, ...]:
    """The parameters used before the first convolution whose map is below a quarter of the photo.

    Found by a black photo of ``image_size`` pixels; empty where the first one is so already, as
    in vision transformers, or where none is.
    """
    early: dict[int, nn.Parameter] = {}
    deep = False

    def seen(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal deep
        if isinstance(module, nn.Conv2d) and isinstance(output, Tensor) and output.ndim == 4:
            deep = deep or STRIDE * output.shape[-1] < image_size
        if not deep:
            early.update({id(p): p for p in module.parameters(recurse=False)})

    handles = [module.register_forward_hook(seen) for module in body.modules()]
    training = body.training
    body.eval()
    try:
        with torch.no_grad():
            body(torch.zeros(1, 3, image_size, image_size))
    finally:
        for handle in handles:
            handle.remove()
        body.train(training)
    return tuple(early.values()) if deep else ()


class FixedLayers(Callback):
    """Takes the parameters out of the training, whatever the stage unfreezes."""

    def __init__(self, parameters: tuple[nn.Parameter, ...]) -> None:
        self.parameters = parameters

    def before_fit(self) -> None:
        """No gradient is computed for them, nor behind them."""
        for parameter in self.parameters:
            parameter.requires_grad_(False)
