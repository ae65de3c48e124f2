"""The head: its layers, and first predictions near chance."""

import math

import pytest
import torch
from torch import nn

from fastdefect.training.head import build_head


@pytest.mark.parametrize("spatial", [True, False], ids=["maps", "vectors"])
def test_layers_are_as_specified(spatial: bool) -> None:
    head = build_head(1280, 6, spatial=spatial)
    kinds: list[type[nn.Module]] = [
        *((nn.AdaptiveAvgPool2d, nn.Flatten) if spatial else ()),
        *(nn.Dropout, nn.Linear, nn.BatchNorm1d, nn.ReLU),
        *(nn.Dropout, nn.Linear, nn.BatchNorm1d, nn.ReLU),
        *(nn.Dropout, nn.Linear),
    ]
    assert [type(layer) for layer in head] == kinds

    dropouts = [layer.p for layer in head if isinstance(layer, nn.Dropout)]
    assert dropouts == [0.5, 0.3, 0.2]
    widths = [(m.in_features, m.out_features) for m in head if isinstance(m, nn.Linear)]
    assert widths == [(1280, 512), (512, 256), (256, 6)]
    norms = [layer.num_features for layer in head if isinstance(layer, nn.BatchNorm1d)]
    assert norms == [512, 256]


def test_maps_are_pooled_by_their_mean() -> None:
    maps = torch.randn(4, 16, 5, 3)
    torch.manual_seed(0)
    spatial = build_head(16, 2, spatial=True).eval()
    torch.manual_seed(0)
    flat = build_head(16, 2, spatial=False).eval()
    torch.testing.assert_close(spatial(maps), flat(maps.mean(dim=(2, 3))))


@pytest.mark.parametrize("n_features", [64, 2048])
@pytest.mark.parametrize("n_classes", [2, 6])
def test_first_predictions_are_near_chance(n_features: int, n_classes: int) -> None:
    torch.manual_seed(0)
    head = build_head(n_features, n_classes, spatial=False)
    features = torch.relu(3 * torch.randn(64, n_features))
    for training in (True, False):
        logits = head.train(training)(features).detach()
        probability = logits.softmax(1)
        # The bound is on how far any prediction of any photo leans.
        assert (probability - 1 / n_classes).abs().max() < 0.35
        loss = nn.functional.cross_entropy(logits, torch.arange(64) % n_classes)
        assert float(loss) == pytest.approx(math.log(n_classes), abs=0.12)


def test_signals_keep_their_size_through_the_hidden_layers() -> None:
    torch.manual_seed(0)
    head = build_head(1024, 2, spatial=False)
    linear = [layer for layer in head if isinstance(layer, nn.Linear)]
    for layer in linear[:-1]:
        # He et al. 2015: variance 2 / fan in.
        assert float(layer.weight.detach().var()) == pytest.approx(2 / layer.in_features, rel=0.03)
        assert layer.bias is None
    assert float(linear[-1].weight.detach().std()) == pytest.approx(0.01, rel=0.1)
    assert not linear[-1].bias.any()


def test_every_parameter_gets_a_gradient() -> None:
    head = build_head(32, 3, spatial=True)
    head(torch.randn(8, 32, 4, 4)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())
