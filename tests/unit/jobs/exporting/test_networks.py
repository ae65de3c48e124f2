"""The files of a network: what is refused, and a tiny network in each form."""

import importlib.util

import numpy as np
import onnx
import pytest
from helpers.bundles import photo_of, tiny_network

from fastdefect.errors import UsageError
from fastdefect.inference.bundle import ONNX
from fastdefect.jobs.exporting import networks
from fastdefect.jobs.exporting.networks import network_files, require_runtime


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (("onnx", "bf16"), "--quantize bf16 is for OpenVINO"),
        (("openvino", "int8"), "--quantize int8 makes an ONNX network"),
    ],
)
def test_forms_that_are_not_made(form: tuple[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        require_runtime(*form)  # type: ignore[arg-type]


def test_openvino_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="OpenVINO is not installed"):
        require_runtime("openvino", "fp32")
    require_runtime("onnx", "int8")


def test_bf16_needs_a_cpu_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "find_spec", lambda name: importlib.util.find_spec("numpy"))
    monkeypatch.setattr(networks, "_has_bf16", lambda: False)
    with pytest.raises(UsageError, match="does not compute in bf16"):
        require_runtime("openvino", "bf16")


def test_single_precision_is_the_source() -> None:
    source = tiny_network()
    assert network_files(source, "fp32", ()) == {ONNX: source}


def test_int8_has_integer_weights(capsys: pytest.CaptureFixture[str]) -> None:
    source = convolution()
    photos = [(photo_of(brightness)[None],) for brightness in (0, 90, 180, 255)]
    files = network_files(source, "int8", photos)
    graph = onnx.load_from_string(files[ONNX]).graph
    assert onnx.TensorProto.INT8 in {each.data_type for each in graph.initializer}
    assert capsys.readouterr().out == ""


def convolution() -> bytes:
    """An ONNX file with one convolution of 8 channels."""
    from helpers.bundles import network_of
    from onnx import TensorProto, helper

    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Cast", ["photos"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weights"], ["maps"]),
        helper.make_node("ReduceMean", ["maps", "axes"], ["features"], keepdims=0),
    ]
    tensors = {
        "weights": rng.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "axes": np.array([2, 3], np.int64),
    }
    return network_of(nodes, tensors, {"features": ("n", 8)})
