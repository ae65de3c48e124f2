"""The recipes: named sets of settings for ``--recipe``."""

from collections.abc import Mapping
from typing import Any

# Pretrained features change little (training/probe.py), and there is no strong regularisation,
# which would slow down a training on few photos with few epochs.
_PLAIN = {
    "head": "linear",
    "batch_norm": "frozen",
    "early_layers": "fixed",
    "learning_rate": 0.0002,
    "balance": "none",
    "mixup_alpha": 0.0,
    "label_smoothing": 0.0,
    "augment": "basic",
}

# What each recipe sets, by field. All recipes but ``legacy`` set the same fields.
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "plain": _PLAIN,
    "camera": {**_PLAIN, "augment": "camera"},
    "steady": {**_PLAIN, "augment": "steady"},
    # For defects that frozen features do not show: the network has to learn them.
    "fine": {**_PLAIN, "batch_norm": "train", "learning_rate": 0.0004},
    # For random weights and long trainings. This was the default of earlier versions.
    "full": {
        "head": "mlp",
        "batch_norm": "train",
        "early_layers": "train",
        "learning_rate": 0.0008,
        "balance": "sampler",
        "mixup_alpha": 0.3,
        "label_smoothing": 0.1,
        "augment": "steady",
    },
    # All settings of the improved version of the pipeline that fastdefect replaces.
    "legacy": {
        "arch": "resnet50",
        "head": "mlp",
        "batch_norm": "train",
        "early_layers": "train",
        "epochs": 25,
        "min_steps": 0,
        "batch_size": 24,
        "learning_rate": 0.0008,
        "weight_decay": 5e-4,
        "optimizer": "adamw",
        "scheduler": "onecycle",
        "mixup_alpha": 0.3,
        "label_smoothing": 0.1,
        "clip": 1.0,
        "weight_average": 0.0,
        "keep": "best",
        "freeze_epochs": 0,
        "patience": 12,
        "augment": "manufacturing",
        "balance": "sampler",
        "image_size": 224,
        "views": "none",
    },
}
