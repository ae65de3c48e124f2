"""A reference as safetensors, in a bundle and in the folder of a run."""

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fastdefect.errors import BundleError
from fastdefect.inference.unlike import Reference

# Of each tensor: the type of its values, and the number of axes.
_TYPES = {
    "features": (np.float16, 2),
    "blocks": (np.int64, 1),
    "scales": (np.float64, 1),
    "scores": (np.float64, 1),
}


def reference_bytes(reference: Reference) -> bytes:
    """The fields of ``reference`` but alpha; the features as float16, which halves the file."""
    return save(
        {
            "features": reference.features.astype(np.float16),
            "blocks": np.array(reference.blocks, np.int64),
            "scales": np.array(reference.scales, np.float64),
            "scores": reference.scores.astype(np.float64),
        }
    )


def read_reference(content: bytes, alpha: float, where: str) -> Reference:
    """The reference in ``content``, from ``where``; raises ``BundleError`` if it is damaged."""
    try:
        found = load(content)
        if found.keys() != _TYPES.keys():
            raise ValueError(f"expected {', '.join(_TYPES)}, found {', '.join(found)[:200]}")
        features, blocks, scales, scores = (found[name] for name in _TYPES)
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"{where}: its reference can't be read: {error}.") from error
    for name, (dtype, ndim) in _TYPES.items():
        each = found[name]
        if each.dtype != dtype or each.ndim != ndim or not each.size:
            raise BundleError(
                f"{where}: expected {name} of its reference with {ndim} axes of {dtype.__name__}, "
                f"found shape {each.shape} of {each.dtype}."
            )
        if not np.isfinite(each).all() or (name != "features" and (each < 0).any()):
            raise BundleError(f"{where}: {name} of its reference has values that are not valid.")
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
