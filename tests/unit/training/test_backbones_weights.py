"""The weights of a backbone: from files, from the hub or at random."""

import http.client
import pickle
import socket
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from fastdefect.errors import ModelError
from fastdefect.training.backbones import (
    build_backbone,
)
from fastdefect.training.weights import DOWNLOAD_TIMEOUT_S

# Weights from a file


@pytest.fixture(scope="module")
def whole() -> nn.Module:
    """A resnet18 with its classifier, and running statistics that are not those of the start."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None)
    for name, tensor in model.state_dict().items():
        if "running" in name:
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    return model


def _saved(state: dict[str, torch.Tensor], folder: Path) -> str:
    path = folder / "weights.safetensors"
    save_file(state, path)
    return str(path)


@pytest.mark.parametrize(
    "arch",
    [
        "resnet18",
        "mobilenet_v3_small",
        "squeezenet1_1",
        pytest.param("densenet121", marks=pytest.mark.slow),
        pytest.param("convnext_tiny", marks=pytest.mark.slow),
        pytest.param("vit_b_16", marks=pytest.mark.slow),
    ],
)
def test_a_whole_models_file_fills_the_backbone(arch: str, tmp_path: Path) -> None:
    size = 224 if arch == "vit_b_16" else 64  # its position embeddings are of one size
    torch.manual_seed(1)
    model = torchvision.models.get_model(arch, weights=None).eval()
    state = model.state_dict()
    torch.manual_seed(2)

    backbone, loaded = build_backbone(arch, _saved(state, tmp_path), size)

    assert loaded.pretrained
    assert loaded.unmatched == ()
    assert loaded.source == "weights.safetensors"
    body = backbone.body.state_dict()
    assert loaded.matched == len(body)
    # By value, whatever the cut has made of the names.
    theirs = {tensor.numpy().tobytes() for tensor in state.values()}
    assert all(tensor.numpy().tobytes() in theirs for tensor in body.values())


def test_the_cut_gives_what_the_whole_network_feeds_its_classifier(
    whole: nn.Module, tmp_path: Path
) -> None:
    backbone, _ = build_backbone("resnet18", _saved(whole.state_dict(), tmp_path), 64)
    photo = torch.randn(2, 3, 64, 64)
    fed: list[torch.Tensor] = []
    hook = whole.fc.register_forward_hook(lambda module, inputs, output: fed.append(inputs[0]))
    with torch.no_grad():
        whole.eval()(photo)
        features = backbone.body.eval()(photo)
    hook.remove()
    torch.testing.assert_close(features.mean(dim=(2, 3)), fed[0])


def test_a_file_in_half_precision_loads_as_well(whole: nn.Module, tmp_path: Path) -> None:
    half = {name: tensor.half() for name, tensor in whole.state_dict().items()}
    backbone, loaded = build_backbone("resnet18", _saved(half, tmp_path), 32)
    assert loaded.unmatched == ()
    assert next(backbone.body.parameters()).dtype == torch.float32


def test_a_features_only_file_is_enough(tmp_path: Path) -> None:
    model = torchvision.models.mobilenet_v2(weights=None)
    features = {n: t for n, t in model.state_dict().items() if n.startswith("features.")}
    _, loaded = build_backbone("mobilenet_v2", _saved(features, tmp_path), 32)
    assert loaded.matched == len(features)
    assert loaded.unmatched == ()


def test_a_partial_file_lists_what_does_not_match(whole: nn.Module, tmp_path: Path) -> None:
    state = dict(whole.state_dict())
    state["stranger"] = torch.zeros(2)
    state["conv1.weight"] = torch.zeros(64, 1, 7, 7)  # of another shape: from grey photos
    del state["layer4.1.bn2.bias"]
    del state["bn1.num_batches_tracked"]  # as in files from before it existed

    _, loaded = build_backbone("resnet18", _saved(state, tmp_path), 32)

    assert loaded.unmatched == (
        "conv1.weight",
        "stranger",
        "layer4.1.bn2.bias (not in the file)",
    )
    assert loaded.matched == len(state) - 4  # those two, and the classifier's two


def test_a_shallower_networks_file_does_not_pass_for_a_match(
    whole: nn.Module, tmp_path: Path
) -> None:
    # Every name of resnet18 is one of resnet34's, which would stay random from there on.
    _, loaded = build_backbone("resnet34", _saved(whole.state_dict(), tmp_path), 32)
    assert "layer3.5.conv2.weight (not in the file)" in loaded.unmatched
    assert all("not in the file" in name for name in loaded.unmatched)


def test_a_classifier_of_other_classes_is_ignored(whole: nn.Module, tmp_path: Path) -> None:
    state = {**whole.state_dict(), "fc.weight": torch.zeros(2, 512), "fc.bias": torch.zeros(2)}
    _, loaded = build_backbone("resnet18", _saved(state, tmp_path), 32)
    assert loaded.unmatched == ()


def test_a_file_that_fits_only_the_classifier_is_refused(tmp_path: Path) -> None:
    # Both have 1000 biases under one name, and nothing else in common.
    model = torchvision.models.squeezenet1_1(weights=None)
    path = _saved(model.state_dict(), tmp_path)
    with pytest.raises(ModelError, match="none of its 52 tensors fits .* mobilenet_v2"):
        build_backbone("mobilenet_v2", path, 32)


@pytest.mark.parametrize("content", [b"", b"\x80\x04N.", b"{}" * 50, b"\xff" * 64])
def test_a_file_of_another_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is not a safetensors file") as caught:
        build_backbone("squeezenet1_1", str(path), 32)
    assert "safetensors" in caught.value.hint


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return Path.touch, (tmp_path / "exploded",)  # type: ignore[return-value]

    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelError):
        build_backbone("squeezenet1_1", str(path), 32)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("path", ["gone.safetensors", ".", "imagenet"])
def test_a_missing_file_is_named(path: str) -> None:
    with pytest.raises(ModelError, match="--weights .*no such file"):
        build_backbone("squeezenet1_1", path, 32)


# The library's own weights, without a network


def test_none_gives_random_weights_with_a_note() -> None:
    _, loaded = build_backbone("squeezenet1_1", "none", 32)
    assert (loaded.source, loaded.pretrained, loaded.matched) == ("none", False, 0)


@pytest.mark.parametrize(
    "error",
    [
        URLError("Name or service not known"),
        TimeoutError("timed out"),
        http.client.IncompleteRead(b""),
        ConnectionResetError("reset"),
        RuntimeError('invalid hash value (expected "a", got "b")'),
    ],
    ids=lambda error: type(error).__name__,
)
def test_auto_without_internet_continues_with_a_note(
    error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch.hub

    def download(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    before = socket.getdefaulttimeout()

    _, loaded = build_backbone("squeezenet1_1", "auto", 32)

    assert (loaded.source, loaded.pretrained) == ("auto", False)
    assert "the download failed" in loaded.lacking
    assert "RANDOM" in loaded.note
    assert "--weights FILE" in loaded.note
    assert "\n" not in loaded.note
    assert socket.getdefaulttimeout() == before


def test_auto_has_a_time_limit_for_the_download(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch.hub

    seen: list[float | None] = []

    def download(*args: Any, **kwargs: Any) -> None:
        seen.append(socket.getdefaulttimeout())
        raise URLError("timed out")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    build_backbone("squeezenet1_1", "auto", 32)
    assert seen == [DOWNLOAD_TIMEOUT_S]


def test_auto_reads_the_cache_and_never_unpickles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch.hub

    model = torchvision.models.squeezenet1_1(weights=None)
    url = torchvision.models.get_model_weights("squeezenet1_1").DEFAULT.url
    cache = tmp_path / "checkpoints" / url.rsplit("/", 1)[-1]
    cache.parent.mkdir()
    torch.save(model.state_dict(), cache)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    real_load, asked = torch.load, []

    def load(*args: Any, **kwargs: Any) -> Any:
        asked.append(kwargs.get("weights_only"))
        return real_load(*args, **kwargs)

    monkeypatch.setattr(torch, "load", load)

    backbone, loaded = build_backbone("squeezenet1_1", "auto", 32)

    assert loaded.pretrained
    assert loaded.unmatched == ()
    assert asked == [True]
    first = next(backbone.body.parameters())
    torch.testing.assert_close(first, model.features[0].weight)


def test_auto_falls_back_for_timm_too(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    real = timm.create_model

    def create(*args: Any, pretrained: bool, **kwargs: Any) -> nn.Module:
        if pretrained:
            raise URLError("Name or service not known")
        return real(*args, pretrained=False, **kwargs)

    monkeypatch.setattr(timm, "create_model", create)
    _, loaded = build_backbone("resnet10t", "auto", 32)
    assert not loaded.pretrained
    assert "RANDOM" in loaded.note
