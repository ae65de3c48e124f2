"""The only constructors of a Learner, for training, and of its network, for all other uses."""

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

import torch
from fastai.callback.core import Callback
from fastai.callback.progress import ProgressCallback
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from fastai.vision.learner import vision_learner
from torch import nn

from fastdefect.config import TrainingConfig
from fastdefect.data.loaders import Preprocessing
from fastdefect.errors import ModelError, UsageError
from fastdefect.good import Good, good_from_json, good_indices, good_to_json
from fastdefect.training.backbones import Backbone, placed, split_for_rates, staged
from fastdefect.training.callbacks import FrozenStatistics
from fastdefect.training.early_layers import FixedLayers
from fastdefect.training.ensemble import averaging
from fastdefect.training.head import Head, build_head
from fastdefect.training.joint import Joint
from fastdefect.training.loss import DefectLoss, MixUpLabels
from fastdefect.training.memory import PatchMemory
from fastdefect.training.precision import AutocastOnDevice
from fastdefect.training.tiled import Tiled
from fastdefect.training.view_head import Viewed, by_view

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_MOST_MEMBERS = 1000
_LARGEST_SIDE = 1 << 15


@dataclass(frozen=True)
class ModelSpec:
    """All that is needed, apart from the weights, to rebuild a model: ``model.json``.

    ``members`` is the number of networks that the model averages. ``views`` names the views of
    a photo that a decision averages (``evaluation/views.py``). ``white`` is the value that is white
    in photos of more than 8 bits; None if the model was trained on none. ``memory``: a memory of
    good parts is joined to the network (``training/joint.py``).
    """

    arch: str
    classes: tuple[str, ...]
    good: tuple[str, ...]
    preprocessing: Preprocessing
    head: Head = "mlp"
    members: int = 1
    views: str = "none"
    white: float | None = None
    memory: bool = False

    @property
    def good_indices(self) -> Good:
        """The indices of the good classes; empty if every class is a defect."""
        return good_indices(self.classes, self.good)

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``model.json``."""
        return {**asdict(self), "good": good_to_json(self.good)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ModelSpec":
        """Read the content of ``as_json``; raises ``ModelError`` if a value is missing or wrong."""
        try:
            spec = _validator().validate_python(
                {
                    "head": "mlp",  # absent in older models, as are some others
                    **content,
                    "good": good_from_json(content["good"]),
                }
            )
            _check_ranges(spec)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(
                f"Expected a complete model.json, but {_problem(error)}.",
                "Restore the file from a copy of the run, or train again.",
            ) from error
        return spec


@cache
def _validator() -> "TypeAdapter[ModelSpec]":
    from pydantic import TypeAdapter

    return TypeAdapter(ModelSpec)


def _check_ranges(spec: ModelSpec) -> None:
    """Raise ``ValueError`` for values that no training writes."""
    steps = spec.preprocessing
    numbers = (*steps.mean, *steps.std, *((spec.white,) if spec.white is not None else ()))
    for what, right in {
        "classes": len(set(spec.classes)) == len(spec.classes) >= 2,
        "good": set(spec.good) <= set(spec.classes),
        "members": 1 <= spec.members <= _MOST_MEMBERS,
        "image_size": 1 <= steps.image_size <= _LARGEST_SIDE,
        "tiles": 1 <= steps.tiles <= _LARGEST_SIDE,
        "view_input": len(set(steps.view_input)) == len(steps.view_input) != 1,
        "mean and std": len(steps.mean) == len(steps.std) == 3 and all(steps.std),
        "mean, std and white": all(map(math.isfinite, numbers)),
    }.items():
        if not right:
            raise ValueError(f"{what}: no training writes such values")


def _problem(error: Exception) -> str:
    """What is wrong, in one line."""
    if isinstance(error, KeyError):
        return f"{error} is missing"
    details: Any = getattr(error, "errors", list)()
    if details:
        place, text = ".".join(map(str, details[0]["loc"])), details[0]["msg"]
        missing = details[0]["type"] == "missing"
        return f"{place} is missing" if missing else f"{place}: {text[0].lower()}{text[1:]}"
    return str(error)[:200]


def choose_device(name: str) -> torch.device:
    """Return the device: "auto" is CUDA, else Apple's MPS, else the CPU.

    Raises ``UsageError`` if a named device is not available.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, found in available.items() if found)
    elif not available[name]:
        raise UsageError(
            f"--device {name}: torch {torch.__version__} finds no such device on this machine.",
            "Use --device auto, or install a torch build that supports it.",
        )
    return torch.device(name)


def build_network(spec: ModelSpec, backbone: Backbone, device: torch.device) -> nn.Module:
    """Return the network of a finished run, for weights already trained.

    It is that of ``build_learner``, without a Learner; with ``spec.memory`` a ``Joint`` of it and
    a memory.
    """
    frozen = deepcopy(backbone) if spec.memory else backbone
    good = spec.good_indices
    network: Any = averaging(_tiled(_nested(spec, backbone), spec, good), spec.members)
    if spec.memory:
        memory = _tiled(_nested(replace(spec, head="memory"), frozen), spec, ())
        network = Joint(network, memory, len(spec.classes), good)
    return network.to(device=device, memory_format=_layout(device))


def build_memory(spec: ModelSpec, backbone: Backbone, device: torch.device) -> nn.Module:
    """Return the empty memory of a ``Joint``, on ``backbone``, which stays frozen.

    Raises ``ModelError`` if the network has no maps.
    """
    network: Any = _nested(replace(spec, head="memory"), backbone)
    return cast("nn.Module", network.to(device=device, memory_format=_layout(device)))


def _nested(spec: ModelSpec, backbone: Backbone) -> nn.Sequential:
    backbone = _read_by(spec, backbone)
    # vision_learner nests them like this, and the names in a state depend on the nesting.
    return _viewed(nn.Sequential(nn.Sequential(backbone.body), _head(spec, backbone)), spec)


def _layout(device: torch.device) -> Any:
    # ResNet50 training is 27 % faster on CPU, more on CUDA; MPS gains nothing.
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def build_learner(
    dls: DataLoaders,
    backbone: Backbone,
    loss: nn.Module,
    *,
    spec: ModelSpec,
    training: TrainingConfig,
    precision: str,
) -> Learner:
    """Return a ``vision_learner`` of ``backbone`` and the head of ``spec``; it prints nothing.

    The model is ``Sequential(body, head)`` on the device of ``dls``. With more than one member
    it is an ``Ensemble``, for trained weights and predictions only. For photos in tiles, it is a
    ``Tiled`` of both; with views as an input, a ``Viewed``. With the heads ``stages`` and
    ``memory`` the body is read at several depths.
    """
    backbone = _read_by(spec, backbone)
    learn = vision_learner(
        dls,
        # vision_learner requires a constructor, ignores its ``cut`` argument and cuts before the
        # last pooling layer. The extra pooling layer is the one that it removes.
        lambda pretrained: nn.Sequential(backbone.body, nn.AdaptiveAvgPool2d(1)),
        n_out=len(spec.classes),
        normalize=False,  # the loaders normalise, pretrained or not
        pretrained=False,
        custom_head=_head(spec, backbone),
        init=None,  # the head initialises itself
        splitter=split_for_rates,
        loss_func=loss,
        opt_func=_optimizer(training.optimizer),
        lr=training.learning_rate,
        wd=training.weight_decay,
        metrics=[],
        cbs=_technique(training, precision, backbone),
    )
    learn.remove_cb(ProgressCallback)
    learn.logger = _print_nothing
    network = _tiled(_viewed(learn.model, spec), spec, spec.good_indices)
    learn.model = averaging(network, spec.members)
    # Here and not in a callback at the fit's start: the optimizer's moments take their layout
    # from the parameters, and a restored optimizer needs the layout that it was saved with.
    learn.model.to(device=dls.device, memory_format=_layout(dls.device))
    return learn


def _read_by(spec: ModelSpec, backbone: Backbone) -> Backbone:
    """The backbone in the form that the head of ``spec`` reads."""
    if spec.head == "stages":
        return staged(backbone)
    return placed(backbone, spec.arch) if spec.head == "memory" else backbone


def _head(spec: ModelSpec, backbone: Backbone) -> nn.Sequential:
    if spec.head == "memory":
        channels = [tap.width // 2 for tap in backbone.taps]  # a mean and a deviation of each
        memory = PatchMemory(channels, len(spec.classes), spec.good_indices)
        return nn.Sequential(memory)
    head = build_head(
        backbone.n_features, len(spec.classes), spatial=backbone.spatial, kind=spec.head
    )
    views = spec.preprocessing.view_input
    return by_view(head, len(views)) if views else head


def _viewed(network: nn.Sequential, spec: ModelSpec) -> nn.Sequential:
    """The network with the view of photos as a second input; itself without such views."""
    return Viewed(*network) if spec.preprocessing.view_input else network


def _tiled(network: nn.Module, spec: ModelSpec, good: Good) -> nn.Module:
    """The network for photos in tiles, with the same body and head; itself without tiles.

    The evidence of a tile is against the classes ``good``, or without them each logit itself.
    """
    steps = spec.preprocessing
    if steps.tiles == 1:
        return network
    body, head = network.children()
    return Tiled(body, head, steps.image_size, good)


def _print_nothing(record: Any) -> None:
    """Replace fastai's logger, which prints a table; the console reports events instead."""


def _optimizer(name: str) -> Any:
    return partial(
        OptimWrapper,
        opt={
            "adamw": torch.optim.AdamW,
            "adam": torch.optim.Adam,
            # Nesterov needs an initial momentum; the schedule changes it later.
            "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
        }[name],
    )


def _technique(training: TrainingConfig, precision: str, backbone: Backbone) -> list[Callback]:
    callbacks: list[Callback] = []
    if precision != "fp32":
        callbacks.append(AutocastOnDevice(precision))
    if training.mixup_alpha > 0:
        callbacks.append(MixUpLabels(training.mixup_alpha))
    if training.clip > 0:
        callbacks.append(GradientClip(training.clip))
    if training.batch_norm == "frozen":
        callbacks.append(FrozenStatistics())
    if training.early_layers == "fixed":
        callbacks.append(FixedLayers(backbone.early))
    return callbacks


def build_loss(
    weights: Sequence[float] | None, label_smoothing: float, device: torch.device
) -> DefectLoss:
    """Return the loss on ``device``; ``weights`` by class, or None for equal weights."""
    tensor = torch.tensor(weights, dtype=torch.float32) if weights is not None else None
    return DefectLoss(tensor, label_smoothing).to(device)
