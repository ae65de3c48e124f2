"""Tensors of a safetensors file whose names, types and axes are known.

Read by our own lines: a line does without one more compiled package, and a bundle from elsewhere
meets as little code as possible. The format, https://huggingface.co/docs/safetensors: the length of
the header (8 bytes, little endian), the header as JSON, and the values of the tensors without gaps.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from fastdefect.errors import BundleError
from fastdefect.inference.card import first_problem

_DTYPES = {"F16": np.float16, "F64": np.float64, "I64": np.int64, "U8": np.uint8}
_LENGTH_BYTES = 8
_MOST_HEADER_BYTES = 1 << 16  # ours have some 300

_Natural = Annotated[int, Field(ge=0)]


class _Tensor(BaseModel):
    """Where in the values a tensor lies, in bytes from their first, and what it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    dtype: Literal["F16", "F64", "I64", "U8"]
    shape: list[_Natural] = Field(max_length=8)
    data_offsets: tuple[_Natural, _Natural]

    @property
    def n_bytes(self) -> int:
        """The bytes that its values take; Python's integers can't overflow."""
        return math.prod(self.shape) * np.dtype(_DTYPES[self.dtype]).itemsize

    def values(self, data: bytes) -> NDArray[Any]:
        """Its values among those of all tensors, as an array that can't be written to."""
        dtype = np.dtype(_DTYPES[self.dtype]).newbyteorder("<")
        begin = self.data_offsets[0]
        return np.frombuffer(data, dtype, math.prod(self.shape), begin).reshape(self.shape)


_HEADER = TypeAdapter(dict[str, _Tensor])


def tensor_bytes(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """A safetensors file of ``tensors``, as the library of that name writes it."""
    from safetensors.numpy import save  # not on a line, which only reads

    return save(dict(tensors))


def read_tensors(
    content: bytes,
    types: Mapping[str, tuple[type, int]],
    what: str,
    where: str,
    *,
    more: Mapping[str, tuple[type, int]] | None = None,
) -> dict[str, NDArray[Any]]:
    """The tensors in ``content`` in the order of ``types``: of each the type and number of axes.

    ``more`` may be there as well, all or none of them. The arrays can't be written to. Raises
    ``BundleError``, which names ``what`` and ``where``, for other tensors and for empty ones.
    """
    try:
        found = _read(content, types, more or {})
    except ValueError as error:
        raise BundleError(f"{where}: its {what} can't be read: {error}.") from error
    types = types if len(found) == len(types) else {**types, **(more or {})}
    for name, (dtype, n_axes) in types.items():
        each = found[name]
        if each.dtype != dtype or each.ndim != n_axes or not each.size:
            raise BundleError(
                f"{where}: expected {name} of its {what} with {n_axes} axes of {dtype.__name__}, "
                f"found shape {each.shape} of {each.dtype}."
            )
    return found


def _read(content: bytes, names: Iterable[str], more: Iterable[str]) -> dict[str, NDArray[Any]]:
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    if not _LENGTH_BYTES < start <= min(len(content), _MOST_HEADER_BYTES):
        raise ValueError("its header is cut off, or too long")
    try:
        header = _HEADER.validate_json(content[_LENGTH_BYTES:start])
    except ValidationError as error:
        place, reason = first_problem(error, "its start")
        raise ValueError(f"its header is damaged at {place:.100}: {reason}") from None
    if header.keys() == {*names, *more}:
        names = (*names, *more)
    if header.keys() != set(names):
        found = ", ".join(sorted(header))
        raise ValueError(f"expected {', '.join(names)}, found {found:.200}")
    data = content[start:]
    end = 0
    for name, tensor in sorted(header.items(), key=lambda each: each[1].data_offsets):
        expected = (end, end + tensor.n_bytes)
        if tensor.data_offsets != expected:
            begin, stop = tensor.data_offsets
            raise ValueError(
                f"expected the values of {name:.100} at bytes {expected[0]:,} to {expected[1]:,}, "
                f"found {begin:,} to {stop:,}"
            )
        end += tensor.n_bytes
    if end != len(data):
        raise ValueError(f"expected {end:,} bytes of values, found {len(data):,}")
    return {name: header[name].values(data) for name in names}
