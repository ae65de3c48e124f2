"""fastdefect: from a folder of part photos to a defect classifier that a factory can trust."""

import warnings

from fastdefect.process import wait_briefly

__version__ = "0.1.0"

# fastai 2.8 compiles two activations with torch.jit.script when it is imported. torch 2.15 warns
# about that, but the user can't change it.
warnings.filterwarnings(
    "ignore", message="`torch.jit.script` is deprecated", category=FutureWarning
)

# Called here, as OpenMP reads the setting when torch is imported.
wait_briefly()
