"""Which network a training begins with, and with which first weights.

``--arch auto`` is the mission's ResNet50 wherever its ImageNet weights can be had. Where they
can't, it is the network whose weights come with the install: some hundred photos teach little to
a network of random weights.
"""

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override
from fastdefect.events import Note, OnEvent
from fastdefect.training.backbones import Backbone, LoadedWeights, build_backbone
from fastdefect.training.efficientnet_lite import EFFICIENTNET_LITE0
from fastdefect.training.weights import INSTALL_PACKAGE

AUTO = "auto"
WANTED = "resnet50"


def build_network(
    config: RunConfig, on_event: OnEvent
) -> tuple[RunConfig, Backbone, LoadedWeights]:
    """The network of ``config`` with its first weights, and ``config`` with its name.

    Weights are looked for once. Raises what ``build_backbone`` does.
    """
    weights, size = config.model.weights, config.data.image_size
    if config.model.arch != AUTO:
        return config, *build_backbone(config.model.arch, weights, size)
    backbone, loaded = build_backbone(WANTED, weights, size)
    if not loaded.lacking:
        return override(config, {"arch": WANTED}), backbone, loaded
    packaged, of_packaged = build_backbone(EFFICIENTNET_LITE0, "auto", size)
    if not of_packaged.pretrained:
        on_event(
            Note(
                f"{EFFICIENTNET_LITE0}, for lack of {WANTED}'s weights, has none here either: "
                f"{of_packaged.lacking}. Mend it: {INSTALL_PACKAGE}",
                "warning",
            )
        )
        return override(config, {"arch": WANTED}), backbone, loaded
    on_event(
        Note(
            f"Network {EFFICIENTNET_LITE0}, whose weights came with the install: those of {WANTED} "
            f"are {loaded.lacking}. For {WANTED}, run once with a network, or give --weights FILE."
        )
    )
    return override(config, {"arch": EFFICIENTNET_LITE0}), packaged, of_packaged


def settle_weights(config: RunConfig, on_event: OnEvent) -> RunConfig:
    """The network named; ``auto`` weights that can't be had became none, told once, for good.

    Else each member would try to download them again, some perhaps with success.
    """
    if "auto" not in (config.model.arch, config.model.weights):
        return config
    config, _, loaded = build_network(config, on_event)
    if loaded.pretrained or config.model.weights != "auto":
        return config
    if loaded.source == "auto":  # for some networks there are none, which is no mishap
        on_event(Note(f"Weights: {loaded.note}.", "warning"))
    return override(config, {"weights": "none"})
