"""The methods for heat maps, each declared once. Nothing here imports torch.

A method combines the maps of a stage of a network and the gradients of the target by these
maps, or it reads the weights of the last layer, or it hides places of the photo.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from fastdefect.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

Needs = Literal["gradients", "linear head", "memory", "outputs"]
Head = Literal["linear", "memory", "other"]


@dataclass(frozen=True)
class Method:
    """A method for heat maps.

    ``needs``: gradients inside the network, a linear layer as head, a memory of good parts, or the
    outputs only.
    ``combine``: for gradients, from maps and gradients (n, c, h, w) of a stage to the evidence
    (n, h, w) at each place. ``depth``: the stage that is read, 1 is the last, 2 the one before.
    """

    name: str
    title: str
    source: str
    needs: Needs
    combine: "Callable[[Tensor, Tensor], Tensor] | None" = None
    depth: int = 1


def _grad_cam(maps: "Tensor", gradients: "Tensor") -> "Tensor":
    """The maps, weighted by the mean gradient of each."""
    return (gradients.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1)


def _hires_cam(maps: "Tensor", gradients: "Tensor") -> "Tensor":
    """Each place of the maps, times its own gradient; for a linear head this is exact."""
    return (gradients * maps).sum(dim=1)


def _layer_cam(maps: "Tensor", gradients: "Tensor") -> "Tensor":
    """As HiRes-CAM, but only places that raise the target count."""
    return (gradients.clamp(min=0) * maps).sum(dim=1)


_SELVARAJU = "Selvaraju et al. 2017, Grad-CAM"
_DRAELOS = "Draelos and Carin 2020, Use HiResCAM instead of Grad-CAM"
_JIANG = "Jiang et al. 2021, LayerCAM"

_ALL = (
    Method("grad-cam", "Grad-CAM, last stage", _SELVARAJU, "gradients", _grad_cam),
    Method("hires-cam", "HiRes-CAM, stage before the last", _DRAELOS, "gradients", _hires_cam, 2),
    Method("hires-cam-fine", "HiRes-CAM, two stages before", _DRAELOS, "gradients", _hires_cam, 3),
    Method("layer-cam", "LayerCAM, stage before the last", _JIANG, "gradients", _layer_cam, 2),
    Method(
        "patch-scores",
        "parts of the logit by place",
        "Zhou et al. 2016, class activation mapping; for deviations as well: explain/patches.py",
        "linear head",
    ),
    Method(
        "distance",
        "distance to the places of good parts",
        "Roth et al. 2022, PatchCore",
        "memory",
    ),
    Method(
        "occlusion",
        "occlusion, places filled in",
        "Zeiler and Fergus 2014, Visualizing and understanding convolutional networks",
        "outputs",
    ),
)
METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})

AUTO = "auto"
# The best of those that were measured (docs/explain.md), and for families where another is better.
_USUAL = "hires-cam"
_OF_FAMILY = MappingProxyType({"resnet": "hires-cam-fine"})


def choose_method(name: str, arch: str, *, stages: int, head: Head) -> Method:
    """The method ``name``; for ``auto`` the one that measured best.

    ``stages``: the number of stages of the network that have maps, 0 for a bundle. ``head``: one
    linear layer, a memory of good parts, or something else. Raises ``UsageError`` if the network
    can't be used with the method.
    """
    if name == AUTO:
        if not stages:
            return METHODS["occlusion"]
        if head == "memory":
            return METHODS["distance"]
        family = arch.rstrip("0123456789")
        return METHODS[_OF_FAMILY.get(family, _USUAL)]
    if name not in METHODS:
        raise UsageError(f"--method {name}: expected {AUTO}, {', '.join(METHODS)}.")
    method = METHODS[name]
    if method.needs != "outputs" and not stages:
        raise UsageError(
            f"--method {name} reads maps inside the network, but {arch} has none that can be read.",
            "Use --method occlusion, which needs only the outputs. Bundles have only outputs.",
        )
    if (method.needs == "memory") != (head == "memory") and method.needs != "outputs":
        wanted = "distance" if head == "memory" else "a method of networks"
        learn = "good or both" if method.needs == "memory" else "good"
        raise UsageError(
            f"--method {name} is for models {'' if method.needs == 'memory' else 'not '}trained "
            f"with --learn {learn}.",
            f"Use --method {AUTO}, occlusion or {wanted}.",
        )
    if method.needs == "linear head" and head != "linear":
        raise UsageError(
            f"--method {name} needs a head that is one linear layer, but this one has several.",
            "Use another method, or train with --tune head.",
        )
    return method
