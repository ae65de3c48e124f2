"""Checks of an ONNX file before a runtime loads it.

An ONNX file can name other files as the source of its tensors, operators of other libraries, and
control flow without an end. None of these is needed, so only plain operators with their tensors
inside the file are accepted. The check reads the wire format of protocol buffers (field numbers:
``onnx.proto``, version 1.17), because the ``onnx`` package is no dependency of an inspection. It
must not read a file otherwise than the runtime does, so each message has a fixed list of fields.
"""

from collections.abc import Iterator

from fastdefect.errors import BundleError

# The operators of exported networks, and their relatives. No control flow (If, Loop, Scan), no
# random numbers, no strings. ConvTranspose with weights of a wrong shape ends the process.
OPERATORS = frozenset(
    (
        "Abs Add AveragePool BatchNormalization Cast Ceil Clip Concat Constant Conv "
        "DequantizeLinear Div Dropout Elu Equal Erf Exp Expand Flatten Floor Gather GatherND "
        "Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GroupNormalization "
        "HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less "
        "LessOrEqual Log LogSoftmax MatMul Max MaxPool Mean Min Mish Mul Neg Not Pad Pow PRelu "
        "QuantizeLinear Range Reciprocal ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin "
        "ReduceProd ReduceSum ReduceSumSquare Relu Reshape Round Selu Shape Sigmoid Sign Size "
        "Slice Softmax Softplus Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Unsqueeze Where"
    ).split()
)
_DOMAINS = ("", "ai.onnx")

# The accepted fields of each message. Left out: of the model training_info (20), functions (25)
# and configuration (26); of the graph sparse tensors (15); of an attribute graphs (6, 11), types
# (14, 15) and sparse tensors (22, 23); of a tensor segments (3), texts (6) and other files (13).
_MODEL = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 14))
_GRAPH = frozenset((1, 2, 5, 10, 11, 12, 13, 14, 16))
_NODE = frozenset((1, 2, 3, 4, 5, 6, 7, 9))
_ATTRIBUTE = frozenset((1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 20))
_TENSOR = frozenset((1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 14, 16))
_VALUES = frozenset((4, 5, 7, 9, 10, 11))  # of a tensor: the fields with its values
_REFUSED = {
    (_MODEL, 25): "it defines functions of its own",
    (_GRAPH, 15): "it has sparse tensors",
    (_ATTRIBUTE, 6): "it has graphs inside operators",
    (_ATTRIBUTE, 11): "it has graphs inside operators",
    (_ATTRIBUTE, 22): "it has sparse tensors",
    (_ATTRIBUTE, 23): "it has sparse tensors",
    (_TENSOR, 6): "it has tensors of text",
    (_TENSOR, 13): "it reads tensors from other files",
}

# The runtime needs a hundred times the memory of an empty operator's two bytes in the file.
_MAX_FIELDS = 200_000
_MAX_BYTES_WITHOUT_VALUES = 32 << 20

Value = int | memoryview  # a number, or the bytes of a nested message, text or tensor


def check_onnx(content: bytes, where: str) -> None:
    """Raise ``BundleError`` if the network in ``content`` uses more than plain operators."""
    try:
        _Check().model(content)
    except _RefusedError as error:
        raise BundleError(
            f"{where}: its network is refused: {error}.",
            "Use a bundle that fastdefect export has written.",
        ) from None


class _RefusedError(Exception):
    """Why a network is refused."""


class _Check:
    """Reads each message once, and counts fields and the bytes of values."""

    def __init__(self) -> None:
        self._fields_read = 0
        self._bytes_of_values = 0
        self._axes: dict[str, int] = {}  # of each initializer, by its name
        self._weights: list[str] = []  # of the convolutions
        self._dequantized: dict[str, str] = {}  # from the result to the 8-bit values

    def model(self, content: bytes) -> None:
        graphs = 0
        for number, value in self._fields(content, _MODEL):
            if number == 7:
                graphs += 1
                self._graph(_bytes(value))
        if graphs != 1:
            raise _RefusedError(f"it has {graphs} graphs instead of one")
        if len(content) - self._bytes_of_values > _MAX_BYTES_WITHOUT_VALUES:
            raise _RefusedError("it is too large without its weights")

    def _graph(self, graph: memoryview) -> None:
        for number, value in self._fields(graph, _GRAPH):
            if number == 1:
                self._node(_bytes(value))
            elif number == 5:  # initializer
                name, axes = self._tensor(_bytes(value))
                self._axes[name] = axes
        # ONNX Runtime 1.24 ends the process for weights of some other shapes.
        for name in self._weights:
            if self._axes.get(self._dequantized.get(name, name)) != 4:
                raise _RefusedError(f"the weights {name!r:.60} of a convolution are not constant")

    def _node(self, node: memoryview) -> None:
        operator, domain = "", ""
        inputs, outputs = [], []
        for number, value in self._fields(node, _NODE):
            if number == 1:
                inputs.append(_text(value))
            elif number == 2:
                outputs.append(_text(value))
            elif number == 4:
                operator = _text(value)
            elif number == 7:
                domain = _text(value)
            elif number == 5:
                self._attribute(_bytes(value))
        if domain not in _DOMAINS:
            raise _RefusedError(
                f"it has the operator {operator!r:.60} of the domain {domain!r:.60}"
            )
        if operator not in OPERATORS:
            raise _RefusedError(
                f"it has the operator {operator!r:.60}, which no exported network uses"
            )
        if operator == "Conv":
            self._weights += inputs[1:2] or [""]
        elif operator == "DequantizeLinear" and inputs and outputs:
            self._dequantized[outputs[0]] = inputs[0]

    def _attribute(self, attribute: memoryview) -> None:
        for number, value in self._fields(attribute, _ATTRIBUTE):
            if number in (5, 10):  # t, tensors
                self._tensor(_bytes(value))

    def _tensor(self, tensor: memoryview) -> tuple[str, int]:
        """Its name and the number of its axes; the name counts for an initializer only."""
        elements, values, axes, name = 1, 0, 0, ""
        for number, value in self._fields(tensor, _TENSOR):
            if number == 1:
                for length in _numbers(value):
                    elements *= length
                    axes += 1
            elif number == 8:
                name = _text(value)
            elif number == 14 and value != 0:  # data_location
                raise _RefusedError("it reads tensors from other files")
            elif number in _VALUES:
                values += len(value) if isinstance(value, memoryview) else 1
        self._bytes_of_values += values
        if elements > values:  # each needs a byte; a negative length is a huge number here
            raise _RefusedError(f"it has a tensor of {elements} elements in {values} bytes")
        return name, axes

    def _fields(
        self, message: bytes | memoryview, accepted: frozenset[int]
    ) -> Iterator[tuple[int, Value]]:
        for number, value in _read_fields(message):
            self._fields_read += 1
            if self._fields_read > _MAX_FIELDS:
                raise _RefusedError("it has too many operators and tensors")
            if number not in accepted:
                default = f"it has a field {number}, which no exported network has"
                raise _RefusedError(_REFUSED.get((accepted, number), default))
            yield number, value


def _bytes(value: Value) -> memoryview:
    if isinstance(value, int):
        raise _RefusedError("its file is damaged")
    return value


def _text(value: Value) -> str:
    try:
        return bytes(_bytes(value)).decode()
    except UnicodeDecodeError:
        raise _RefusedError("its file is damaged") from None


def _numbers(value: Value) -> Iterator[int]:
    """The numbers of a repeated field in either of its two forms."""
    if isinstance(value, int):
        yield value
        return
    if len(value) > 100:
        raise _RefusedError("it has a tensor of too many axes")
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        yield number


def _read_fields(message: bytes | memoryview) -> Iterator[tuple[int, Value]]:
    """The numbers and values of the fields of a message; nothing is copied."""
    view, at = memoryview(message), 0
    while at < len(view):
        key, at = _varint(view, at)
        if key >> 32:  # parsers differ: some drop the upper bits, and see another field
            raise _RefusedError("its file is damaged")
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
