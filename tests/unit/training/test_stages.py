"""The taps of a backbone, and their features compared with the maps."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers.scalers import FlooredScaler
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import Tensor, nn

from fastdefect.training.backbones import build_backbone, staged
from fastdefect.training.head import build_head
from fastdefect.training.probe import fit_probe
from fastdefect.training.stages import Staged, Tap, find_taps

SIZE = 64


def _statistics(maps: Tensor) -> Tensor:
    places = maps.flatten(2).double()
    mean = places.mean(dim=2)
    deviation = (places - mean.unsqueeze(2)).square().mean(dim=2).sqrt()
    return torch.cat([mean, deviation], dim=1).float()


def _halving(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width_in, width, 3, stride=2, padding=1), nn.ReLU(inplace=True))


def test_stages_give_mean_and_deviation_of_the_last_map_of_each_stride() -> None:
    backbone, _ = build_backbone("mobilenet_v3_small", "none", SIZE)
    names = [tap.name for tap in backbone.taps]
    assert names == ["3", "8", ""]  # strides 8 and 16, and the body itself
    layers, maps = backbone.body.eval(), torch.rand(3, 3, SIZE, SIZE)
    photos, expected = maps, []
    read = staged(backbone)
    with torch.inference_mode():
        for number, layer in enumerate(layers):  # type: ignore[arg-type]
            maps = layer(maps)
            if number in (3, 8, len(layers) - 1):  # type: ignore[arg-type]
                expected.append(_statistics(maps))
        found = read.body(photos)
    assert not read.spatial
    assert found.shape == (3, read.n_features)
    torch.testing.assert_close(found, torch.cat(expected, dim=1), rtol=1e-4, atol=1e-5)


def test_a_map_is_read_before_the_next_layer_overwrites_it() -> None:
    body = nn.Sequential(_halving(3, 4), _halving(4, 4), nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU(True))
    photos = torch.rand(2, 3, SIZE, SIZE)
    with torch.inference_mode():
        found = Staged(body, [Tap("2", 12), Tap("", 12)])(photos)
        before = body[2](body[1](body[0](photos)))
    torch.testing.assert_close(found[:, :12], _statistics(before))
    torch.testing.assert_close(found[:, 12:], _statistics(before.relu()))


def test_no_hooks_remain_after_reading() -> None:
    backbone, _ = build_backbone("mobilenet_v3_small", "none", SIZE)
    read = staged(backbone)
    with torch.inference_mode():
        first, second = (read.body.eval()(torch.ones(1, 3, SIZE, SIZE)) for _ in "ab")
    assert torch.equal(first, second)
    assert not any(module._forward_hooks for module in read.body.modules())


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_model_decides_as_scikit_learn_does(n_classes: int) -> None:
    """Photos in, logits out: those of scikit-learn's classifier on the features."""
    torch.manual_seed(0)  # the network's weights
    backbone, _ = build_backbone("mobilenet_v3_small", "none", SIZE)
    body, labels = staged(backbone).body.eval(), np.arange(24) % n_classes
    photos = torch.rand(24, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    photos += 0.4 * torch.from_numpy(labels).view(-1, 1, 1, 1)
    with torch.inference_mode():
        features = body(photos)
    probe = fit_probe([features.numpy()], labels, [str(i) for i in range(24)], seed=0)
    head = build_head(features.shape[1], n_classes, spatial=False, kind="stages")
    probe.fill(head[-1])  # type: ignore[arg-type]
    with torch.inference_mode():
        logits = nn.Sequential(body, head)(photos).numpy()
    reference = make_pipeline(
        FlooredScaler(), LogisticRegression(C=probe.strength, tol=1e-8, max_iter=3000)
    )
    reference.fit(features.numpy().astype(np.float64), labels)
    expected = reference.decision_function(features.numpy())
    found = logits[:, 1] - logits[:, 0] if n_classes == 2 else logits
    np.testing.assert_allclose(found, expected, atol=1e-4)


class _Tokens(nn.Module):
    """A network like a transformer: patches of one stride, and a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.out = nn.Conv2d(3, 4, 16, stride=16), nn.Linear(4, 5)

    def forward(self, photos: Tensor) -> Tensor:
        given: Tensor = self.out(self.patches(photos).flatten(2).mean(dim=2))
        return given


class _Pooled(nn.Module):
    """A convolutional network with its own pooling that calls one layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_halving(3, 4), _halving(4, 4), _halving(4, 6))
        self.deep = _halving(6, 8)
        self.again = nn.ReLU()

    def forward(self, photos: Tensor) -> Tensor:
        maps: Tensor = self.again(self.deep(self.again(self.stem(photos))))
        return maps.mean(dim=(2, 3))


@pytest.mark.parametrize(
    ("make", "taps"),
    [
        (_Tokens, (Tap("", 5),)),
        (_Pooled, (Tap("stem", 12), Tap("deep", 16), Tap("", 8))),
        (lambda: _halving(3, 4), (Tap("", 8),)),
    ],
    ids=["transformer", "pools itself", "shallow"],
)
def test_taps_of_each_kind_of_network(make: Callable[[], nn.Module], taps: tuple[Tap, ...]) -> None:
    photo = torch.zeros(1, 3, SIZE, SIZE)
    with torch.inference_mode():
        body = make().eval()
        given, found = find_taps(body, photo)
        assert found == taps
        assert torch.equal(given, body(photo))
        assert Staged(body, found)(photo).shape == (1, sum(tap.width for tap in taps))
