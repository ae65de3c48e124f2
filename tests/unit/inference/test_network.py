"""Networks in ONNX Runtime and OpenVINO: limits, shapes and values."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers.bundles import CLASSES, network_of, p_crack, photo_of, tiny_bundle, tiny_network
from onnx import TensorProto, helper

from fastdefect.errors import BundleError, UsageError
from fastdefect.inference import network as module
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.card import NetworkFacts
from fastdefect.inference.network import Network, open_network
from fastdefect.inference.outputs import probabilities_of

node = helper.make_node


def opened(tmp_path: Path, content: bytes | None = None, **changes: object) -> Network:
    bundle = tiny_bundle(tmp_path / "x.fdb", network=content, **changes)
    return open_network(read_bundle(bundle), "x.fdb", threads=1)


def refused(tmp_path: Path, content: bytes, **changes: object) -> str:
    with pytest.raises(BundleError) as caught:
        opened(tmp_path, content, **changes)
    assert caught.value.message.startswith("x.fdb: ")
    assert len(caught.value.message) < 500
    return caught.value.message


def through(
    nodes: Sequence[onnx.NodeProto], tensors: Mapping[str, object], *, dtype: int = 1
) -> bytes:
    """A network whose outputs are the mean of ``big``, which ``nodes`` make from ``mean``."""
    first = [node("Cast", ["photos"], ["f"], to=1), node("ReduceMean", ["f"], ["mean"], keepdims=0)]
    last = [
        node("ReduceMean", ["big"], ["m"], keepdims=0),
        node("Expand", ["m", "two"], ["flat"]),
        node("Cast", ["flat"], ["features"], to=dtype),
        node("Reshape", ["flat", "three"], ["logits"]),
    ]
    given = {"two": np.array([1, 2]), "three": np.array([1, 1, 2])}
    outputs = {"logits": (1, 1, 2), "features": (1, 2)}
    return network_of([*first, *nodes, *last], {**given, **tensors}, outputs)


TWO = NetworkFacts(runtime="onnx", precision="fp32", arch="x", members=1, views=1, features=2)


def test_outputs_are_those_of_the_network_by_hand(tmp_path: Path) -> None:
    logits, features, tiles = opened(tmp_path)(np.stack([photo_of(30), photo_of(220)]))
    assert tiles is None
    assert logits.shape == (2, 1, 2)
    expected = [p_crack(30), p_crack(220)]
    np.testing.assert_allclose(probabilities_of(logits)[:, 0], expected, rtol=1e-4)
    np.testing.assert_allclose(features[0], [30 / 255] * 3 + [0.5], rtol=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="needs OpenVINO")
def test_openvino_reads_the_same_file(tmp_path: Path) -> None:
    photos = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    facts = TWO.model_copy(update={"runtime": "openvino", "features": 4})
    found = opened(tmp_path, facts_of_network=facts)(photos)
    for ours, theirs in zip(found[:2], opened(tmp_path)(photos)[:2], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_openvino_that_is_not_installed_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    facts = TWO.model_copy(update={"runtime": "openvino", "features": 4})
    with pytest.raises(UsageError, match="not installed"):
        opened(tmp_path, facts_of_network=facts)


BILLION = np.array([200_000, 5_000])  # as floats 4 GB
COLUMN = {"a": np.ones((60_000, 1), np.float32), "b": np.ones((1, 60_000), np.float32)}
BOMBS = {
    "Expand": ([node("Expand", ["mean", "n"], ["big"])], {"n": BILLION * 2}),
    "terabytes": ([node("Expand", ["mean", "n"], ["big"])], {"n": np.array([10**12])}),
    "overflow": ([node("Expand", ["mean", "n"], ["big"])], {"n": np.array([2**62, 4])}),
    "constant Expand": (
        [node("Expand", ["one", "n"], ["c"]), node("Mul", ["c", "mean"], ["big"])],
        {"n": BILLION * 2, "one": np.float32(1)},
    ),
    "Range": (
        [node("Range", ["zero", "n", "one"], ["c"]), node("Mul", ["c", "mean"], ["big"])],
        {"n": np.float32(1e9), "zero": np.float32(0), "one": np.float32(0.5)},
    ),
    "Tile": (
        [node("Reshape", ["mean", "q"], ["s"]), node("Tile", ["s", "n"], ["big"])],
        {"n": BILLION * 2, "q": np.array([1, 1])},
    ),
    "Pad": (
        [node("Reshape", ["mean", "q"], ["s"]), node("Pad", ["s", "n"], ["big"])],
        {"n": np.array([20_000] * 4), "q": np.array([1, 1])},
    ),
    "pads of Conv": (
        [
            node("Reshape", ["mean", "q"], ["s"]),
            node("Conv", ["s", "w"], ["big"], pads=[20_000] * 4),
        ],
        {"q": np.array([1, 1, 1, 1]), "w": np.ones((1, 1, 1, 1), np.float32)},
    ),
    "outer product": (
        [node("Add", ["a", "mean"], ["s"]), node("MatMul", ["s", "b"], ["big"])],
        COLUMN,
    ),
    "constant outer product": (
        [node("MatMul", ["a", "b"], ["s"]), node("Add", ["s", "mean"], ["big"])],
        COLUMN,
    ),
    "broadcast": (
        [node("Add", ["a", "mean"], ["s"]), node("Add", ["s", "b"], ["big"])],
        COLUMN,
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_network_can_not_take_all_memory(tmp_path: Path, bomb: str) -> None:
    nodes, tensors = BOMBS[bomb]
    before = peak_megabytes()
    assert "can't run its network" in refused(
        tmp_path, through(nodes, tensors), facts_of_network=TWO
    )
    assert peak_megabytes() - before < 300


def peak_megabytes() -> float:
    resource = pytest.importorskip("resource")  # not on Windows
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_a_trial_has_a_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.05)
    steps = [node("Expand", ["mean", "n"], ["x0"])]
    steps += [node("MatMul", [f"x{i}", "x0"], [f"x{i + 1}"]) for i in range(300)]
    steps += [node("Identity", ["x300"], ["big"])]
    content = through(steps, {"n": np.array([400, 400])})
    reason = refused(tmp_path, content, facts_of_network=TWO)
    # On a busy machine, the time ends while the network is loaded.
    assert "terminate flag" in reason or "cancel" in reason.lower()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    content = through([node("Mul", ["mean", "c"], ["big"])], {"c": np.float32(value)})
    assert "not finite" in refused(tmp_path, content, facts_of_network=TWO)


def test_outputs_of_other_shapes_and_types_are_refused(tmp_path: Path) -> None:
    for content, changes in (
        (tiny_network(features=5), {}),
        (tiny_network(views=2), {}),
        (tiny_network(classes=3), {}),
        (tiny_network(), {"classes": (*CLASSES, "third")}),
    ):
        assert "expected outputs of shapes" in refused(tmp_path, content, **changes)
    with_doubles = through([node("Identity", ["mean"], ["big"])], {}, dtype=TensorProto.DOUBLE)
    refused(tmp_path, with_doubles, facts_of_network=TWO)


def test_a_network_of_another_size_is_refused(tmp_path: Path) -> None:
    assert "can't run its network" in refused(tmp_path, tiny_network(size=32))


def test_cycles_and_missing_inputs_are_refused(tmp_path: Path) -> None:
    for nodes in (
        [node("Add", ["big", "mean"], ["x"]), node("Relu", ["x"], ["big"])],
        [node("Relu", ["nowhere"], ["big"])],
        [node("Relu", ["mean"], ["mean"]), node("Relu", ["mean"], ["big"])],
    ):
        assert "can't run its network" in refused(
            tmp_path, through(nodes, {}), facts_of_network=TWO
        )


def test_a_refusal_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused(tmp_path, through([node("Relu", ["nowhere"], ["big"])], {}), facts_of_network=TWO)
    assert capfd.readouterr() == ("", "")


def test_a_shape_that_depends_on_the_photo_is_refused_when_it_changes(tmp_path: Path) -> None:
    nodes = [
        node("Cast", ["mean"], ["whole"], to=TensorProto.INT64),
        node("Div", ["whole", "half"], ["rows"]),  # 1 for grey 128, 2 for white
        node("Concat", ["rows_", "one"], ["shape"], axis=0),
        node("Reshape", ["mean", "q"], ["s"]),
        node("Expand", ["s", "shape"], ["features"]),
        node("Reshape", ["s2", "q3"], ["logits"]),
    ]
    nodes.insert(2, node("Reshape", ["rows", "q1"], ["rows_"]))
    nodes.insert(5, node("Concat", ["s", "s"], ["s2"], axis=1))
    first = [node("Cast", ["photos"], ["f"], to=1), node("ReduceMean", ["f"], ["mean"], keepdims=0)]
    tensors = {
        "half": np.array(127),
        "one": np.array([1]),
        "q": np.array([1, 1]),
        "q1": np.array([1]),
        "q3": np.array([1, 1, 2]),
    }
    content = network_of(first + nodes, tensors, {"logits": (1, 1, 2), "features": ("k", 1)})
    network = opened(tmp_path, content, facts_of_network=TWO.model_copy(update={"features": 1}))
    network(photo_of(200)[None])
    with pytest.raises(BundleError, match="expected outputs of shapes"):
        network(photo_of(255)[None])
