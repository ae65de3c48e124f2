"""EfficientNet-Lite0: equal to timm's network, with working weights."""

from importlib.util import find_spec

import pytest
import torch
from torch import nn

from fastdefect.training.efficientnet_lite import build_efficientnet_lite0, same_conv
from fastdefect.training.weights import WeightsUnavailable, packaged_state


def _network() -> nn.Module:
    network = build_efficientnet_lite0().eval()
    try:
        network.load_state_dict(packaged_state())
    except WeightsUnavailable as error:
        pytest.skip(str(error))
    return network


@pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")
@pytest.mark.parametrize("size", [64, 97])  # an odd side is padded otherwise
def test_features_are_those_of_timms_network(size: int) -> None:
    import timm

    own = _network()
    theirs = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    # In both files the tensors are in the order of the layers, under other names.
    names, tensors = theirs.state_dict().keys(), own.state_dict().values()
    theirs.load_state_dict(dict(zip(names, tensors, strict=True)))
    pixels = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps, expected = own(pixels), theirs.forward_features(pixels)
    torch.testing.assert_close(maps, expected, atol=1e-5, rtol=1e-5)
    assert maps.shape == (2, 1280, -(-size // 32), -(-size // 32))
    assert float(maps.max()) > 1  # it sees something


def test_the_first_weights_are_repeatable_and_keep_the_scale_of_signals() -> None:
    torch.manual_seed(3)
    first = build_efficientnet_lite0()
    torch.manual_seed(3)
    again = build_efficientnet_lite0()
    for name, tensor in first.state_dict().items():
        torch.testing.assert_close(tensor, again.state_dict()[name], rtol=0, atol=0)
    maps = first(torch.randn(4, 3, 64, 64)).detach()
    assert 0.05 < float(maps.std()) < 5


@pytest.mark.parametrize(("side", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (8, 5, 2), (5, 5, 1)])
def test_padding_is_tensorflows(side: int, kernel: int, stride: int) -> None:
    convolution = same_conv(1, 1, kernel, stride=stride)
    nn.init.ones_(convolution.weight)
    with torch.no_grad():
        sums = convolution(torch.ones(1, 1, side, side))[0, 0, 0]
    assert len(sums) == -(-side // stride)
    # Of n rows that are lacking, the smaller half is before the first pixel.
    lacking = max((len(sums) - 1) * stride + kernel - side, 0)
    inside = kernel - lacking // 2  # of the first window, along one axis
    assert float(sums[0]) == inside**2
