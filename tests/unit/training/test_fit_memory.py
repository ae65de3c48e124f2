"""The memory of good parts is filled: which orientations it has, and its scale."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.learners import made_data
from torch import Tensor, nn

from fastdefect.data.store import PhotoStore
from fastdefect.events import Note
from fastdefect.training.fit_memory import fill_memory
from fastdefect.training.memory import PatchMemory
from fastdefect.training.memory_inputs import MemoryInputs
from fastdefect.training.symmetries import DIHEDRAL

SIDE = 4


class _Across(nn.Module):
    """Two features of 4 x 4 places: their brightness, and that of the place on the right."""

    def forward(self, photos: Tensor) -> Tensor:
        grey = nn.functional.adaptive_avg_pool2d(photos[:, :1], SIDE)
        return torch.cat([grey, grey.roll(-1, dims=3)], dim=1)


def _inputs(turned: bool | None) -> MemoryInputs:
    """Photos of noise, all different."""
    data = made_data()
    rng = np.random.default_rng(0)
    store = PhotoStore(27, 16, "squish", limit_mb=1)
    for photo in data.manifest.photos:
        cells = rng.integers(50, 200, (SIDE, SIDE, 1), np.uint8)
        store.put(photo.row, np.tile(np.kron(cells, np.ones((4, 4, 1), np.uint8)), (1, 1, 3)))
    memory = PatchMemory((1, 1), 2, data.manifest.good_indices)
    steps: Any = SimpleNamespace(
        batch=lambda pixels, device: torch.from_numpy(pixels).permute(0, 3, 1, 2).float(),
        of_tiles=lambda: steps,
        frame=store.frame,
    )
    network = nn.Sequential(nn.Sequential(_Across()), nn.Sequential(memory))
    data = replace(data, store=store)
    return MemoryInputs(network, data, steps, torch.device("cpu"), 0, turned)


def _filled(turned: bool | None) -> tuple[MemoryInputs, str, np.ndarray]:
    inputs, said = _inputs(turned), []
    _, scores = fill_memory(
        inputs,
        lambda event: said.append(event.text) if isinstance(event, Note) else None,
        lambda: False,
    )
    return inputs, " ".join(said), scores


@pytest.mark.parametrize("turned", [None, True])
def test_few_photos_are_known_in_every_orientation(turned: bool | None) -> None:
    inputs, said, _ = _filled(turned)
    assert "each in 8 orientations" in said
    assert max(_distances_of_turned(inputs)) < 0.05


def test_on_request_only_as_they_are() -> None:
    inputs, said, _ = _filled(False)
    assert "orientations" not in said
    as_it_is, *turned = _distances_of_turned(inputs)
    assert as_it_is < 0.05
    upside_down, *others = sorted(turned)  # upside down, the place on the right is the same
    assert upside_down < 0.05
    assert others[0] > 0.1


def _distances_of_turned(inputs: MemoryInputs) -> list[float]:
    """The distance of a training photo in each orientation."""
    data = inputs.data
    good = data.manifest.good_indices
    index = next(i for i in data.split.train if data.manifest.photos[i].label in ("ok", *good))
    pixels = data.store.cells[data.manifest.photos[index].row][None]
    photo = inputs.preprocessing.batch(pixels, inputs.device)
    with torch.inference_mode():
        places = [inputs.body(turn(photo)) for turn in DIHEDRAL]
        return [float(inputs.memory.scores(each)) for each in places]


def test_a_usual_new_part_has_even_odds_and_a_depth_its_weight() -> None:
    inputs, _, scores = _filled(False)
    # A single depth of weight 1: the usual good part is at the distance 1.
    assert float(inputs.memory.usual) == pytest.approx(1.0)
    parts = {inputs.data.split.parts[i] for i in inputs.data.split.train}
    assert (scores <= 1 + 1e-6).mean() > 1 - 2 / len(parts)


def _said_of(parts: tuple[str, ...]) -> list[Note]:
    """What is said of the photos, of which ``parts`` are shown."""
    inputs, said = _inputs(False), []
    data = replace(inputs.data, split=replace(inputs.data.split, parts=parts))
    fill_memory(
        replace(inputs, data=data),
        lambda event: said.append(event) if isinstance(event, Note) else None,
        lambda: False,
    )
    return said


def test_several_photos_of_few_parts_are_a_warning() -> None:
    of_three = _said_of(tuple(str(i // 6) for i in range(24)))
    (warning,) = [note.text for note in of_three if note.level == "warning"]
    shown = {i // 6 for i in range(14) if made_data().manifest.photos[i].label == "ok"}
    assert warning.startswith(f"The good training photos show only {len(shown)} parts.")
    assert any(f"good photos ({len(shown)} parts)" in note.text for note in of_three)
    alone = _said_of(tuple(map(str, range(24))))
    assert not [note for note in alone if note.level == "warning"]
    assert not any("parts)" in note.text for note in alone)
