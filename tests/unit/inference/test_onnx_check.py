"""Networks that a runtime must never see."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from helpers.bundles import tiny_network
from onnx import TensorProto, helper, numpy_helper

from fastdefect.errors import BundleError
from fastdefect.inference import onnx_check
from fastdefect.inference.onnx_check import check_onnx


def changed(change: Callable[[onnx.ModelProto], object]) -> bytes:
    model = onnx.load_from_string(tiny_network())
    change(model)
    return model.SerializeToString()


def with_node(operator: str, domain: str = "", **attributes: object) -> bytes:
    node = helper.make_node(operator, ["photos"], ["more"], domain=domain, **attributes)
    return changed(lambda model: model.graph.node.append(node))


def refused(content: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        check_onnx(content, "x.fdb")
    assert caught.value.message.startswith("x.fdb: its network is refused: ")
    return caught.value.message


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def test_the_tiny_network_is_accepted() -> None:
    check_onnx(tiny_network(), "x")


def test_weights_of_eight_bits_are_accepted() -> None:
    def convolve(model: onnx.ModelProto) -> None:
        weights = numpy_helper.from_array(np.ones((1, 3, 1, 1), np.int8), "w8")
        scale = numpy_helper.from_array(np.float32(0.5), "scale")
        model.graph.initializer.extend([weights, scale])
        model.graph.node.append(helper.make_node("DequantizeLinear", ["w8", "scale"], ["w"]))
        model.graph.node.append(helper.make_node("Conv", ["x", "w"], ["y"]))

    check_onnx(changed(convolve), "x")


@pytest.mark.parametrize(
    "operator",
    ["If", "Loop", "Scan", "RandomNormal", "StringNormalizer", "Optional", "NonZero", "Nothing"],
)
def test_operators_that_no_export_uses_are_refused(operator: str) -> None:
    assert f"the operator '{operator}'" in refused(with_node(operator))


@pytest.mark.parametrize("domain", ["com.microsoft", "ai.onnx.ml", "my.library", "ai.onnx "])
def test_operators_of_other_domains_are_refused(domain: str) -> None:
    assert f"of the domain '{domain}'" in refused(with_node("Relu", domain))


def test_the_last_of_two_names_counts_as_in_the_runtime() -> None:
    node = field(1, b"photos") + field(2, b"y") + field(4, b"Relu") + field(4, b"Loop")
    assert "'Loop'" in refused(field(7, field(1, node)))


def test_graphs_inside_operators_are_refused() -> None:
    body = helper.make_graph([], "body", [], [])
    assert "graphs inside" in refused(with_node("Relu", body=body))
    assert "graphs inside" in refused(with_node("Relu", bodies=[body]))


def test_functions_and_training_are_refused() -> None:
    function = helper.make_function("my", "Relu", ["x"], ["y"], [], [])
    assert "functions" in refused(changed(lambda model: model.functions.append(function)))
    assert "field 20" in refused(changed(lambda model: model.training_info.add()))


def test_tensors_in_other_files_are_refused() -> None:
    entry = onnx.StringStringEntryProto(key="location", value="/etc/passwd")
    marked, named = (numpy_helper.from_array(np.zeros(1, np.float32), "t") for _ in range(2))
    marked.data_location = TensorProto.EXTERNAL
    named.external_data.append(entry)
    for tensor in (marked, named):
        content = changed(lambda model, tensor=tensor: model.graph.initializer.append(tensor))
        assert "other files" in refused(content)
        assert "other files" in refused(with_node("Constant", value=tensor))


def test_sparse_tensors_and_texts_are_refused() -> None:
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("i", TensorProto.INT64, [1], [0]),
        [10**12],
    )
    content = changed(lambda model: model.graph.sparse_initializer.append(sparse))
    assert "sparse" in refused(content)
    assert "sparse" in refused(with_node("Constant", sparse_value=sparse))
    text = helper.make_tensor("t", TensorProto.STRING, [1], [b"x"])
    assert "text" in refused(changed(lambda model: model.graph.initializer.append(text)))


@pytest.mark.parametrize("dims", [[10**12], [2**40, 2**40], [-1], [0, 0, 0], [1] * 200])
def test_tensors_have_as_many_elements_as_bytes(dims: list[int]) -> None:
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=dims)
    content = changed(lambda model: model.graph.initializer.append(tensor))
    if dims == [0, 0, 0]:
        check_onnx(content, "x")
    else:
        assert "a tensor of" in refused(content)


@pytest.mark.parametrize("weights", ["photos", "bias", ""])
def test_convolutions_have_constant_weights_of_four_axes(weights: str) -> None:
    node = helper.make_node("Conv", ["photos", weights], ["y"])
    assert "convolution" in refused(changed(lambda model: model.graph.node.append(node)))


def test_a_tensor_inside_an_attribute_is_no_weight() -> None:
    """Its name is free, and the runtime ignores it."""

    def convolve(model: onnx.ModelProto) -> None:
        inner = numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32), "shares")
        model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=inner))
        model.graph.node.append(helper.make_node("Conv", ["x", "shares"], ["y"]))

    assert "are not constant" in refused(changed(convolve))


def test_a_key_of_more_than_32_bits_is_refused() -> None:
    """Other parsers drop its upper bits: this one they would read as the graph."""
    key = bytes([7 << 3 | 2 | 0x80, 0x80, 0x80, 0x80, 0x10])
    assert "damaged" in refused(tiny_network() + key + b"\x00")


def test_a_file_of_another_format_inside_a_field_is_refused() -> None:
    """ONNX Runtime's own format has its mark, ORTM, at byte 4, where a field can hide it."""
    assert "0 graphs" in refused(b"\x0a\x20\x00\x00ORTM" + bytes(26))
    assert "2 graphs" in refused(tiny_network() * 2)


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"\xff" * 20, b"\x3a\xff", b"PK", b"\x3b", b"\x38"]
)
def test_other_bytes_are_refused(content: bytes) -> None:
    refused(content)


def test_a_name_that_is_no_text_is_refused() -> None:
    """Python's part of ONNX Runtime fails on it only after the file is loaded."""
    assert "damaged" in refused(tiny_network().replace(b"colour", b"colou\xff"))


def test_every_cut_through_the_graph_is_refused() -> None:
    content = tiny_network()
    for end in range(len(content) - 6):  # the version of the operators follows the graph
        refused(content[:end])


def test_ten_thousand_messages_inside_each_other_are_not_followed() -> None:
    nested = b""
    for _ in range(10_000):
        nested = field(5, nested[-60_000:])
    check_onnx(changed(lambda model: None) + field(14, nested), "x")
    refused(field(7, field(1, nested)))


def test_very_many_operators_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_check, "_MAX_FIELDS", 2_000)
    nodes = field(1, field(4, b"Add"))
    assert "too many operators" in refused(field(7, nodes * 1_500))
    check_onnx(field(7, nodes * 900), "x")


def test_a_network_that_is_large_without_its_weights_is_refused() -> None:
    assert "too large" in refused(tiny_network() + field(6, bytes(33 << 20)))  # a description
