"""A network for heat maps whose evidence is known: it counts white pixels."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.explain.target import Target
from fastdefect.training.predict import Predictor

SIZE = 64
TARGET = Target("defect", (0,), (1,))
_PLAIN = Preprocessing(SIZE, "squish", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def halving(width_in: int, width: int) -> nn.Sequential:
    """A convolution that averages 2 x 2 pixels of all channels into each of ``width`` maps."""
    conv = nn.Conv2d(width_in, width, 2, stride=2)
    nn.init.constant_(conv.weight, 1 / (4 * width_in))
    nn.init.zeros_(conv.bias)
    return nn.Sequential(conv, nn.ReLU(inplace=True))


def spot_network(seed: int | None = None) -> nn.Sequential:
    """Five halvings to two maps, their means, and logits; white is a defect.

    With a ``seed`` the weights are random instead.
    """
    stages = [halving(a, b) for a, b in ((3, 2), (2, 2), (2, 2), (2, 2), (2, 2))]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    linear: Any = head[2]
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[20.0, 20.0], [-20.0, -20.0]]))
        linear.bias.copy_(torch.tensor([-1.0, 1.0]))
    network = nn.Sequential(nn.Sequential(nn.Sequential(*stages)), head)
    if seed is not None:
        torch.manual_seed(seed)
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.5)
    return network.eval()


def predictor_of(network: nn.Module) -> Predictor:
    """The network on the CPU, without normalisation."""
    return Predictor(network, _PLAIN, torch.device("cpu"))


def spotted(row: int, column: int, side: int = 8) -> NDArray[np.uint8]:
    """A black photo (SIZE, SIZE, 3) with a white square at ``row``, ``column``."""
    photo = np.zeros((SIZE, SIZE, 3), np.uint8)
    photo[row : row + side, column : column + side] = 255
    return photo
