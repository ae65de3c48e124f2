"""Tensors of a safetensors file whose names, types and axes are known."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from fastdefect.errors import BundleError


def read_tensors(
    content: bytes, types: Mapping[str, tuple[type, int]], what: str, where: str
) -> dict[str, NDArray[Any]]:
    """The tensors in ``content`` in the order of ``types``: of each the type and number of axes.

    Raises ``BundleError``, which names ``what`` and ``where``, for others and for empty ones.
    """
    try:
        loaded = load(content)
        if loaded.keys() != types.keys():
            names = ", ".join(sorted(loaded))
            raise ValueError(f"expected {', '.join(types)}, found {names:.200}")
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"{where}: its {what} can't be read: {error}.") from error
    found = {name: loaded[name] for name in types}
    for name, (dtype, n_axes) in types.items():
        each = found[name]
        if each.dtype != dtype or each.ndim != n_axes or not each.size:
            raise BundleError(
                f"{where}: expected {name} of its {what} with {n_axes} axes of {dtype.__name__}, "
                f"found shape {each.shape} of {each.dtype}."
            )
    return found
