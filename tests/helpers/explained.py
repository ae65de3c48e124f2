"""A network for heat maps whose evidence is known: it counts white pixels."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from fastdefect.config import DataConfig
from fastdefect.data.loaders import Preprocessing
from fastdefect.explain.target import Target
from fastdefect.jobs.trained import heat_maps, model
from fastdefect.run import Run
from fastdefect.training.learner import ModelSpec
from fastdefect.training.predict import Predictor
from helpers.made_runs import made_run, split_row

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


def predictor_of(network: nn.Module, steps: Preprocessing = _PLAIN) -> Predictor:
    """The network on the CPU, without normalisation."""
    return Predictor(network, steps, torch.device("cpu"))


def spotted(row: int, column: int, side: int = 8) -> NDArray[np.uint8]:
    """A black photo (SIZE, SIZE, 3) with a white square at ``row``, ``column``."""
    photo = np.zeros((SIZE, SIZE, 3), np.uint8)
    photo[row : row + side, column : column + side] = 255
    return photo


# A photo of a part that is not square: padded, and with the grey of its bars as 0.
PADDED = Preprocessing(SIZE, "pad", (128 / 255,) * 3, (1.0, 1.0, 1.0))
WIDE, HIGH, SPOT = 96, 64, 24
ON_PART, BESIDE = (20, 52), (20, 3)  # rows and columns of spots


def wide_part(spot: tuple[int, int] | None, seed: int = 0) -> NDArray[np.uint8]:
    """A grey disc on the right of a dark photo (HIGH, WIDE, 3), with a white square at ``spot``."""
    row, column = np.mgrid[:HIGH, :WIDE]
    disc = np.hypot(row - HIGH / 2, column - 64) < 28
    noise = np.random.default_rng(seed).integers(0, 6, (HIGH, WIDE))
    grey = np.where(disc, 100, 10) + noise
    if spot is not None:
        grey[spot[0] : spot[0] + SPOT, spot[1] : spot[1] + SPOT] = 255
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def wide_run(folder: Path, monkeypatch: pytest.MonkeyPatch, spot: tuple[int, int]) -> Run:
    """A run on such photos, three defective and two good, whose network counts white pixels."""
    rows, p_defect = [], {}
    for number in range(5):
        name = f"{'defect' if number < 3 else 'good'}/{number}.png"
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(wide_part(spot if number < 3 else None, number)).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append({**split_row(name, f"part-{number}"), "sha256": digest})
        p_defect[name] = 0.9 if number < 3 else 0.1
    data = DataConfig(data=folder / "data", image_size=SIZE, resize="pad")
    run = made_run(folder / "runs", "wide", rows, p_defect, data=data)
    spec = ModelSpec("tiny", ("defect", "good"), ("good",), PADDED)
    loaded = (predictor_of(spot_network(), PADDED), spec)
    for module in (heat_maps, model):
        monkeypatch.setattr(module, "load_network", lambda run, device: loaded)
    return run
