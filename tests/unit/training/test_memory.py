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
    (detail,) = memory.memories
    with torch.no_grad():
        detail.project.weight.copy_(torch.eye(7)[..., None, None])
        memory.part.weight.zero_()
    detail.fill(_random(5 * len(good), 7, seed=seed), [5] * len(good))
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
    rows = memory.memories[0].memory
    known = rows[0].view(1, 7, 1, 1).expand(1, 7, 6, 6).clone()
    strange = known.clone()
    strange[:, :, 2, 2] += 50
    good, defect = memory(torch.cat([known, strange]))
    # At the distance 0 the log odds of a defect are (0 - usual) / spread.
    assert (good[0] - good[1]).item() == pytest.approx(-4, abs=0.01)
    # Half of it is its own distance, half that of one of 3 x 3 places.
    far = float(nearest_distance(strange[:, :, 2, 2][:, None], rows)) * 5 / 9
    assert (defect[0] - defect[1]).item() == pytest.approx((far - 2) / 0.5, rel=0.02)
    at = int(memory.distances(strange)[0].argmax())
    assert abs(at // 6 - 2) <= 1
    assert abs(at % 6 - 2) <= 1


def test_the_background_does_not_count() -> None:
    memory = _filled()
    photo = memory.memories[0].memory[0].view(1, 7, 1, 1).expand(1, 7, 4, 4).clone()
    photo[:, :, 0, 0] += 50
    with torch.no_grad():
        memory.part.weight.fill_(-1.0)  # bright places are background
        memory.part_bias.fill_(30.0)  # averaged over the neighbours, too
    assert memory.scores(photo).item() < 0.1


def test_of_several_good_classes_the_nearest_is_the_class() -> None:
    memory = _filled(3, (0, 2))
    first, second = memory.memories[0].memory.split(5)
    for rows, expected in ((first, 0), (second, 2)):
        photo = rows[1].view(1, 7, 1, 1).expand(1, 7, 3, 3)
        logits = memory(photo)[0]
        assert logits.argmax().item() == expected
        assert logits[expected].item() == pytest.approx(0, abs=1e-3)


def test_without_the_rows_of_a_part_it_is_strange() -> None:
    memory = _filled()
    rows = memory.memories[0].memory
    photo = rows[3].view(1, 7, 1, 1).expand(1, 7, 3, 3)
    assert memory.scores(photo).item() < 0.01
    others = memory.keeping([torch.tensor([True, True, True, False, True])])
    wanted = cdist(rows[3:4], np.delete(rows.numpy(), 3, axis=0)).min()
    assert others.scores(photo).item() == pytest.approx(wanted, rel=1e-4)
    assert len(memory.memories[0].memory) == 5


def test_a_class_without_rows_at_one_depth_is_forgotten_at_all() -> None:
    memory = _deep(good=(0, 2))
    all_of_first = torch.tensor([False, False, True, True])
    others = memory.keeping([all_of_first, torch.ones(4, dtype=torch.bool)])
    assert [depth.counts for depth in others.memories] == [(2,), (2,)]
    for depth, before in zip(others.memories, memory.memories, strict=True):
        assert torch.equal(depth.memory, before.memory[2:])


def _deep(good: tuple[int, ...] = (1,)) -> PatchMemory:
    """Details of three features and surroundings of two, with two rows of each good class."""
    memory = PatchMemory((1, 2, 2), 3, good)
    for depth, width in zip(memory.memories, (3, 2), strict=True):
        with torch.no_grad():
            depth.project.weight.copy_(torch.eye(width)[..., None, None])
        depth.fill(_random(2 * len(good), width, seed=width), [2] * len(good))
    with torch.no_grad():
        memory.part.weight.zero_()
    return memory


def test_the_distance_is_that_of_details_and_surroundings_together() -> None:
    memory, photo = _deep(), _random(1, 5, 3, 3, seed=4)
    wanted = 0.0
    for depth, features in zip(memory.memories, (photo[0, :3], photo[0, 3:]), strict=True):
        near = cdist(features.flatten(1).T, depth.memory).min(axis=1).reshape(3, 3)
        mean = avg_pool2d(torch.from_numpy(near)[None], 3, 1, 1, count_include_pad=False)
        # At the border of the photo fewer than nine places count, but never fewer than four.
        wanted += float(((near + mean[0].numpy()) / 2).max())
    assert memory.scores(photo).item() == pytest.approx(wanted, rel=1e-4)
    assert memory.depth_scores(photo).sum().item() == pytest.approx(wanted, rel=1e-4)
    for depth in memory.memories:
        depth.stretch(3.0)
    assert memory.scores(photo).item() == pytest.approx(3 * wanted, rel=1e-4)


def test_a_memory_of_an_earlier_version_is_refused_with_what_to_do() -> None:
    with pytest.raises(ModelError, match="earlier version") as raised:
        _deep().load_state_dict({"memory": torch.zeros(2, 3), "usual": torch.ones(())})
    assert "fastdefect fit DATA --learn good" in str(raised.value.hint)


def test_the_file_decides_the_size_of_the_memory() -> None:
    memory, fresh = _filled(3, (0, 2)), PatchMemory((3, 4), 3, (0, 2))
    fresh.load_state_dict(memory.state_dict())
    photo = _random(2, 7, 4, 4, seed=3)
    assert torch.equal(fresh(photo), memory(photo))


def test_places_have_details_as_they_are_and_averaged_surroundings() -> None:
    body = nn.Sequential(*(nn.Conv2d(3, 3, 3, stride=2, padding=1) for _ in range(3)))
    photos = _random(2, 3, 32, 32)  # maps of 16, 8 and 4 places
    found = Places(body, (Tap("0", 6), Tap("1", 6), Tap("", 6)))(photos)
    assert found.shape == (2, 9, 8, 8)
    with torch.no_grad():
        first = body[0](photos)
        middle = body[1](first)
        last = avg_pool2d(body[2](middle), 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(found[:, :3], avg_pool2d(first, 2))
    torch.testing.assert_close(found[:, 3:6], middle)
    torch.testing.assert_close(found[:, 6:, ::2, ::2], last)
    torch.testing.assert_close(found[:, 6:, 1::2, 1::2], last)


def test_places_of_maps_that_do_not_fit_in_each_other_are_finite() -> None:
    body = nn.Sequential(*(nn.Conv2d(3, 3, 3, stride=2, padding=1) for _ in range(3)))
    found = Places(body, (Tap("0", 6), Tap("1", 6), Tap("", 6)))(_random(2, 3, 30, 30))
    assert found.shape == (2, 9, 8, 8)
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
