"""The first layers of a backbone, which detect edges and spots and can keep pretrained weights.

The features of the first layers are general (Yosinski et al. 2014, "How transferable are features
in deep neural networks?"). Their maps are the largest of the network, and the backward pass
through them takes half of a training step. The published code of Mask R-CNN (He et al. 2017) fixes
the first two stages in the same way.
"""

from typing import Any

import torch
from fastai.callback.core import Callback
from torch import Tensor, nn

STRIDE = 4


def early_parameters(body: nn.Module, image_size: int) -> tuple[nn.Parameter, ...]:
    """Return the parameters used before the first map smaller than a quarter of the photo.

    Only maps of convolutions count. They are found with a black photo of ``image_size`` pixels.
    The result is empty if the first map is already smaller, as in vision transformers, or if no
    map is.
    """
    early: dict[int, nn.Parameter] = {}
    deep = False

    def record(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal deep
        if isinstance(module, nn.Conv2d) and isinstance(output, Tensor) and output.ndim == 4:
            deep = deep or STRIDE * output.shape[-1] < image_size
        if not deep:
            early.update({id(p): p for p in module.parameters(recurse=False)})

    handles = [module.register_forward_hook(record) for module in body.modules()]
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
    """Excludes the parameters from the training, even if a stage unfreezes them."""

    def __init__(self, parameters: tuple[nn.Parameter, ...]) -> None:
        self.parameters = parameters

    def before_fit(self) -> None:
        """Disable their gradients, so that the backward pass stops before them."""
        for parameter in self.parameters:
            parameter.requires_grad_(False)
