"""A reference as safetensors, in a bundle and in the folder of a run."""

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fastdefect.errors import BundleError
from fastdefect.inference.unlike import Reference


def reference_bytes(reference: Reference) -> bytes:
    """The features (m, d) of ``reference`` as float16, which halves the file, and its scores."""
    features = reference.features.astype(np.float16)
    return save({"features": features, "scores": reference.scores})


def read_reference(content: bytes, alpha: float, where: str) -> Reference:
    """The reference in ``content``, from ``where``; raises ``BundleError`` if it is damaged."""
    try:
        found = load(content)
        features, scores = found["features"], found["scores"]
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"{where}: its reference can't be read: {error}.") from error
    right = (
        features.ndim == 2
        and features.dtype == np.float16
        and scores.ndim == 1
        and scores.dtype == np.float64
        and features.size > 0
        and scores.size > 0
    )
    if not right or not (np.isfinite(features).all() and np.isfinite(scores).all()):
        raise BundleError(
            f"{where}: expected a reference of finite features (m, d) float16 and scores (p,) "
            f"float64, found {features.shape} {features.dtype} and {scores.shape} {scores.dtype}."
        )
    return Reference(features.astype(np.float32), np.sort(scores), alpha)
