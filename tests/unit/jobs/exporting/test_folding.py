"""Constants are computed at the export, because a bundle's reader computes none."""

import numpy as np
import onnx
import pytest
from helpers.bundles import network_of, photo_of
from onnx import helper

from fastdefect.inference.network import _Onnx
from fastdefect.inference.onnx_check import check_onnx
from fastdefect.jobs.exporting.networks import folded
from fastdefect.machine import MachineError


def unfolded() -> bytes:
    """A convolution whose weights are a product of constants, with an exporter's note."""
    node = helper.make_node
    nodes = [
        node("Mul", ["w", "scale"], ["weights"]),
        node("Cast", ["photos"], ["f"], to=1),
        node("Transpose", ["f"], ["channels"], perm=[0, 3, 1, 2]),
        node("Conv", ["channels", "weights"], ["map"]),
        node("GlobalAveragePool", ["map"], ["means"]),
        node("Flatten", ["means"], ["features"]),
        node("Reshape", ["features", "shape"], ["logits"]),
    ]
    nodes[0].metadata_props.append(onnx.StringStringEntryProto(key="trace", value="/home/ann/x.py"))
    tensors = {
        "w": np.ones((2, 3, 1, 1), np.float32),
        "scale": np.float32(0.5),
        "shape": np.array([-1, 1, 2]),
    }
    return network_of(nodes, tensors, {"logits": ("n", 1, 2), "features": ("n", 2)})


def test_constants_are_computed_and_notes_removed() -> None:
    content = folded(unfolded())
    model = onnx.load_from_string(content)
    assert "Mul" not in {node.op_type for node in model.graph.node}
    assert b"/home/ann" in unfolded()
    assert b"/home/ann" not in content
    check_onnx(content, "x")


def test_the_outputs_stay_the_same() -> None:
    _, features = _Onnx(folded(unfolded()), "x", 1)(np.stack([photo_of(10), photo_of(200)]))
    np.testing.assert_allclose(features, [[15, 15], [300, 300]], rtol=1e-6)


def test_a_full_folder_for_temporary_files_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ONNX Runtime says it when a write of the folded network fails."""

    def full(*arguments: object, **options: object) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 7 : Protobuf serialization failed.")

    monkeypatch.setattr("onnxruntime.InferenceSession", full)
    with pytest.raises(MachineError, match=r"network\.onnx: expected to write a temporary file"):
        folded(b"")
