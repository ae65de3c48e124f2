"""The old pipeline's small network: a backbone without pretrained weights."""

import math
from pathlib import Path

import pytest
import torch
from helpers.learners import made_data, made_spec
from helpers.photos import made_loaders
from safetensors.torch import save_file
from torch import nn

from fastdefect.config import TrainingConfig
from fastdefect.errors import ModelError
from fastdefect.training.backbones import build_backbone, parameter_count
from fastdefect.training.baseline import SMALL_CNN
from fastdefect.training.head import build_head
from fastdefect.training.learner import build_learner, build_loss


def _body(seed: int = 0, weights: str = "none") -> nn.Module:
    torch.manual_seed(seed)
    backbone, _ = build_backbone(SMALL_CNN, weights, 32)
    return backbone.body


@pytest.mark.parametrize("size", [16, 32, 50])
def test_it_gives_128_maps_of_an_eighth(size: int) -> None:
    backbone, loaded = build_backbone(SMALL_CNN, "none", size)
    assert (backbone.n_features, backbone.spatial) == (128, True)
    assert not loaded.pretrained
    with torch.no_grad():
        maps = backbone.body(torch.randn(2, 3, size, size))
    assert maps.shape == (2, 128, size // 8, size // 8)


def test_it_is_what_the_old_pipeline_had() -> None:
    body = _body()
    # Weights and biases of 3x3 convolutions from 3 to 32, 64 and 128 maps.
    assert parameter_count(body) == (27 * 32 + 32) + (288 * 64 + 64) + (576 * 128 + 128)
    kinds = [type(layer) for layer in body.children()]
    assert kinds == [nn.Conv2d, nn.ReLU, nn.MaxPool2d] * 3


def test_the_first_weights_have_he_initialisation() -> None:
    body = _body()
    convolutions = [layer for layer in body.modules() if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        fan_in = layer.in_channels * 9
        assert float(layer.weight.detach().std()) == pytest.approx(math.sqrt(2 / fan_in), rel=0.1)
        assert layer.bias is not None
        assert not layer.bias.any()


def test_the_same_seed_gives_the_same_weights() -> None:
    one, same, other = (_body(seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"])


def test_auto_weights_are_random_with_a_note() -> None:
    torch.manual_seed(3)
    backbone, loaded = build_backbone(SMALL_CNN, "auto", 32)
    assert (loaded.source, loaded.pretrained) == ("none", False)
    assert "no pretrained weights exist" in loaded.note
    assert torch.equal(backbone.body.state_dict()["conv1.weight"], _body(3).conv1.weight)


def test_weights_from_a_file_must_fit(tmp_path: Path) -> None:
    saved = _body(5).state_dict()
    save_file(saved, tmp_path / "own.safetensors")
    backbone, loaded = build_backbone(SMALL_CNN, str(tmp_path / "own.safetensors"), 32)
    assert (loaded.matched, loaded.unmatched) == (6, ())
    assert all(torch.equal(saved[name], now) for name, now in backbone.body.state_dict().items())
    save_file({"features.0.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=f"none of its 1 tensors fits the backbone of {SMALL_CNN}"):
        build_backbone(SMALL_CNN, str(tmp_path / "other.safetensors"), 32)


def test_a_mistyped_name_suggests_it() -> None:
    with pytest.raises(ModelError) as caught:
        build_backbone("smal-cnn", "none", 32)
    assert SMALL_CNN in caught.value.hint


def test_it_learns_an_easy_task() -> None:
    torch.manual_seed(0)
    backbone, _ = build_backbone(SMALL_CNN, "none", 16)
    head = build_head(backbone.n_features, 2, spatial=backbone.spatial)
    model = nn.Sequential(backbone.body, head)
    # Stripes that stand or lie: no brightness tells them apart, but three convolutions do.
    stripes = (torch.arange(16) % 4 < 2).float().expand(3, 16, 16)
    y = torch.arange(32) % 2
    photos = torch.stack([stripes if label else stripes.mT for label in y])
    photos = photos + 0.3 * torch.randn(photos.shape)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(12):
        loss = nn.functional.cross_entropy(model(photos), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        assert bool((model(photos).argmax(dim=1) == y).all())


def test_a_learner_keeps_all_of_it() -> None:
    """vision_learner cuts at a pooling layer, and this body has three."""
    data = made_data()
    backbone, _ = build_backbone(SMALL_CNN, "none", 32)
    loaders = made_loaders(data.manifest, data.store, data.split.train, data.split.valid)
    loss = build_loss(None, 0.0, torch.device("cpu"))
    training = TrainingConfig(epochs=1, device="cpu")
    learn = build_learner(
        loaders, backbone, loss, spec=made_spec(data), training=training, precision="fp32"
    )
    assert list(learn.model[0].children()) == [backbone.body]
    assert [type(layer) for layer in backbone.body.children()][-1] is nn.MaxPool2d
