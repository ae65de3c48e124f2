"""Write tensors to a safetensors file, atomically."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from fastdefect.files import atomic_path

_OS_ERROR = re.compile(r"\(os error (\d+)\)")


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], header: Mapping[str, str]) -> None:
    """Write ``tensors`` by name with a ``header`` of texts. Raises ``OSError``."""
    with atomic_path(path) as temporary:
        try:
            save_file(tensors, temporary, metadata=dict(header))
        except SafetensorError as error:
            # The library has an error of its own for a full disk; only its text has the number.
            if (found := _OS_ERROR.search(str(error))) is None:
                raise
            number = int(found[1])
            raise OSError(number, os.strerror(number)) from error
