"""Our reader of safetensors: what the library writes, and nothing else."""

import json
from typing import Any

import numpy as np
import pytest
from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fastdefect.errors import BundleError
from fastdefect.inference.tensors import read_tensors, tensor_bytes

DTYPES = (np.float16, np.float64, np.int64, np.uint8)
TYPES = {"a": (np.int64, 1), "b": (np.float16, 2)}
TENSORS: dict[str, NDArray[Any]] = {"a": np.arange(3), "b": np.ones((2, 5), np.float16)}


def _file(header: Any, values: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + values


def _read(content: bytes) -> dict[str, Any]:
    return read_tensors(content, TYPES, "reference", "x.fdb")


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=9).filter(lambda name: name != "__metadata__"),
        st.sampled_from(DTYPES).flatmap(
            lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=3, max_side=5))
        ),
        min_size=1,
        max_size=5,
    )
)
def test_what_the_library_writes_is_read_bit_by_bit(tensors: dict[str, Any]) -> None:
    types = {name: (each.dtype.type, each.ndim) for name, each in tensors.items()}
    found = read_tensors(save(tensors), types, "reference", "x.fdb")
    assert list(found) == list(tensors)
    for name, each in tensors.items():
        assert found[name].dtype == each.dtype
        assert found[name].shape == each.shape
        assert found[name].tobytes() == each.tobytes()


def test_what_is_written_is_read_by_the_library() -> None:
    found = load(tensor_bytes(TENSORS))
    assert all(np.array_equal(found[name], each) for name, each in TENSORS.items())


@examples(300)
@given(st.data())
def test_damaged_bytes_are_refused_or_read_as_the_library_reads_them(data: st.DataObject) -> None:
    content = bytearray(save(TENSORS))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(len(content) - 20, len(content)))]
    try:
        found = _read(bytes(content))
    except BundleError:
        return
    expected = load(bytes(content))
    assert all(found[name].tobytes() == expected[name].tobytes() for name in TYPES)


A = {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}
B = {"dtype": "F16", "shape": [1, 1], "data_offsets": [8, 10]}


def test_the_parts_of_the_next_test_are_valid_together() -> None:
    assert _read(_file({"a": A, "b": B}, bytes(10)))["a"].tolist() == [0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cut off"),
        (b"\x00" * 8, "cut off"),
        (b"\xff" * 8, "too long"),
        (_file(b"{}" + b" " * (1 << 16)), "too long"),
        (_file(b"[" * 60_000), "header is damaged"),
        (_file(b"\xff\xfe"), "header is damaged at its start"),
        (_file([A, B]), "header is damaged"),
        (_file({"a": A}), "expected a, b, found a"),
        (_file({"a": A, "b": B, "c": B}), "expected a, b, found a, b, c"),
        (_file({"a": A, "b": B, "__metadata__": {"x": "y"}}), "damaged at __metadata__"),
        (_file({"a": A, "b": B | {"dtype": "BF16"}}), "damaged at b.dtype"),
        (_file({"a": A | {"shape": [-1]}, "b": B}), "damaged at a.shape.0"),
        (_file({"a": A | {"shape": [True]}, "b": B}), "damaged at a.shape.0"),
        (_file({"a": A | {"shape": [1.0]}, "b": B}), "damaged at a.shape.0"),
        (_file({"a": A | {"shape": [1] * 9}, "b": B}), "damaged at a.shape"),
        (_file({"a": A | {"data_offsets": [-8, 0]}, "b": B}), "damaged at a.data_offsets.0"),
        (_file({"a": A | {"data_offsets": [0, 8, 8]}, "b": B}), "damaged at a.data_offsets"),
        (_file({"a": A | {"data_offsets": [0.0, 8]}, "b": B}), "damaged at a.data_offsets.0"),
        (_file({"a": A | {"more": 1}, "b": B}), "damaged at a.more"),
        (_file({"a": A | {"shape": [2]}, "b": B}, bytes(10)), "expected the values of a at"),
        (_file({"a": A | {"shape": [2**70]}, "b": B}, bytes(10)), "expected the values of a at"),
        (
            _file({"a": A, "b": B | {"data_offsets": [6, 8]}}, bytes(8)),
            "expected the values of b at",
        ),
        (
            _file({"a": A, "b": B | {"data_offsets": [9, 11]}}, bytes(11)),
            "expected the values of b at",
        ),
        (_file({"a": A, "b": B}, bytes(9)), "expected 10 bytes of values, found 9"),
        (_file({"a": A, "b": B}, bytes(11)), "expected 10 bytes of values, found 11"),
    ],
)
def test_a_file_that_is_not_as_its_header_tells_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(BundleError, match=reason):
        _read(content)


def test_the_library_refuses_too() -> None:
    with pytest.raises(SafetensorError):
        load(_file({"a": A, "b": B | {"data_offsets": [6, 8]}}, bytes(8)))
