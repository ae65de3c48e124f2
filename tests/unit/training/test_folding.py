"""Folded batch-norm: the same outputs and gradients, and layers that are not folded."""

from copy import deepcopy

import pytest
import torch
import torchvision
from torch import nn

from fastdefect.training.folding import FoldingConv2d, fold_batch_norm

SIDE = 64


def used(model: nn.Module) -> nn.Module:
    """``model`` with the statistics, scales and shifts that no new network has."""
    generator = torch.Generator().manual_seed(0)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            shape = layer.weight.shape
            layer.weight.data = 0.5 + torch.rand(shape, generator=generator)
            layer.bias.data = torch.randn(shape, generator=generator) / 10
            layer.running_mean = torch.randn(shape, generator=generator) / 10
            layer.running_var = 0.5 + torch.rand(shape, generator=generator)
    return model


def photos(n: int = 3) -> torch.Tensor:
    return torch.randn(n, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("arch", "pairs"),
    [
        pytest.param("resnet18", 20, marks=pytest.mark.slow),
        ("mobilenet_v3_small", 34),
        ("mnasnet0_5", 52),
    ],
)
def test_the_same_features_and_gradients(arch: str, pairs: int) -> None:
    torch.manual_seed(0)
    model = torchvision.models.get_model(arch, weights=None)
    plain = used(model).double().eval()
    folded = deepcopy(plain).float()
    assert fold_batch_norm(folded, SIDE) == pairs
    folded = folded.double()
    answers = [each(photos().double()) for each in (plain, folded)]
    torch.testing.assert_close(answers[0], answers[1])
    for answer in answers:
        answer.square().mean().backward()
    for (name, a), b in zip(plain.named_parameters(), folded.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)


def test_in_training_mode_the_batch_is_what_normalises() -> None:
    plain = used(torchvision.models.resnet18(weights=None)).train()
    folded = deepcopy(plain)
    fold_batch_norm(folded, SIDE)
    assert folded.training
    torch.testing.assert_close(plain(photos()), folded(photos()))
    torch.testing.assert_close(plain.bn1.running_mean, folded.bn1.running_mean)


def test_a_state_fits_with_and_without() -> None:
    plain, folded = (torchvision.models.resnet18(weights=None) for _ in range(2))
    fold_batch_norm(folded, SIDE)
    assert list(plain.state_dict()) == list(folded.state_dict())
    folded.load_state_dict(used(plain).state_dict())
    torch.testing.assert_close(plain.eval()(photos()), folded.eval()(photos()))


def test_a_copy_has_layers_of_its_own() -> None:
    folded = torchvision.models.resnet18(weights=None).eval()
    fold_batch_norm(folded, SIDE)
    copy = deepcopy(folded)
    before = copy(photos())
    used(folded)
    torch.testing.assert_close(copy(photos()), before, rtol=0, atol=0)


def test_a_bias_of_the_convolution_is_kept() -> None:
    plain = used(nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5))).eval()
    folded = deepcopy(plain)
    assert fold_batch_norm(folded, SIDE) == 1
    torch.testing.assert_close(plain(photos()), folded(photos()))


class UsedTwice(nn.Module):
    """Adds what the convolution gave to what the batch-norm made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raw = self.conv(x)
        return self.norm(raw) + raw


class Shared(nn.Module):
    """Normalises the output of two convolutions by one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.norm = nn.Conv2d(3, 5, 3), nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.a(x)) + self.norm(self.b(x))


@pytest.mark.parametrize("model", [UsedTwice(), Shared(), nn.Conv2d(3, 5, 3)])
def test_layers_that_cannot_be_folded_do_not_change(model: nn.Module) -> None:
    assert fold_batch_norm(model, SIDE) == 0
    assert not any(isinstance(layer, FoldingConv2d) for layer in model.modules())
