"""Networks that are small enough to train within a test."""

import torch
from torch import nn

from fastdefect.training.backbones import Backbone


def tiny_backbone(seed: int = 0) -> Backbone:
    """Two convolutions to 8 maps, with batch-norm; the same weights for the same seed."""
    torch.manual_seed(seed)
    body = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
    )
    return Backbone(body, 8, spatial=True)
