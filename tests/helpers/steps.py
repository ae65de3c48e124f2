"""Steps of an ablation."""

from dataclasses import asdict
from typing import Any

from fastdefect.config import RunConfig


def fields_of(config: RunConfig) -> dict[str, Any]:
    return {**asdict(config.data), **asdict(config.model), **asdict(config.training)}


def improved(**changes: Any) -> dict[str, Any]:
    """What ``ablate`` hands over, with the mission's values unless said."""
    mission = {
        **{"arch": "resnet50", "weights": "auto", "balance": "sampler", "image_size": 224},
        **{"augment": "manufacturing", "label_smoothing": 0.1, "mixup_alpha": 0.3, "clip": 1.0},
        **{"scheduler": "onecycle", "weight_decay": 5e-4, "freeze_epochs": 0, "epochs": 25},
        **{
            "head": "mlp",
            "batch_norm": "train",
            "early_layers": "train",
            "light": False,
            "weight_average": 0.98,
        },
    }
    return {**fields_of(RunConfig()), **mission, **changes}
