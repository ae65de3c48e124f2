"""fastdefect: from a folder of part photos to a defect classifier that a factory can trust."""

import warnings
from typing import TYPE_CHECKING, Any

from fastdefect.process import wait_briefly

if TYPE_CHECKING:
    from fastdefect.api import Predictions, Run, audit, compare, fit, predict
    from fastdefect.errors import FastdefectError
    from fastdefect.inference.inspector import Inspector, PartDecision
    from fastdefect.inference.judge import Decision

__all__ = [
    "Decision",
    "FastdefectError",
    "Inspector",
    "PartDecision",
    "Predictions",
    "Run",
    "__version__",
    "audit",
    "compare",
    "fit",
    "predict",
]

__version__ = "0.1.0"

# fastai 2.8 compiles two activations with torch.jit.script when it is imported. torch 2.15 warns
# about that, but the user can't change it.
warnings.filterwarnings(
    "ignore", message="`torch.jit.script` is deprecated", category=FutureWarning
)

# Called here, as OpenMP reads the setting when torch is imported.
wait_briefly()

# Where each name of the package comes from; imported when it is used.
_PUBLIC = {
    **dict.fromkeys(("Predictions", "Run", "audit", "compare", "fit", "predict"), "fastdefect.api"),
    "FastdefectError": "fastdefect.errors",
    **dict.fromkeys(("Inspector", "PartDecision"), "fastdefect.inference.inspector"),
    "Decision": "fastdefect.inference.judge",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _PUBLIC:
        raise AttributeError(f"module 'fastdefect' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
