"""Heat maps from inside a network, compared with other ways to compute them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers.explained import SIZE, TARGET, predictor_of, spot_network, spotted
from torch import Tensor, nn
from torchvision.models import (
    ConvNeXt,
    DenseNet,
    MobileNetV2,
    ResNet,
    SqueezeNet,
    SwinTransformer,
    VisionTransformer,
)
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.resnet import BasicBlock

from fastdefect.explain.cam import NetworkMaps, gradient_maps, randomised, reading, stages_of
from fastdefect.explain.checks import likeness
from fastdefect.explain.methods import METHODS, Method, choose_method
from fastdefect.explain.patches import place_scores
from fastdefect.training.backbones import Backbone, _cut, _probe, build_backbone, staged
from fastdefect.training.ensemble import Ensemble
from fastdefect.training.head import build_head

GRADIENTS = [method for method in METHODS.values() if method.needs == "gradients"]


def _maps(network: nn.Module, name: str) -> NetworkMaps:
    return NetworkMaps(predictor_of(network), TARGET, METHODS[name])


def _noise(n: int = 3) -> Tensor:
    return torch.rand(n, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3))


OF_CLASSIFIERS = [name for name, method in METHODS.items() if method.needs != "memory"]


@pytest.mark.parametrize("name", OF_CLASSIFIERS)
@pytest.mark.parametrize(("row", "column"), [(4, 44), (40, 12)])
def test_every_method_finds_what_raises_the_target(name: str, row: int, column: int) -> None:
    (raw,) = _maps(spot_network(), name)(spotted(row, column)[None])
    assert raw.shape == (SIZE, SIZE)
    assert raw.min() >= 0
    at = np.unravel_index(int(raw.argmax()), raw.shape)
    assert abs(at[0] - row - 4) <= 16  # half a place of the last stage
    assert abs(at[1] - column - 4) <= 16


@pytest.mark.parametrize("method", GRADIENTS, ids=lambda method: method.name)
def test_gradients_are_those_of_finite_differences(method: Method) -> None:
    """Grad-CAM and the others, with gradients from changed maps instead of autograd."""
    network = spot_network(seed=5).double()
    (stages,) = stages_of(predictor_of(network.float()))
    network.double()
    photos = _noise(1).double()
    depth = len(stages.names) - method.depth
    layers = list(stages.body.children())
    cut = int(stages.names[depth]) + 1 if stages.names[depth] else len(layers)
    maps = photos
    with torch.no_grad():
        for layer in layers[:cut]:
            maps = layer(maps)

        def score(changed: Tensor) -> Tensor:
            for layer in layers[cut:]:
                changed = layer(changed)
            return TARGET.of_logits(stages.head(changed))

        gradient = torch.zeros_like(maps)
        for at in np.ndindex(tuple(maps.shape)):
            step = torch.zeros_like(maps)
            step[at] = 1e-5
            gradient[at] = (score(maps + step) - score(maps - step))[0] / 2e-5
    assert method.combine is not None
    expected = method.combine(maps, gradient).clamp(min=0)
    found = gradient_maps(stages, TARGET, method, photos).double()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)


def test_grad_cam_of_maps_worked_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]], [[3.0, 0.0], [1.0, 1.0]]]])
    gradients = torch.tensor([[[[1.0, 1.0], [1.0, 1.0]], [[-4.0, 0.0], [0.0, 0.0]]]])
    # The mean gradients are 1 and -1.
    expected = {"grad-cam": [[-2.0, 2.0], [-1.0, 3.0]], "hires-cam": [[-11.0, 2.0], [0.0, 4.0]]}
    for name, values in expected.items():
        combine = METHODS[name].combine
        assert combine is not None
        torch.testing.assert_close(combine(maps, gradients), torch.tensor([values]))
    layer = METHODS["layer-cam"].combine
    assert layer is not None
    torch.testing.assert_close(layer(maps, gradients), torch.tensor([[[1.0, 2.0], [0.0, 4.0]]]))


@pytest.mark.parametrize("kind", ["linear", "stages"])
def test_the_scores_of_places_add_up_to_the_log_odds(kind: str) -> None:
    backbone, _ = build_backbone("mobilenet_v3_small", "none", SIZE)
    if kind == "stages":
        backbone = staged(backbone)
    torch.manual_seed(1)
    head = build_head(backbone.n_features, 2, spatial=backbone.spatial, kind=kind)  # type: ignore[arg-type]
    network = nn.Sequential(nn.Sequential(backbone.body), head).eval()
    (stages,) = stages_of(predictor_of(network))
    assert stages.kind == "linear"
    photos = _noise()
    with torch.no_grad(), reading(stages.body, stages.names) as read:
        logits = network(photos)
    maps = [read[name] for name in stages.names]
    scores = place_scores(head, TARGET, logits, maps)
    bias = next(m for m in head.modules() if isinstance(m, nn.Linear)).bias.detach()
    found = scores.sum(dim=(1, 2)) + bias[0] - bias[1]
    torch.testing.assert_close(found, TARGET.of_logits(logits), rtol=1e-3, atol=1e-5)


def test_the_map_of_an_ensemble_is_the_mean_of_its_networks() -> None:
    networks = [spot_network(seed=1), spot_network(seed=2)]
    photos = np.stack([spotted(8, 8), spotted(30, 40)])
    alone = [_maps(network, "hires-cam")(photos) for network in networks]
    found = _maps(Ensemble(networks), "hires-cam")(photos)
    np.testing.assert_allclose(found, np.mean(alone, axis=0), rtol=1e-5, atol=1e-7)


def test_frozen_layers_have_maps_too_and_nothing_changes() -> None:
    network = spot_network().requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    photo = spotted(20, 20)[None]
    first, again = (_maps(network, "grad-cam")(photo) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.max() > 0
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_random_weights_give_other_maps_and_leave_the_network() -> None:
    predictor = predictor_of(spot_network())
    before = predictor.network.state_dict()["0.0.0.0.weight"].clone()
    photos = np.stack([spotted(8, 40), spotted(44, 20)])
    maps = NetworkMaps(predictor, TARGET, METHODS["hires-cam"])
    other = NetworkMaps(randomised(predictor, photos, seed=1), TARGET, METHODS["hires-cam"])
    assert not np.allclose(maps(photos), other(photos))
    assert likeness(maps(photos)[0], maps(photos)[0]) == pytest.approx(1)
    torch.testing.assert_close(predictor.network.state_dict()["0.0.0.0.weight"], before)


ARCHS = (
    *("resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "efficientnet-lite0"),
    *("convnext_tiny", "efficientnet_b0", "squeezenet1_1", "densenet121"),
)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("kind", ["mlp", "stages"])
def test_every_architecture_has_maps(arch: str, kind: str) -> None:
    backbone, _ = build_backbone(arch, "none", SIZE)
    if kind == "stages":
        backbone = staged(backbone)
    head = build_head(backbone.n_features, 2, spatial=backbone.spatial, kind=kind)  # type: ignore[arg-type]
    network = nn.Sequential(nn.Sequential(backbone.body), head).eval()
    (stages,) = stages_of(predictor_of(network))
    chosen = choose_method("auto", arch, stages=len(stages.names), head=stages.kind)
    assert chosen.needs == "gradients"
    for method in METHODS.values():
        if method.needs == "memory" or (method.needs, stages.kind) == ("linear head", "other"):
            continue
        (raw,) = NetworkMaps(predictor_of(network), TARGET, method)(spotted(20, 20)[None])
        assert raw.shape == (SIZE, SIZE)
        assert np.isfinite(raw).all()


# The families of ``ARCHS`` with few layers and channels, and networks without maps.
TINY: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: ResNet(BasicBlock, [1, 1, 1, 1]),
    "convnext_tiny": lambda: ConvNeXt(
        [CNBlockConfig(a, b, 1) for a, b in ((8, 8), (8, 16), (16, 16), (16, None))]
    ),
    "mobilenet_v2": lambda: MobileNetV2(
        width_mult=0.1, inverted_residual_setting=[[1, 8, 1, 1], [2, 8, 1, 2], [2, 8, 1, 2]]
    ),
    "densenet121": lambda: DenseNet(4, (1, 1, 1, 1), 8),
    "squeezenet1_1": lambda: SqueezeNet("1_1"),
    "vit_b_16": lambda: VisionTransformer(SIZE, 16, 1, 2, 16, 32),
    "swin_t": lambda: SwinTransformer([4, 4], 8, [1, 1, 1, 1], [1, 1, 1, 1], [4, 4]),
}
WITHOUT_MAPS = ("vit_b_16", "swin_t")


def _network(arch: str, kind: str) -> nn.Module:
    body = _cut(TINY[arch](), arch, "torchvision")
    width, spatial, taps = _probe(body, arch, SIZE)
    backbone = Backbone(body, width, spatial, taps=taps)
    if kind == "stages":
        backbone = staged(backbone)
    head = build_head(backbone.n_features, 2, spatial=backbone.spatial, kind=kind)  # type: ignore[arg-type]
    return nn.Sequential(nn.Sequential(backbone.body), head).eval()


@pytest.mark.parametrize(
    ("arch", "kind"),
    [
        *((arch, kind) for arch in TINY for kind in ("mlp", "stages")),
        ("mobilenet_v2", "ensemble"),
        ("vit_b_16", "ensemble"),
    ],
)
def test_every_family_is_explained(arch: str, kind: str) -> None:
    torch.manual_seed(0)
    network = _network(arch, "mlp" if kind == "ensemble" else kind)
    if kind == "ensemble":
        network = Ensemble([network, _network(arch, "mlp")])
    predictor = predictor_of(network)
    one = stages_of(predictor)[0]
    auto = choose_method("auto", arch, stages=len(one.names), head=one.kind)
    assert auto.needs == ("outputs" if arch in WITHOUT_MAPS else "gradients")
    assert (one.kind == "linear") == (kind == "stages" and arch not in WITHOUT_MAPS)
    needed = {"gradients", "linear head"} if one.kind == "linear" else {"gradients"}
    inside = [method for method in METHODS.values() if method.needs in needed]
    photo = spotted(20, 20, side=24)[None]
    for method in inside if one.names else [auto]:
        (raw,) = NetworkMaps(predictor, TARGET, method)(photo)
        assert raw.shape == (SIZE, SIZE)
        assert np.isfinite(raw).all()
        assert raw.min() >= 0
    if kind == "mlp":
        (other,) = NetworkMaps(randomised(predictor, photo), TARGET, auto)(photo)
        assert np.isfinite(other).all()


@pytest.mark.parametrize(
    ("arch", "name"),
    [
        *(("resnet18", "hires-cam-fine"), ("resnet50", "hires-cam-fine")),
        *(("mobilenet_v2", "hires-cam"), ("efficientnet-lite0", "hires-cam")),
        ("convnext_tiny", "hires-cam"),
    ],
)
def test_the_default_is_what_measured_best_of_the_family(arch: str, name: str) -> None:
    assert choose_method("auto", arch, stages=3, head="other").name == name


def test_a_network_without_maps_is_explained_by_its_outputs() -> None:
    assert choose_method("auto", "vit_b_16", stages=0, head="other").name == "occlusion"
