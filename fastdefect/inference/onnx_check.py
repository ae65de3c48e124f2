"""Checks of an ONNX file before a runtime loads it.

An ONNX file can name other files as the source of its tensors, operators of other libraries, and
control flow without an end. None of these is needed, so only plain operators with their tensors
inside the file are accepted. The check reads the wire format of protocol buffers (field numbers:
``onnx.proto``, version 1.17), because the ``onnx`` package is no dependency of an inspection.
"""

from collections.abc import Iterator

from fastdefect.errors import BundleError

# All operators of the exported networks, and their relatives. No control flow (If, Loop, Scan), no
# random numbers, no strings.
OPERATORS = frozenset(
    (
        "Abs Add ArgMax AveragePool BatchNormalization Cast Ceil Clip Concat Constant "
        "ConstantOfShape Conv ConvTranspose DepthToSpace DequantizeLinear Div Dropout Elu "
        "Equal Erf Exp Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm "
        "GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GroupNormalization "
        "HardSigmoid HardSwish Identity InstanceNormalization LRN LayerNormalization "
        "LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max MaxPool Mean Min Mish Mod Mul "
        "Neg Not Or Pad Pow PRelu QuantizeLinear Range Reciprocal ReduceL2 ReduceLogSumExp "
        "ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape "
        "Resize Round ScatterElements ScatterND Selu Shape Sigmoid Sign Size Slice Softmax "
        "Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Trilu Unsqueeze "
        "Where"
    ).split()
)
_DOMAINS = ("", "ai.onnx")

Value = int | memoryview  # a number, or the bytes of a nested message, text or tensor


def check_onnx(content: bytes, where: str) -> None:
    """Raise ``BundleError`` if the network in ``content`` uses more than plain operators."""
    try:
        for number, value in _fields(content):
            if number == 7:  # ModelProto.graph
                _check_graph(_bytes(value))
            elif number == 25:  # ModelProto.functions
                raise _RefusedError("it defines functions of its own")
    except _RefusedError as error:
        raise BundleError(
            f"{where}: its network is refused: {error}.",
            "Use a bundle that fastdefect export has written.",
        ) from None


class _RefusedError(Exception):
    """Why a network is refused."""


def _check_graph(graph: memoryview) -> None:
    for number, value in _fields(graph):
        if number == 1:
            _check_node(_bytes(value))
        elif number == 5:  # initializer
            _check_tensor(_bytes(value))
        elif number == 15:
            raise _RefusedError("it has sparse tensors")


def _check_node(node: memoryview) -> None:
    operator, domain = "", ""
    for number, value in _fields(node):
        if number == 4:
            operator = _text(value)
        elif number == 7:
            domain = _text(value)
        elif number == 5:
            _check_attribute(_bytes(value))
    if domain not in _DOMAINS:
        raise _RefusedError(f"it has the operator {operator!r:.60} of the domain {domain!r:.60}")
    if operator not in OPERATORS:
        raise _RefusedError(f"it has the operator {operator!r:.60}, which no exported network uses")


def _check_attribute(attribute: memoryview) -> None:
    for number, value in _fields(attribute):
        if number in (5, 10):  # t, tensors
            _check_tensor(_bytes(value))
        elif number in (6, 11):  # g, graphs
            raise _RefusedError("it has graphs inside operators")
        elif number in (22, 23):
            raise _RefusedError("it has sparse tensors")


def _check_tensor(tensor: memoryview) -> None:
    for number, value in _fields(tensor):
        if number == 13 or (number == 14 and value != 0):  # external_data, data_location
            raise _RefusedError("it reads tensors from other files")


def _bytes(value: Value) -> memoryview:
    if isinstance(value, int):
        raise _RefusedError("its file is damaged")
    return value


def _text(value: Value) -> str:
    return bytes(_bytes(value)).decode("utf-8", "replace")


def _fields(message: bytes | memoryview) -> Iterator[tuple[int, Value]]:
    """The numbers and values of the fields of a message; nothing is copied."""
    view, at = memoryview(message), 0
    while at < len(view):
        key, at = _varint(view, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(view, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(view, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise _RefusedError("its file is damaged")
        if at + length > len(view):
            raise _RefusedError("its file is truncated")
        yield number, view[at : at + length]
        at += length


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            raise _RefusedError("its file is truncated")
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise _RefusedError("its file is damaged")
