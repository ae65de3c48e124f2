"""The only constructors of a Learner, for training, and of its network alone, for all else."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

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
from fastdefect.training.backbones import Backbone, split_for_rates, staged
from fastdefect.training.callbacks import FrozenStatistics
from fastdefect.training.early_layers import FixedLayers
from fastdefect.training.ensemble import averaging
from fastdefect.training.head import Head, build_head
from fastdefect.training.loss import DefectLoss, MixUpLabels
from fastdefect.training.precision import AutocastOnDevice


@dataclass(frozen=True)
class ModelSpec:
    """All that is needed, beside the weights, to rebuild a model: ``model.json``.

    ``members``: so many networks are the model, by the mean of their probabilities. ``views``
    names the views of a photo that decisions average (``evaluation/views.py``). ``white``: the
    value that is white in photos of more than 8 bits; None where it was trained on none.
    """

    arch: str
    classes: tuple[str, ...]
    good: str | None
    preprocessing: Preprocessing
    head: Head = "mlp"
    members: int = 1
    views: str = "none"
    white: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The form that ``model.json`` holds."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ModelSpec":
        """Read what ``as_json`` gave; raises ``ModelError`` if a key is missing."""
        try:
            steps = content["preprocessing"]
            return cls(
                content["arch"],
                tuple(content["classes"]),
                content["good"],
                Preprocessing(
                    steps["image_size"], steps["resize"], tuple(steps["mean"]), tuple(steps["std"])
                ),
                content.get("head", "mlp"),
                content.get("members", 1),  # older models don't say these
                content.get("views", "none"),
                content.get("white"),
            )
        except (KeyError, TypeError) as error:
            raise ModelError(f"model.json is not complete: {error} is missing.") from error


def choose_device(name: str) -> torch.device:
    """ "auto" takes CUDA, then Apple's MPS, then the CPU; a named one must be there."""
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    elif not available[name]:
        raise UsageError(
            f"--device {name}: torch {torch.__version__} finds no such device here.",
            "Use --device auto, or install a torch build for it.",
        )
    return torch.device(name)


def build_network(spec: ModelSpec, backbone: Backbone, device: torch.device) -> nn.Module:
    """The network that ``build_learner`` trains, alone: for weights that are there already."""
    if spec.head == "stages":
        backbone = staged(backbone)
    head = build_head(
        backbone.n_features, len(spec.classes), spatial=backbone.spatial, kind=spec.head
    )
    # As vision_learner nests them: the names in a state follow from it.
    one = nn.Sequential(nn.Sequential(backbone.body), head)
    network: Any = averaging(one, spec.members)
    return network.to(device=device, memory_format=_layout(device))


def _layout(device: torch.device) -> Any:
    # 27 % faster ResNet50 training on CPU, more on CUDA; MPS gains nothing.
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def build_learner(
    dls: DataLoaders,
    backbone: Backbone,
    loss: nn.Module,
    *,
    training: TrainingConfig,
    precision: str,
    head: Head = "mlp",
    cbs: Sequence[Callback] = (),
    metrics: Sequence[Any] = (),
    members: int = 1,
) -> Learner:
    """A ``vision_learner`` of ``backbone`` and our head, with what ``training`` asks for.

    It prints nothing. Its model is ``Sequential(body, head)`` on the device of ``dls``; with
    ``members``, an ``Ensemble`` of so many equal ones, to be filled and to predict only. For the
    head ``stages`` the body is read at several depths.
    """
    classes = list(dls.vocab)
    if head == "stages":
        backbone = staged(backbone)
    learn = vision_learner(
        dls,
        # vision_learner wants a constructor, drops its ``cut`` argument, and cuts before the
        # last pooling layer that it finds: so the built and filled body gets one to lose.
        lambda pretrained: nn.Sequential(backbone.body, nn.AdaptiveAvgPool2d(1)),
        n_out=len(classes),
        normalize=False,  # the loaders do it, pretrained or not
        pretrained=False,
        custom_head=build_head(
            backbone.n_features, len(classes), spatial=backbone.spatial, kind=head
        ),
        init=None,  # the head initialises itself
        splitter=split_for_rates,
        loss_func=loss,
        opt_func=_optimizer(training.optimizer),
        lr=training.learning_rate,
        wd=training.weight_decay,
        metrics=list(metrics),
        cbs=[*_technique(training, precision, backbone), *cbs],
    )
    learn.remove_cb(ProgressCallback)
    learn.logger = _say_nothing
    learn.model = averaging(learn.model, members)
    # Here and not in a callback at the fit's start: the optimizer's moments take their layout
    # from the parameters, and a restored optimizer must find the one that it was saved with.
    learn.model.to(device=dls.device, memory_format=_layout(dls.device))
    return learn


def _say_nothing(record: Any) -> None:
    """fastai's logger prints a table; ours is the console's."""


def _optimizer(name: str) -> Any:
    return partial(
        OptimWrapper,
        opt={
            "adamw": torch.optim.AdamW,
            "adam": torch.optim.Adam,
            # Nesterov's momentum needs one to start from; the schedule moves it later.
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
    """The loss on ``device``; ``weights`` by class or ``None`` for equal ones."""
    tensor = torch.tensor(weights, dtype=torch.float32) if weights is not None else None
    return DefectLoss(tensor, label_smoothing).to(device)
