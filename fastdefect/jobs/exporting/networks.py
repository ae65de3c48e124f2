"""The files of a bundle's network: ONNX, ONNX with 8-bit integers, or OpenVINO."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from fastdefect.aliases import Floats32, Pixels
from fastdefect.errors import UsageError
from fastdefect.inference.bundle import ONNX
from fastdefect.machine import MachineError
from fastdefect.scratch import Scratch
from fastdefect.training.inference_graph import (
    INPUTS,
    InferenceGraph,
    without_messages,
    write_onnx,
)

Runtime = Literal["onnx", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]
Inputs = tuple[Pixels | Floats32, ...]  # of the network for one photo, (1, ...) each

# Operators that take most of the time, and the activations after them, so that the range of their
# result is that of the activation; the others stay in single precision.
_QUANTIZED = ("Conv", "MatMul", "Clip", "Relu")


def require_runtime(runtime: Runtime, precision: Precision) -> None:
    """Raise ``UsageError`` for a format that is not installed or a combination that is not made."""
    if runtime == "onnx":
        if precision == "bf16":
            raise UsageError(
                "--quantize bf16 is for OpenVINO: ONNX Runtime has no fast bf16 on CPUs.",
                "Add --format openvino.",
            )
        return
    if precision == "int8":
        raise UsageError(
            "--quantize int8 makes an ONNX network, not an OpenVINO one.",
            "Remove --format or --quantize.",
        )
    if find_spec("openvino") is None:
        raise UsageError(
            "--format openvino: OpenVINO is not installed.",
            'Install it: python -m pip install "fastdefect[openvino]"',
        )
    if precision == "bf16" and not _has_bf16():
        raise UsageError(
            "--quantize bf16: the CPU of this machine does not compute in bf16, so it can't be "
            "checked here.",
            "Export on a machine like that of the line, or remove --quantize.",
        )


def _has_bf16() -> bool:
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def onnx_file(graph: InferenceGraph) -> bytes:
    """The graph as ONNX in single precision."""
    with Scratch() as scratch:
        path = scratch.folder / ONNX
        write_onnx(graph, path)
        return folded(path.read_bytes())


def folded(content: bytes) -> bytes:
    """The network with its constants computed, and without the exporter's notes.

    A bundle's reader computes no constants, because it could not limit their memory. The notes have
    paths of this machine.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # A higher level writes operators of ONNX Runtime itself.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with Scratch() as scratch:
        path = scratch.folder / ONNX
        options.optimized_model_filepath = str(path)
        with _written(path):
            onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        model = onnx.load(path)
    _join_equal_weights(model.graph)
    for each in (model, model.graph, *model.graph.node, *model.graph.value_info):
        each.ClearField("metadata_props")
        each.ClearField("doc_string")
    return model.SerializeToString()


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """ONNX Runtime has no error of the system for a full disk, only this text."""
    try:
        yield
    except Exception as error:
        if "serialization failed" not in str(error):
            raise
        raise MachineError(
            f"{path}: expected to write a temporary file, but it can't be written.",
            "Free space in this folder, or name another one: TMPDIR=FOLDER.",
        ) from error


def _join_equal_weights(graph: Any) -> None:
    """Keep one of equal tensors: a body that is called twice has its folded weights twice."""
    first: dict[bytes, str] = {}
    same: dict[str, str] = {}
    for tensor in graph.initializer:
        name = tensor.name
        tensor.name = ""
        key = sha256(tensor.SerializeToString()).digest()
        tensor.name = name
        same[name] = first.setdefault(key, name)
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)
    kept = [tensor for tensor in graph.initializer if same[tensor.name] == tensor.name]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def network_files(
    onnx: bytes, precision: Precision, calibration: Sequence[Inputs]
) -> dict[str, bytes]:
    """The members of a bundle for the network in ``onnx``, which OpenVINO reads as it is.

    ``calibration``: the inputs for training photos, one by one, from which int8 takes the range of
    each activation.
    """
    return {ONNX: _int8(onnx, calibration) if precision == "int8" else onnx}


class _Calibration:
    """Gives the calibration photos one by one, as ONNX Runtime asks for them."""

    def __init__(self, photos: Sequence[Inputs]) -> None:
        self._photos = iter(photos)

    def get_next(self) -> dict[str, Pixels | Floats32] | None:
        photo = next(self._photos, None)
        return None if photo is None else dict(zip(INPUTS, photo, strict=False))


def _int8(onnx: bytes, calibration: Sequence[Inputs]) -> bytes:
    """Static quantisation: weights and activations of the heavy operators as 8-bit integers."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with Scratch() as scratch, without_messages(""):  # the root logger
        names = ("fp32", "in", "int8")
        source, prepared, target = (scratch.folder / f"{name}.onnx" for name in names)
        source.write_bytes(onnx)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            target,
            _Calibration(calibration),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTIZED),
            per_channel=True,
            # Unsigned activations and signed weights are what the integer units of CPUs take.
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        return target.read_bytes()
