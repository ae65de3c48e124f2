"""Backbones: networks without their classifier, and their weights."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from fastdefect.errors import ModelError
from fastdefect.training import backbones
from fastdefect.training.backbones import (
    build_backbone,
    contiguous_state,
    parameter_count,
    split_for_rates,
)

# arch, side of the photo, number of features, whether they are maps
FAST = [
    ("resnet18", 32, 512, True),
    ("mobilenet_v2", 32, 1280, True),
    ("mobilenet_v3_small", 32, 576, True),
    ("squeezenet1_1", 32, 512, True),
    ("efficientnet_b0", 32, 1280, True),
    ("efficientnet-lite0", 32, 1280, True),
    ("convnext_tiny", 32, 768, True),
    ("resnet50", 32, 2048, True),
    ("resnet10t", 32, 512, False),
]


SLOW = [
    ("alexnet", 64, 256, True),
    ("densenet121", 32, 1024, True),
    ("vgg11", 32, 512, True),
    ("vgg11_bn", 32, 512, True),
    ("shufflenet_v2_x0_5", 32, 1024, False),
    ("regnet_y_400mf", 32, 440, True),
    ("resnext50_32x4d", 32, 2048, True),
    ("wide_resnet50_2", 32, 2048, True),
    ("mnasnet0_5", 32, 1280, True),
    ("googlenet", 64, 1024, False),
    ("inception_v3", 96, 2048, False),
    ("efficientnet_v2_s", 32, 1280, True),
    ("swin_t", 64, 768, False),
    ("swin_v2_t", 64, 768, False),
    ("vit_b_16", 32, 768, False),
    ("maxvit_t", 224, 512, False),
    ("vit_tiny_patch16_224", 32, 192, False),
    ("timm/resnet10t", 32, 512, False),
    ("timm/resnet18", 32, 512, False),
    ("convnext_atto", 32, 320, False),
    ("tf_efficientnet_lite0", 32, 1280, False),
    ("efficientformerv2_s0", 224, 176, False),
    ("swin_tiny_patch4_window7_224", 56, 768, False),
    ("mobilevit_xxs", 64, 320, False),
]


def _built(arch: str, size: int, n_features: int, spatial: bool) -> nn.Module:
    if arch not in torchvision.models.list_models(module=torchvision.models):
        pytest.importorskip("timm")
    backbone, loaded = build_backbone(arch, "none", size)
    assert (backbone.n_features, backbone.spatial) == (n_features, spatial)
    assert not loaded.pretrained
    return backbone.body


def _check(features: torch.Tensor, n_features: int, spatial: bool) -> None:
    assert features.shape[:2] == (2, n_features)
    assert features.ndim == (4 if spatial else 2)


@pytest.mark.parametrize(("arch", "size", "n_features", "spatial"), FAST)
def test_a_network_gives_features(arch: str, size: int, n_features: int, spatial: bool) -> None:
    body = _built(arch, size, n_features, spatial)
    with torch.no_grad():
        _check(body(torch.randn(2, 3, size, size)), n_features, spatial)


@pytest.mark.slow
@pytest.mark.parametrize(("arch", "size", "n_features", "spatial"), FAST + SLOW)
def test_a_network_trains(arch: str, size: int, n_features: int, spatial: bool) -> None:
    body = _built(arch, size, n_features, spatial)
    features = body(torch.randn(2, 3, size, size))
    _check(features, n_features, spatial)
    # No classifier is left behind: nothing in the body is out of the gradient's reach.
    features.float().square().sum().backward()
    assert [name for name, p in body.named_parameters() if p.grad is None] == []


def test_each_network_has_its_own_normalisation() -> None:
    pytest.importorskip("timm")
    torchvisions, _ = build_backbone("squeezenet1_1", "none", 32)
    assert torchvisions.mean == (0.485, 0.456, 0.406)
    assert torchvisions.std == (0.229, 0.224, 0.225)
    lite, _ = build_backbone("efficientnet-lite0", "none", 32)
    assert lite.mean == lite.std == (0.5, 0.5, 0.5)
    timms, _ = build_backbone("vit_tiny_patch16_224", "none", 32)
    assert timms.mean == timms.std == (0.5, 0.5, 0.5)


def test_photos_are_converted_to_the_pixel_range_of_googlenets_weights() -> None:
    backbone, _ = build_backbone("googlenet", "none", 64)
    assert backbone.body.transform_input


@pytest.mark.parametrize(
    ("arch", "size"), [("squeezenet1_1", 16), ("vit_b_16", 100), ("inception_v3", 64)]
)
def test_a_size_that_the_network_does_not_accept_is_refused(arch: str, size: int) -> None:
    with pytest.raises(ModelError, match=f"{arch} does not accept photos of {size} px") as caught:
        build_backbone(arch, "none", size)
    assert "--image-size" in caught.value.hint


@pytest.mark.parametrize(
    ("arch", "near"), [("resnet_50", "resnet50"), ("mobilenetv2", "mobilenet_v2")]
)
def test_an_unknown_network_suggests_near_names(arch: str, near: str) -> None:
    with pytest.raises(ModelError, match=f"--arch {arch}") as caught:
        build_backbone(arch, "none", 32)
    assert near in caught.value.hint
    names = caught.value.hint.removeprefix("Similar names: ").rstrip(".").split(", ")
    assert len(names) == len(set(names))


@pytest.mark.parametrize("arch", ["qqqqqq", "", "fasterrcnn_resnet50_fpn", "timm/nothing"])
def test_no_classifier_of_that_name(arch: str) -> None:
    with pytest.raises(ModelError, match="neither torchvision nor timm"):
        build_backbone(arch, "none", 32)


def test_without_timm_the_hint_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "find_spec", lambda name: None)
    with pytest.raises(ModelError) as caught:
        build_backbone("resnet10t", "none", 32)
    assert "fastdefect[timm]" in caught.value.hint


# What training and saving need of a model


def test_rates_are_split_into_early_late_and_head() -> None:
    backbone, _ = build_backbone("squeezenet1_1", "none", 32)
    model = nn.Sequential(backbone.body, nn.Linear(512, 2))
    early, late, head = split_for_rates(model)
    assert [id(p) for p in early + late + head] == [id(p) for p in model.parameters()]
    assert abs(len(early) - len(late)) <= 1
    assert [p.shape for p in head] == [(2, 512), (2,)]


def test_parameters_are_counted() -> None:
    assert parameter_count(nn.Linear(3, 4)) == 16
    assert parameter_count(nn.BatchNorm1d(5)) == 10  # its statistics are no parameters


def test_a_saved_state_is_plain_and_equal() -> None:
    model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    state = contiguous_state(model)
    assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in state.values())
    np.testing.assert_array_equal(state["weight"].numpy(), model.weight.detach().numpy())
