"""A reference as safetensors, in a bundle and in the folder of a run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.errors import BundleError
from fastdefect.inference.tensors import read_tensors, tensor_bytes
from fastdefect.inference.unlike import Reference, TileReference

# Of each tensor: the type of its values, and the number of axes.
_TYPES: Mapping[str, tuple[type, int]] = {
    "features": (np.float16, 2),
    "blocks": (np.int64, 1),
    "scales": (np.float64, 1),
    "scores": (np.float64, 1),
}
# Of a model in tiles.
_OF_TILES: Mapping[str, tuple[type, int]] = {
    "tile_features": (np.float16, 2),
    "tile_scales": (np.float64, 1),
}


def reference_bytes(reference: Reference) -> bytes:
    """The fields of ``reference`` but alpha; the features as float16, which halves the file."""
    tensors: dict[str, NDArray[Any]] = {
        "features": reference.features.astype(np.float16),
        "blocks": np.array(reference.blocks, np.int64),
        "scales": np.array(reference.scales, np.float64),
        "scores": reference.scores.astype(np.float64),
    }
    if reference.tiles is not None:
        tensors["tile_features"] = reference.tiles.features.astype(np.float16)
        tensors["tile_scales"] = np.array(reference.tiles.scales, np.float64)
    return tensor_bytes(tensors)


def read_reference(content: bytes, alpha: float, where: str) -> Reference:
    """The reference in ``content``, from ``where``; raises ``BundleError`` if it is damaged."""
    found = read_tensors(content, _TYPES, "reference", where, more=_OF_TILES)
    for name, each in found.items():
        if not np.isfinite(each).all() or ("features" not in name and (each < 0).any()):
            raise BundleError(f"{where}: {name} of its reference has values that are not valid.")
    features, blocks, scales, scores, *of_tiles = found.values()
    all_scales = [scales, *of_tiles[1:]]
    if blocks.min() < 1 or any(len(s) != len(blocks) or s.min() <= 0 for s in all_scales):
        raise BundleError(f"{where}: the blocks of its reference are not valid.")
    # Python's integers can't overflow.
    if any(sum(blocks.tolist()) != each.shape[1] for each in (features, *of_tiles[:1])):
        raise BundleError(f"{where}: the blocks of its reference do not add up to its features.")
    return Reference(
        features.astype(np.float32),
        tuple(blocks.tolist()),
        tuple(scales.tolist()),
        np.sort(scores),
        alpha,
        TileReference(of_tiles[0].astype(np.float32), tuple(of_tiles[1].tolist()))
        if of_tiles
        else None,
    )
