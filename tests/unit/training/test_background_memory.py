"""The AUC of the background alone."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.learners import made_data
from torch import Tensor, nn

from fastdefect.data.store import PhotoStore
from fastdefect.training.background_memory import Separation, separation
from fastdefect.training.memory import PatchMemory
from fastdefect.training.memory_inputs import MemoryInputs


class _Grey(nn.Module):
    """Two features of 4 x 4 places: the brightness of the photo there, and 1 on the part."""

    def forward(self, photos: Tensor) -> Tensor:
        grey = nn.functional.adaptive_avg_pool2d(photos[:, :1], 4)
        part = torch.zeros_like(grey)
        part[:, :, :, :2] = 1
        return torch.cat([grey, part], dim=1)


def _inputs(defect_at: slice) -> MemoryInputs:
    """Good photos are 100 everywhere; defects are brighter at some columns."""
    data = made_data()
    store = PhotoStore(27, 16, "squish", limit_mb=1)
    for photo in data.manifest.photos:
        pixels = np.full((16, 16, 3), 100, np.uint8)
        if photo.label == "def":
            pixels[:, defect_at] = 200
        store.put(photo.row, pixels)
    memory = PatchMemory((1, 1), 2, data.manifest.good_indices)
    (detail,) = memory.memories
    with torch.no_grad():
        detail.project.weight.copy_(torch.eye(2)[..., None, None])
        memory.part.weight.copy_(torch.tensor([0.0, 1.0])[None, :, None, None])
        memory.part_bias.fill_(-0.5)
    detail.fill(torch.tensor([[100.0, 1.0]]), [1])
    network = nn.Sequential(nn.Sequential(_Grey()), nn.Sequential(memory))
    steps: Any = SimpleNamespace(
        batch=lambda pixels, device: torch.from_numpy(pixels).permute(0, 3, 1, 2).float(),
        of_tiles=lambda: steps,
        frame=store.frame,
    )
    data = replace(data, store=store)
    return MemoryInputs(network, data, steps, torch.device("cpu"), 0)


OUTSIDE = np.array([[100.0, 0.0]] * 5, np.float32)


@pytest.mark.parametrize(
    ("where", "part", "background"), [(slice(0, 8), 1.0, 0.5), (slice(8, 16), 0.5, 1.0)]
)
def test_each_side_is_measured_alone(where: slice, part: float, background: float) -> None:
    assert separation(_inputs(where), OUTSIDE) == Separation(part, background)


def test_a_background_that_separates_is_a_warning() -> None:
    assert Separation(0.9, 0.85).note().level == "warning"
    assert Separation(0.9, 0.6).note().level == "info"


def test_without_a_background_there_is_nothing_to_compare() -> None:
    assert separation(_inputs(slice(0, 8)), np.zeros((0, 2), np.float32)) is None
