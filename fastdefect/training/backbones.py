"""Backbones: a torchvision classifier, a timm model or an own network without its classifier.

``build_backbone`` creates the network and loads its weights. The weights are loaded before the
classifier is removed, so that the key names of public files match.
"""

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
import torchvision
from torch import Tensor, nn

from fastdefect.errors import ModelError
from fastdefect.training.baseline import SMALL_CNN, build_small_cnn
from fastdefect.training.early_layers import early_parameters
from fastdefect.training.efficientnet_lite import (
    EFFICIENTNET_LITE0,
    LITE_MEAN,
    LITE_STD,
    build_efficientnet_lite0,
)
from fastdefect.training.folding import fold_batch_norm
from fastdefect.training.memory import DETAIL_STAGES, Places
from fastdefect.training.stages import Staged, Tap, find_taps
from fastdefect.training.trained_network import trained_network
from fastdefect.training.weights import (
    INSTALL_PACKAGE,
    PACKAGE,
    WeightsUnavailable,
    download,
    one_line,
    packaged_state,
    read_safetensors,
)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Networks of this package, with the mean and the standard deviation of their pixels.
_OWN: Mapping[str, tuple[Callable[[], nn.Module], tuple[float, ...], tuple[float, ...]]] = {
    SMALL_CNN: (build_small_cnn, IMAGENET_MEAN, IMAGENET_STD),
    EFFICIENTNET_LITE0: (build_efficientnet_lite0, LITE_MEAN, LITE_STD),
}

# Families whose feature maps are the output of ``.features``. A family that neither this list nor
# ``_cut`` covers loses its last linear layer and returns the input of that layer.
_MAPS_BY_FEATURES = (
    "alexnet",
    "convnext",
    "densenet",
    "efficientnet",
    "mobilenet",
    "squeezenet",
    "vgg",
)


@dataclass(frozen=True)
class Backbone:
    """A feature extractor: (n, 3, h, w) to (n, ``n_features``, h', w') or (n, ``n_features``).

    ``early`` holds the parameters of the first layers (``early_layers.py``), ``taps`` the modules
    that ``staged`` reads.
    """

    body: nn.Module
    n_features: int
    spatial: bool
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    early: tuple[nn.Parameter, ...] = ()
    taps: tuple[Tap, ...] = ()


@dataclass(frozen=True)
class LoadedWeights:
    """The result of ``--weights``: ``source`` is auto, none or a file's name.

    ``matched`` is the number of tensors loaded. ``unmatched`` names the tensors of the file that
    do not fit, then the tensors of the backbone that are not in the file and stay random.
    ``lacking`` is the reason why public weights are not available; empty if there is none.
    """

    source: str
    pretrained: bool
    matched: int = 0
    unmatched: tuple[str, ...] = ()
    note: str = ""
    lacking: str = ""


def build_backbone(arch: str, weights: str, image_size: int) -> tuple[Backbone, LoadedWeights]:
    """Build ``arch`` and load ``weights``: "auto", "none", a safetensors file or a run's folder.

    Raises ``ModelError`` if the name is unknown, the file can't be used or the network does not
    accept photos of ``image_size`` pixels.
    """
    library = _library_of(arch)
    with _size_errors(arch, image_size):
        model, mean, std = _create(arch, library, image_size)
    whole = model.state_dict(keep_vars=True)
    body = _cut(model, arch, library)
    trained = trained_network(weights)
    loaded = _load(whole, body, arch, library, "none" if trained else weights, image_size)
    n_features, spatial, taps = _probe(body, arch, image_size)
    if spatial:
        fold_batch_norm(body, image_size)
    if trained:
        loaded = LoadedWeights(trained.name, True, trained.fill(body, arch), note=trained.note)
    early = early_parameters(body, image_size)
    return Backbone(body, n_features, spatial, mean, std, early, taps), loaded


def staged(backbone: Backbone) -> Backbone:
    """Return the backbone read at several depths: (n, 3, h, w) to (n, ``n_features``)."""
    width = sum(tap.width for tap in backbone.taps)
    body = Staged(backbone.body, backbone.taps)
    return replace(backbone, body=body, n_features=width, spatial=False)


def placed(backbone: Backbone, arch: str) -> Backbone:
    """Return the backbone read by place, for ``PatchMemory``; ``taps`` are those that it reads.

    Raises ``ModelError`` if the network has no maps.
    """
    if not backbone.spatial or not backbone.taps:
        raise ModelError(
            f"A memory of good parts compares places of photos, but {arch} has no maps of places.",
            "Choose a convolutional network, for example resnet50 or efficientnet-lite0.",
        )
    taps = (*backbone.taps[:DETAIL_STAGES], *backbone.taps[DETAIL_STAGES:][-1:])
    return replace(backbone, body=Places(backbone.body, taps), taps=taps)


def _library_of(arch: str) -> Literal["torchvision", "timm", "own"]:
    if arch in _OWN:
        return "own"
    if arch in torchvision.models.list_models(module=torchvision.models):
        return "torchvision"
    known = [*_OWN, *torchvision.models.list_models(module=torchvision.models)]
    if find_spec("timm"):
        import timm

        if timm.is_model(arch.removeprefix("timm/")):
            return "timm"
        known += timm.list_models()
        missing = ""
    else:
        missing = " For timm models, install fastdefect[timm]."
    near = difflib.get_close_matches(arch, list(dict.fromkeys(known)), n=4)
    raise ModelError(
        f"--arch {arch}: expected a classifier's name, but neither torchvision nor timm has it.",
        (f"Similar names: {', '.join(near)}." if near else "For example resnet50 or mobilenet_v2.")
        + missing,
    )


def _create(
    arch: str, library: str, image_size: int
) -> tuple[nn.Module, tuple[float, ...], tuple[float, ...]]:
    if library == "own":
        build, mean, std = _OWN[arch]
        return build(), mean, std
    if library == "timm":
        from timm.data.config import resolve_model_data_config

        model = _timm_model(arch, image_size, pretrained=False)
        settings = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
        return model, tuple(settings["mean"]), tuple(settings["std"])
    options: dict[str, Any] = {}
    if arch.startswith(("googlenet", "inception")):
        # Their public weights expect pixels from -1 to 1; this option converts them.
        options = {"init_weights": True, "aux_logits": False, "transform_input": True}
    elif arch.startswith("vit_"):
        # The size of the position embeddings follows the photos; public weights fit only 224.
        options = {"image_size": image_size}
    return torchvision.models.get_model(arch, weights=None, **options), IMAGENET_MEAN, IMAGENET_STD


def _timm_model(arch: str, image_size: int, *, pretrained: bool) -> nn.Module:
    import timm

    # Without classes timm applies the pooling of the model: maps, tokens and channels-last maps
    # need different ones.
    create: Any = partial(
        timm.create_model, arch.removeprefix("timm/"), pretrained=pretrained, num_classes=0
    )
    try:  # vision transformers need the size; convolutional networks have no such option
        model: nn.Module = create(img_size=image_size)
    except TypeError:
        model = create()
    return model


def _cut(model: nn.Module, arch: str, library: str) -> nn.Module:
    if library in ("own", "timm"):
        return model
    if arch.startswith("densenet"):
        features: Any = model.features
        return nn.Sequential(features, nn.ReLU(inplace=True))
    if arch.startswith("mnasnet"):
        return model.layers  # type: ignore[return-value]
    if arch.startswith(_MAPS_BY_FEATURES):
        return model.features  # type: ignore[return-value]
    sequential = hasattr(model, "avgpool") and isinstance(getattr(model, "fc", None), nn.Linear)
    if sequential and not arch.startswith(("googlenet", "inception")):
        children = dict(model.named_children())
        return nn.Sequential(
            *(child for name, child in children.items() if name not in ("avgpool", "fc"))
        )
    _drop_last_linear(model)
    return model


def _drop_last_linear(model: nn.Module) -> None:
    name = [n for n, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    parent_name, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent_name), child, nn.Identity())


def _probe(body: nn.Module, arch: str, image_size: int) -> tuple[int, bool, tuple[Tap, ...]]:
    """Return the number of features, whether they are maps, and the taps, from a black photo."""
    training = body.training
    body.eval()
    try:
        with _size_errors(arch, image_size), torch.no_grad():
            features, taps = find_taps(body, torch.zeros(1, 3, image_size, image_size))
    finally:
        body.train(training)
    if features.ndim not in (2, 4):
        raise ModelError(
            f"--arch {arch}: expected features of 2 or 4 dimensions, but their shape is "
            f"{tuple(features.shape)}.",
            "Choose another network, for example resnet50 or convnext_tiny.",
        )
    return features.shape[1], features.ndim == 4, taps


@contextmanager
def _size_errors(arch: str, image_size: int) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ModelError(
            f"{arch} does not accept photos of {image_size} px: {one_line(error)}",
            "Choose another --image-size (most networks accept 224) or another --arch.",
        ) from error


def _load(
    whole: Mapping[str, Tensor],
    body: nn.Module,
    arch: str,
    library: str,
    weights: str,
    image_size: int,
) -> LoadedWeights:
    """Fill ``body``; ``whole`` holds the tensors of the complete network by their public names."""
    if weights == "none":
        return LoadedWeights("none", pretrained=False, note="random weights (--weights none)")
    if weights == "auto" and arch == SMALL_CNN:
        # Not a failure: no public weights exist.
        return LoadedWeights(
            "none", pretrained=False, note=f"random weights; no pretrained weights exist for {arch}"
        )
    if weights == "auto":
        try:
            state, publisher = _public_state(arch, library, image_size)
        except WeightsUnavailable as error:
            return LoadedWeights(
                "auto",
                pretrained=False,
                note=_without_weights(arch, str(error)),
                lacking=str(error),
            )
        matched, unmatched = _fill(whole, body, state)
        return LoadedWeights("auto", True, matched, unmatched, f"ImageNet weights of {publisher}")
    path = Path(weights)
    state = read_safetensors(path)
    matched, unmatched = _fill(whole, body, state)
    if matched == 0:
        raise ModelError(
            f"--weights {path}: none of its {len(state)} tensors fits the backbone of {arch}.",
            "Give weights of this architecture, with the key names of torchvision or timm.",
        )
    return LoadedWeights(path.name, True, matched, unmatched, f"file {path.name}")


def _public_state(arch: str, library: str, image_size: int) -> tuple[Mapping[str, Tensor], str]:
    """Return ImageNet weights and their publisher; raises ``WeightsUnavailable``."""
    if arch == EFFICIENTNET_LITE0:
        return packaged_state(), PACKAGE
    if library == "timm":
        return download(
            lambda: _timm_model(arch, image_size, pretrained=True).state_dict()
        ), library
    default: Any = torchvision.models.get_model_weights(arch)
    # weights_only: unpickling a downloaded file must not run code.
    fetch = partial(
        default.DEFAULT.get_state_dict, progress=False, check_hash=True, weights_only=True
    )
    return download(fetch), library


def _without_weights(arch: str, lacking: str) -> str:
    """Return the note for a network without ImageNet weights."""
    remedy = "give --weights FILE, or train once with internet access"
    if arch == EFFICIENTNET_LITE0:
        remedy = INSTALL_PACKAGE
    return (
        f"no ImageNet weights for {arch}: {lacking}; the training starts from RANDOM weights and "
        f"needs far more photos and epochs. To get the weights: {remedy}"
    )


def _fill(
    whole: Mapping[str, Tensor], body: nn.Module, state: Mapping[str, Tensor]
) -> tuple[int, tuple[str, ...]]:
    """Load tensors that match by name and shape; return their number and the unmatched names.

    Only the body counts: tensors of the removed classifier are no match.
    """
    kept = {id(tensor) for tensor in body.state_dict(keep_vars=True).values()}
    own = {name: tensor for name, tensor in whole.items() if id(tensor) in kept}
    fitting = {
        name: value
        for name, value in state.items()
        if name in own and own[name].shape == value.shape
    }
    with torch.no_grad():
        for name, value in fitting.items():
            own[name].copy_(value)
    unknown = (set(state) - set(fitting)) - (set(whole) - set(own))
    # Old files have no batch counters; predictions do not need them.
    missing = {
        f"{name} (not in the file)"
        for name in set(own) - set(state)
        if not name.endswith("num_batches_tracked")
    }
    return len(fitting), (*sorted(unknown), *sorted(missing))


def split_for_rates(model: nn.Sequential) -> list[list[nn.Parameter]]:
    """Return the parameter groups early body, late body and head.

    Freezing and discriminative rates use them (Howard and Ruder 2018, section 3.2). The body is
    split at half its number of parameter tensors; fastai uses three groups for vision too.
    """
    body, head = (list(part.parameters()) for part in model)
    half = len(body) // 2
    return [body[:half], body[half:], head]


def parameter_count(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(math.prod(parameter.shape) for parameter in model.parameters())


def contiguous_state(model: nn.Module) -> dict[str, Any]:
    """Return the model's state on the CPU in contiguous layout, as safetensors requires."""
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
