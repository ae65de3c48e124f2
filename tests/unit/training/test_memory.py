"""The memory of good parts: distances against brute force and scikit-learn."""

import numpy as np
import pytest
import torch
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from fastdefect.errors import ModelError
from fastdefect.training.backbones import build_backbone, placed
from fastdefect.training.memory import PatchMemory, Places, farthest, nearest_distance
from fastdefect.training.stages import Tap


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _filled(classes: int = 2, good: tuple[int, ...] = (1,), seed: int = 0) -> PatchMemory:
    memory = PatchMemory((3, 4), classes, good)
    with torch.no_grad():
        memory.project.weight.copy_(torch.eye(7)[..., None, None])
        memory.part.weight.zero_()
    memory.fill(_random(5 * len(good), 7, seed=seed), [5] * len(good))
    memory.usual.fill_(2.0)
    memory.spread.fill_(0.5)
    return memory


@given(n=st.integers(1, 40), m=st.integers(1, 3000), width=st.integers(1, 9))
@examples(15)
def test_the_nearest_distance_is_that_of_scipy(n: int, m: int, width: int) -> None:
    rows, memory = _random(2, n, width), _random(m, width, seed=1)
    found = nearest_distance(rows, memory)
    for mine, their in zip(found, rows, strict=True):
        np.testing.assert_allclose(mine, cdist(their, memory).min(axis=1), atol=2e-3)


def test_a_known_photo_is_good_and_a_strange_place_is_a_defect() -> None:
    memory = _filled()
    known = memory.memory[0].view(1, 7, 1, 1).expand(1, 7, 6, 6).clone()
    strange = known.clone()
    strange[:, :, 2, 2] += 50
    good, defect = memory(torch.cat([known, strange]))
    # At the distance 0 the log odds of a defect are (0 - usual) / spread.
    assert (good[0] - good[1]).item() == pytest.approx(-4, abs=0.01)
    # Half of it is its own distance, half that of one of 3 x 3 places.
    far = float(nearest_distance(strange[:, :, 2, 2][:, None], memory.memory)) * 5 / 9
    assert (defect[0] - defect[1]).item() == pytest.approx((far - 2) / 0.5, rel=0.02)
    at = int(memory.distances(strange)[0].argmax())
    assert abs(at // 6 - 2) <= 1
    assert abs(at % 6 - 2) <= 1


def test_the_background_does_not_count() -> None:
    memory = _filled()
    photo = memory.memory[0].view(1, 7, 1, 1).expand(1, 7, 4, 4).clone()
    photo[:, :, 0, 0] += 50
    with torch.no_grad():
        memory.part.weight.fill_(-1.0)  # bright places are background
        memory.part_bias.fill_(100.0)
    assert memory.scores(photo).item() < 0.1


def test_of_several_good_classes_the_nearest_is_the_class() -> None:
    memory = _filled(3, (0, 2))
    first, second = memory.memory[:5], memory.memory[5:]
    for rows, expected in ((first, 0), (second, 2)):
        photo = rows[1].view(1, 7, 1, 1).expand(1, 7, 3, 3)
        logits = memory(photo)[0]
        assert logits.argmax().item() == expected
        assert logits[expected].item() == pytest.approx(0, abs=1e-3)


def test_without_the_rows_of_a_part_it_is_strange() -> None:
    memory = _filled()
    photo = memory.memory[3].view(1, 7, 1, 1).expand(1, 7, 3, 3)
    assert memory.scores(photo).item() < 0.01
    others = memory.with_rows(torch.tensor([True, True, True, False, True]))
    wanted = cdist(memory.memory[3:4], np.delete(memory.memory.numpy(), 3, axis=0)).min()
    assert others.scores(photo).item() == pytest.approx(wanted, rel=1e-4)
    assert len(memory.memory) == 5


def test_the_file_decides_the_size_of_the_memory() -> None:
    memory, fresh = _filled(3, (0, 2)), PatchMemory((3, 4), 3, (0, 2))
    fresh.load_state_dict(memory.state_dict())
    photo = _random(2, 7, 4, 4, seed=3)
    assert torch.equal(fresh(photo), memory(photo))


def test_places_are_averages_on_the_second_finest_grid() -> None:
    body = nn.Sequential(*(nn.Conv2d(3, 3, 3, stride=2, padding=1) for _ in range(3)))
    photos = _random(2, 3, 30, 30)  # maps of 15, 8 and 4 places
    found = Places(body, (Tap("0", 6), Tap("1", 6), Tap("", 6)))(photos)
    assert found.shape == (2, 9, 8, 8)
    with torch.no_grad():
        middle = body[1](body[0](photos))
        expected = avg_pool2d(middle, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(found[:, 3:6], expected)
    assert torch.isfinite(found).all()


def test_networks_without_maps_are_refused() -> None:
    backbone, _ = build_backbone("vit_b_16", "none", 32)
    with pytest.raises(ModelError, match="no maps of places"):
        placed(backbone, "vit_b_16")


@given(n=st.integers(1, 60), most=st.integers(1, 70), seed=st.integers(0, 3))
@examples(20)
def test_the_chosen_rows_are_far_from_each_other(n: int, most: int, seed: int) -> None:
    rows = _random(n, 4, seed=seed)
    chosen = farthest(rows, most, seed)
    assert len(chosen) == len(set(chosen.tolist())) == min(n, most)
    assert torch.equal(chosen, farthest(rows, most, seed))


def test_a_rare_place_is_chosen_before_many_alike() -> None:
    rows = torch.cat([_random(500, 4) * 0.01, torch.full((1, 4), 5.0)])
    assert 500 in farthest(rows, 2, 0).tolist()
