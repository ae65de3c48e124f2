"""Any torchvision classifier or timm model, or an own network, cut down to what gives features.

``build_backbone`` makes the network with random weights; ``load_pretrained`` fills it.
Whole-model weights are loaded before the cut, so that every public file fits by its own
key names.
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
from fastdefect.training.stages import Staged, Tap, look_once
from fastdefect.training.weights import (
    INSTALL_PACKAGE,
    PACKAGE,
    WeightsLacking,
    download,
    one_line,
    packaged_state,
    read_safetensors,
)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Networks that are written out here, and what their pixels are normalised by.
_OWN: Mapping[str, tuple[Callable[[], nn.Module], tuple[float, ...], tuple[float, ...]]] = {
    SMALL_CNN: (build_small_cnn, IMAGENET_MEAN, IMAGENET_STD),
    EFFICIENTNET_LITE0: (build_efficientnet_lite0, LITE_MEAN, LITE_STD),
}

# Families whose feature maps are the output of ``.features``. One that is neither here nor
# recognised in ``_cut`` loses its last linear layer, and gives the vector that it was fed.
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

    ``early``: the parameters of its first layers (``early_layers.py``).
    ``taps``: where ``staged`` reads it.
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
    """What became of ``--weights``: ``source`` is auto, none or a file's name.

    ``matched`` tensors of the backbone were filled. ``unmatched`` names those of the file
    that fit nowhere, then those of the backbone that the file lacks and that stay random.
    ``lacking`` says why public weights were looked for in vain; empty if they weren't.
    """

    source: str
    pretrained: bool
    matched: int = 0
    unmatched: tuple[str, ...] = ()
    note: str = ""
    lacking: str = ""


def build_backbone(arch: str, weights: str, image_size: int) -> tuple[Backbone, LoadedWeights]:
    """Build ``arch`` and load ``weights`` ("auto", "none" or the path of a safetensors file).

    Raises ``ModelError`` if the name is unknown, the file can't be used or the network
    can't take photos of ``image_size`` pixels.
    """
    library = _library_of(arch)
    with _refused_size(arch, image_size):
        model, mean, std = _create(arch, library, image_size)
    whole = model.state_dict(keep_vars=True)
    body = _cut(model, arch, library)
    loaded = _load(whole, body, arch, library, weights, image_size)
    n_features, spatial, taps = _probe(body, arch, image_size)
    if spatial:
        fold_batch_norm(body, image_size)
    early = early_parameters(body, image_size)
    return Backbone(body, n_features, spatial, mean, std, early, taps), loaded


def staged(backbone: Backbone) -> Backbone:
    """The backbone read at several depths: (n, 3, h, w) to (n, ``n_features``)."""
    width = sum(tap.width for tap in backbone.taps)
    body = Staged(backbone.body, backbone.taps)
    return replace(backbone, body=body, n_features=width, spatial=False)


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
        missing = " For timm's names, install fastdefect[timm]."
    near = difflib.get_close_matches(arch, list(dict.fromkeys(known)), n=4)
    raise ModelError(
        f"--arch {arch}: neither torchvision nor timm has a classifier of this name.",
        (f"Near it: {', '.join(near)}." if near else "For example resnet50 or mobilenet_v2.")
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
        facts = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
        return model, tuple(facts["mean"]), tuple(facts["std"])
    options: dict[str, Any] = {}
    if arch.startswith(("googlenet", "inception")):
        # Their public weights were trained on pixels from -1 to 1, which this turns ours into.
        options = {"init_weights": True, "aux_logits": False, "transform_input": True}
    elif arch.startswith("vit_"):
        # Position embeddings of the size that the photos have; only 224 fits public weights.
        options = {"image_size": image_size}
    return torchvision.models.get_model(arch, weights=None, **options), IMAGENET_MEAN, IMAGENET_STD


def _timm_model(arch: str, image_size: int, *, pretrained: bool) -> nn.Module:
    import timm

    # Without classes timm pools by itself: maps, tokens and channels-last maps each in their
    # own way.
    create: Any = partial(
        timm.create_model, arch.removeprefix("timm/"), pretrained=pretrained, num_classes=0
    )
    try:  # vision transformers must know the size; convolutional nets take no such option
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
    in_a_row = hasattr(model, "avgpool") and isinstance(getattr(model, "fc", None), nn.Linear)
    if in_a_row and not arch.startswith(("googlenet", "inception")):
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
    """Number of features, whether they come as maps, and taps, found by one black photo."""
    training = body.training
    body.eval()
    try:
        with _refused_size(arch, image_size), torch.no_grad():
            features, taps = look_once(body, torch.zeros(1, 3, image_size, image_size))
    finally:
        body.train(training)
    if features.ndim not in (2, 4):
        raise ModelError(
            f"{arch} gives features of shape {tuple(features.shape)}, which the head can't pool.",
            "Choose another network, for example resnet50 or convnext_tiny.",
        )
    return features.shape[1], features.ndim == 4, taps


@contextmanager
def _refused_size(arch: str, image_size: int) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ModelError(
            f"{arch} can't take photos of {image_size} px: {one_line(error)}",
            "Choose another --image-size (224 suits most networks) or another --arch.",
        ) from error


def _load(
    whole: Mapping[str, Tensor],
    body: nn.Module,
    arch: str,
    library: str,
    weights: str,
    image_size: int,
) -> LoadedWeights:
    """Fill ``body``; ``whole`` holds the uncut network's tensors under their public names."""
    if weights == "none":
        return LoadedWeights("none", pretrained=False, note="random weights, as asked for")
    if weights == "auto" and arch == SMALL_CNN:
        # No mishap: nothing was looked for in vain.
        return LoadedWeights(
            "none", pretrained=False, note=f"random ones, as none are pretrained for {arch}"
        )
    if weights == "auto":
        try:
            state, whose = _public_state(arch, library, image_size)
        except WeightsLacking as error:
            return LoadedWeights(
                "auto", pretrained=False, note=_going_on(arch, str(error)), lacking=str(error)
            )
        matched, unmatched = _fill(whole, body, state)
        return LoadedWeights("auto", True, matched, unmatched, f"ImageNet weights of {whose}")
    path = Path(weights)
    state = read_safetensors(path)
    matched, unmatched = _fill(whole, body, state)
    if matched == 0:
        raise ModelError(
            f"{path}: none of its {len(state)} tensors fits the backbone of {arch}.",
            "Is it for another architecture? Keys must be those of torchvision or timm.",
        )
    return LoadedWeights(path.name, True, matched, unmatched, f"weights from {path.name}")


def _public_state(arch: str, library: str, image_size: int) -> tuple[Mapping[str, Tensor], str]:
    """ImageNet weights and whose they are; raises ``WeightsLacking`` if they can't be had."""
    if arch == EFFICIENTNET_LITE0:
        return packaged_state(), PACKAGE
    if library == "timm":
        return download(
            lambda: _timm_model(arch, image_size, pretrained=True).state_dict()
        ), library
    default: Any = torchvision.models.get_model_weights(arch)
    # weights_only: the file comes from outside, and unpickling it must not run code.
    fetch = partial(
        default.DEFAULT.get_state_dict, progress=False, check_hash=True, weights_only=True
    )
    return download(fetch), library


def _going_on(arch: str, lacking: str) -> str:
    """What is told where ImageNet weights can't be had."""
    mend = "give --weights FILE, or run once with a network"
    if arch == EFFICIENTNET_LITE0:
        mend = INSTALL_PACKAGE
    return (
        f"no ImageNet weights for {arch}: {lacking}; going on from RANDOM weights, which needs far "
        f"more photos and epochs: {mend}"
    )


def _fill(
    whole: Mapping[str, Tensor], body: nn.Module, state: Mapping[str, Tensor]
) -> tuple[int, tuple[str, ...]]:
    """Load what fits by name and shape; returns how many, and the names that did not fit.

    Only the body counts: a classifier that is cut off anyway must not pass for a match.
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
    strange = (set(state) - set(fitting)) - (set(whole) - set(own))
    # Old files lack the batch counters, which no prediction needs.
    lacking = {
        f"{name} (not in the file)"
        for name in set(own) - set(state)
        if not name.endswith("num_batches_tracked")
    }
    return len(fitting), (*sorted(strange), *sorted(lacking))


def split_for_rates(model: nn.Sequential) -> list[list[nn.Parameter]]:
    """Parameter groups early body, late body, head, for freezing and discriminative rates.

    The body is cut at half its depth, counted in parameter tensors (the idea: Howard and
    Ruder 2018, section 3.2; three groups are fastai's custom for vision).
    """
    body, head = (list(part.parameters()) for part in model)
    half = len(body) // 2
    return [body[:half], body[half:], head]


def parameter_count(model: nn.Module) -> int:
    """Number of trainable numbers in the model."""
    return sum(math.prod(parameter.shape) for parameter in model.parameters())


def contiguous_state(model: nn.Module) -> dict[str, Any]:
    """The model's state on the CPU in plain layout, as safetensors wants it."""
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
