"""References as safetensors: what is not a reference is refused."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from helpers.bundles import tiny_reference
from numpy.typing import NDArray
from safetensors.numpy import load, save

from fastdefect.errors import BundleError
from fastdefect.inference.reference_file import read_reference, reference_bytes
from fastdefect.inference.unlike import TileReference


def changed(**tensors: NDArray[np.generic]) -> bytes:
    return save({**load(reference_bytes(tiny_reference())), **tensors})


def refused(content: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        read_reference(content, 0.1, "x.fdb")
    assert caught.value.message.startswith("x.fdb: ")
    return caught.value.message


def test_a_reference_is_read_back() -> None:
    reference = tiny_reference()
    read = read_reference(reference_bytes(reference), reference.alpha, "x")
    np.testing.assert_array_equal(read.features, reference.features)
    np.testing.assert_array_equal(read.scores, reference.scores)
    assert (read.blocks, read.scales, read.alpha) == ((4,), (0.05,), 0.2)


def of_tiles(features: NDArray[np.generic], scales: list[float]) -> bytes:
    return changed(tile_features=features, tile_scales=np.array(scales))


def test_a_reference_of_tiles_is_read_back_whole_or_refused() -> None:
    tiles = TileReference(np.eye(4, dtype=np.float32), (0.5,))
    read = read_reference(reference_bytes(replace(tiny_reference(), tiles=tiles)), 0.1, "x")
    assert read.tiles is not None
    np.testing.assert_array_equal(read.tiles.features, tiles.features)
    assert read.tiles.scales == tiles.scales
    half = np.eye(4, dtype=np.float16)
    assert "expected features" in refused(changed(tile_features=half))
    assert "blocks" in refused(of_tiles(half, [0.5, 0.5]))
    assert "not valid" in refused(of_tiles(half, [0.0]))
    assert "do not add up" in refused(of_tiles(np.eye(5, dtype=np.float16), [0.5]))
    assert "with 2 axes" in refused(of_tiles(np.zeros(4, np.float16), [0.5]))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("features", np.zeros((2, 4), np.float32), "damaged at features.dtype"),
        ("features", np.zeros((2, 2, 2), np.float16), "with 2 axes"),
        ("features", np.zeros((0, 4), np.float16), "found shape"),
        ("features", np.full((2, 4), np.nan, np.float16), "not valid"),
        ("features", np.zeros((2, 5), np.float16), "do not add up"),
        ("blocks", np.array([4], np.int32), "damaged at blocks.dtype"),
        ("blocks", np.array([2, 2], np.int64), "blocks"),
        ("blocks", np.array([-4], np.int64), "not valid"),
        ("blocks", np.array([0], np.int64), "not valid"),
        ("blocks", np.array([2**62 + 4], np.int64), "do not add up"),
        ("scales", np.array([0.0]), "not valid"),
        ("scales", np.array([np.inf]), "not valid"),
        ("scores", np.array([-1.0]), "not valid"),
        ("scores", np.array([np.nan]), "not valid"),
        ("scores", np.zeros((1, 1)), "with 1 axes"),
        ("more", np.zeros(1), "expected features"),
    ],
)
def test_tensors_that_are_no_reference_are_refused(
    name: str, value: NDArray[np.generic], reason: str
) -> None:
    assert reason in refused(changed(**{name: value}))


def test_blocks_whose_sum_overflows_are_refused() -> None:
    blocks = np.array([2**62, 2**62, 2**62, 2**62, 4], np.int64)  # 4, in 64 bits
    assert "do not add up" in refused(changed(blocks=blocks, scales=np.ones(5)))


def test_a_missing_tensor_is_named() -> None:
    tensors = load(reference_bytes(tiny_reference()))
    del tensors["scores"]
    assert "expected features, blocks, scales, scores" in refused(save(tensors))


def with_header(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        with_header([]),
        with_header({"features": {"dtype": "F16", "shape": [2**40], "data_offsets": [0, 4]}}),
        with_header(
            {"features": {"dtype": "F16", "shape": [2**33, 2**33], "data_offsets": [0, 8]}},
            bytes(8),
        ),
        with_header(
            {
                name: {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}
                for name in ("features", "blocks", "scales", "scores")
            },
            bytes(8),
        ),
        with_header({"features": {"dtype": "F8_E5M2", "shape": [1], "data_offsets": [0, 1]}}, b"x"),
        with_header({"features": {"dtype": "F16", "shape": [-1], "data_offsets": [0, 2]}}, b"xx"),
    ],
)
def test_damaged_files_are_refused(content: bytes) -> None:
    assert "can't be read" in refused(content)
