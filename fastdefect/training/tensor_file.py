"""Write tensors to a safetensors file, atomically."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save

from fastdefect.files import write_bytes


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], header: Mapping[str, str]) -> None:
    """Write ``tensors`` by name with a ``header`` of texts. Raises ``OSError``.

    The library's own ``save_file`` has a temporary file that a killed process leaves for ever, and
    says that a disk is full by an error without a number.
    """
    write_bytes(path, save(tensors, metadata=dict(header)))
