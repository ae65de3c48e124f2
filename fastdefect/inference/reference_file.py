"""A reference as safetensors, in a bundle and in the folder of a run."""

from collections.abc import Mapping

import numpy as np

from fastdefect.errors import BundleError
from fastdefect.inference.tensors import read_tensors, tensor_bytes
from fastdefect.inference.unlike import Reference

# Of each tensor: the type of its values, and the number of axes.
_TYPES: Mapping[str, tuple[type, int]] = {
    "features": (np.float16, 2),
    "blocks": (np.int64, 1),
    "scales": (np.float64, 1),
    "scores": (np.float64, 1),
}


def reference_bytes(reference: Reference) -> bytes:
    """The fields of ``reference`` but alpha; the features as float16, which halves the file."""
    return tensor_bytes(
        {
            "features": reference.features.astype(np.float16),
            "blocks": np.array(reference.blocks, np.int64),
            "scales": np.array(reference.scales, np.float64),
            "scores": reference.scores.astype(np.float64),
        }
    )


def read_reference(content: bytes, alpha: float, where: str) -> Reference:
    """The reference in ``content``, from ``where``; raises ``BundleError`` if it is damaged."""
    found = read_tensors(content, _TYPES, "reference", where)
    for name, each in found.items():
        if not np.isfinite(each).all() or (name != "features" and (each < 0).any()):
            raise BundleError(f"{where}: {name} of its reference has values that are not valid.")
    features, blocks, scales, scores = found.values()
    if len(blocks) != len(scales) or blocks.min() < 1 or scales.min() <= 0:
        raise BundleError(f"{where}: the blocks of its reference are not valid.")
    # Python's integers can't overflow.
    if sum(blocks.tolist()) != features.shape[1]:
        raise BundleError(f"{where}: the blocks of its reference do not add up to its features.")
    return Reference(
        features.astype(np.float32),
        tuple(blocks.tolist()),
        tuple(scales.tolist()),
        np.sort(scores),
        alpha,
    )
