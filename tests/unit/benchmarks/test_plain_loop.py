"""The plain loop of the referee begins with the network and the weights that ``fit`` uses."""

import pytest
import torch
from helpers.benchmarks import load

from fastdefect.training.backbones import build_backbone
from fastdefect.training.efficientnet_lite import EFFICIENTNET_LITE0

plain_loop = load("plain_loop")


def test_the_packaged_network_is_that_of_fit_with_its_own_statistics() -> None:
    photos = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(3))
    backbone, loaded = build_backbone(EFFICIENTNET_LITE0, "auto", 64)
    assert loaded.pretrained
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (backbone.mean, backbone.std))
    network = plain_loop.network(EFFICIENTNET_LITE0, 5, "auto", 0).eval()
    pixels = plain_loop.normalised(photos.to(torch.uint8))
    with torch.inference_mode():
        expected = backbone.body.eval()((photos / 255 - mean) / std)
        torch.testing.assert_close(network[:2](pixels), expected, atol=1e-3, rtol=1e-3)
        assert network(pixels).shape == (2, 5)


def test_without_weights_the_seed_draws_the_packaged_network() -> None:
    first, same, other = (
        plain_loop.network(EFFICIENTNET_LITE0, 2, "none", seed).state_dict() for seed in (1, 1, 2)
    )
    name = "1.conv_stem.weight"
    torch.testing.assert_close(first[name], same[name], atol=0, rtol=0)
    assert not torch.equal(first[name], other[name])


@pytest.mark.parametrize(
    ("arch", "weights"), [(EFFICIENTNET_LITE0, "w.safetensors"), ("mobilenet_v2", "auto")]
)
def test_weights_that_a_network_does_not_have_are_refused(arch: str, weights: str) -> None:
    with pytest.raises(SystemExit, match="efficientnet-lite0"):
        plain_loop.network(arch, 2, weights, 0)
