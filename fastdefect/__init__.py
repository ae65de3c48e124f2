"""fastdefect: from a folder of part photos to a defect classifier that a factory can trust."""

import warnings

from fastdefect.process import wait_briefly

__version__ = "0.1.0"

# fastai 2.8 compiles two activations with torch.jit.script while it is imported; torch 2.15
# warns of that to every user, who can do nothing about it.
warnings.filterwarnings(
    "ignore", message="`torch.jit.script` is deprecated", category=FutureWarning
)

# Here, as OpenMP reads it when torch is imported.
wait_briefly()
