"""Bundles with a tiny network that is built in milliseconds and decides by brightness.

Bright photos are ``ok``, dark ones are ``crack``; the features are the mean colour and a constant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fastdefect.inference.bundle import ONNX, REFERENCE, write_bundle
from fastdefect.inference.card import Card, NetworkFacts, PhotoSteps, Rule, UnlikeFacts
from fastdefect.inference.reference_file import reference_bytes
from fastdefect.inference.unlike import Reference, TileReference, normalised

SIZE = 16
CLASSES = ("crack", "ok")
VIEWS = ("front", "back")
SLOPE = 8.0


def photo_of(brightness: int, size: int = SIZE) -> NDArray[np.uint8]:
    """A photo (size, size, 3) of one grey value."""
    return np.full((size, size, 3), brightness, np.uint8)


def p_crack(brightness: float) -> float:
    """The probability of the first of two classes that the tiny network gives a grey photo."""
    return float(1 / (1 + np.exp(2 * SLOPE * (brightness / 255 - 0.5))))


def tiny_network(
    *, size: int = SIZE, classes: int = 2, views: int = 1, features: int = 4, slope: float = SLOPE
) -> bytes:
    """An ONNX file: (n, size, size, 3) uint8 to logits (n, views, classes) and features (n, d).

    The logit of the last class grows with the brightness, that of the others falls. The features
    repeat red, green, blue in [0, 1] and the constant 0.5.
    """
    signs = np.array([-1.0] * (classes - 1) + [1.0])
    weights = np.tile(signs * slope / 3, (3, views)).astype(np.float32)
    bias = np.tile(-signs * slope / 2, views).astype(np.float32)
    channels = np.tile(np.eye(3, 4), (1, features))[:, :features].astype(np.float32)
    constant = np.tile([0, 0, 0, 0.5], features)[:features].astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["photos"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "full"], ["shares"]),
        helper.make_node("ReduceMean", ["shares", "axes"], ["colour"], keepdims=0),
        helper.make_node("Gemm", ["colour", "weights", "bias"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["logits"]),
        helper.make_node("Gemm", ["colour", "channels", "constant"], ["features"]),
    ]
    tensors = {
        "full": np.float32(255),
        "axes": np.array([1, 2], np.int64),
        "weights": weights,
        "bias": bias,
        "shape": np.array([-1, views, classes], np.int64),
        "channels": channels,
        "constant": constant,
    }
    outputs = {"logits": ("n", views, classes), "features": ("n", features)}
    return network_of(nodes, tensors, outputs, size=size)


def viewed_network() -> bytes:
    """As ``tiny_network``, with a second input for ``VIEWS``: the second reverses the logits."""
    nodes = [
        helper.make_node("Cast", ["photos"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "full"], ["shares"]),
        helper.make_node("ReduceMean", ["shares", "axes"], ["colour"], keepdims=0),
        helper.make_node("Gemm", ["colour", "weights", "bias"], ["flat"]),
        helper.make_node("Gemm", ["seen", "reverse", "one"], ["sign"]),
        helper.make_node("Mul", ["flat", "sign"], ["signed"]),
        helper.make_node("Reshape", ["signed", "shape"], ["logits"]),
        helper.make_node("Gemm", ["colour", "channels", "constant"], ["features"]),
    ]
    signs = np.array([-1.0, 1.0], np.float32)
    tensors = {
        "full": np.float32(255),
        "axes": np.array([1, 2], np.int64),
        "weights": np.tile(signs * np.float32(SLOPE / 3), (3, 1)),
        "bias": -signs * np.float32(SLOPE / 2),
        "reverse": np.array([[0], [-2]], np.float32),
        "one": np.ones(1, np.float32),
        "shape": np.array([-1, 1, 2], np.int64),
        "channels": np.eye(3, 4).astype(np.float32),
        "constant": np.array([0, 0, 0, 0.5], np.float32),
    }
    outputs = {"logits": ("n", 1, 2), "features": ("n", 4)}
    return network_of(nodes, tensors, outputs, views=len(VIEWS))


def viewed_bundle(path: Path, **changes: Any) -> Path:
    """A bundle of ``viewed_network``."""
    facts = tiny_card().network.model_copy(update={"view_input": VIEWS})
    given = {
        "schema_version": 2,
        "facts_of_network": facts,
        "part_views": VIEWS,
        "network": viewed_network(),
    }
    return tiny_bundle(path, **given | changes)


def tiled_network(*, size: int = SIZE, by_tile: bool = True) -> bytes:
    """As ``tiny_network``, of photos in tiles (n, tiles * size, size, 3): the darkest decides.

    ``by_tile``: with the outputs of each tile.
    """
    node = helper.make_node
    nodes = [
        node("Cast", ["photos"], ["floats"], to=TensorProto.FLOAT),
        node("Div", ["floats", "full"], ["shares"]),
        node("Reshape", ["shares", "flat"], ["cells"]),
        node("Reshape", ["cells", "pixels"], ["places"]),
        node("ReduceMean", ["places", "two"], ["colour"], keepdims=0),
        node("MatMul", ["colour", "weights"], ["weighted"]),
        node("Add", ["weighted", "bias"], ["each"]),
        node("Unsqueeze", ["each", "one"], ["tile_logits"]),
        node("ReduceMin", ["colour", "ends"], ["darkest"], keepdims=1),
        node("MatMul", ["darkest", "from_grey"], ["of_darkest"]),
        node("Add", ["of_darkest", "bias"], ["logits"]),
        node("MatMul", ["colour", "channels"], ["coloured"]),
        node("Add", ["coloured", "constant"], ["tile_features"]),
        node("ReduceMean", ["tile_features", "one"], ["features"], keepdims=0),
    ]
    signs = np.array([[-1.0, 1.0]], np.float32)
    tensors = {
        "full": np.float32(255),
        "flat": np.array([0, -1, size * size * 3], np.int64),
        "pixels": np.array([0, 0, size * size, 3], np.int64),
        "one": np.array([1], np.int64),
        "two": np.array([2], np.int64),
        "ends": np.array([1, 2], np.int64),
        "weights": np.tile(signs * np.float32(SLOPE / 3), (3, 1)),
        "from_grey": signs * np.float32(SLOPE),
        "bias": -signs[0] * np.float32(SLOPE / 2),
        "channels": np.eye(3, 4).astype(np.float32),
        "constant": np.array([0, 0, 0, 0.5], np.float32),
    }
    shapes: dict[str, Sequence[int | str]] = {"logits": ("n", 1, 2), "features": ("n", 4)}
    if by_tile:
        shapes |= {"tile_logits": ("n", 1, "t", 2), "tile_features": ("n", "t", 4)}
    return network_of(nodes, tensors, shapes, height="h", size=size)


def tiled_bundle(path: Path, tiles: int = 4, *, by_tile: bool = True, **changes: Any) -> Path:
    """A bundle of ``tiled_network`` for photos in up to so many tiles, with the unlike check."""
    plain = tiny_card()
    reference = tiny_reference()
    if by_tile:
        reference = replace(reference, tiles=TileReference(reference.features, (0.05,)))
    return tiny_bundle(
        path,
        network=tiled_network(by_tile=by_tile),
        reference=reference,
        facts_of_network=plain.network.model_copy(update={"by_tile": by_tile}),
        photos=plain.photos.model_copy(update={"tiles": tiles}),
        **changes,
    )


def strip_of(*brightness: int, size: int = SIZE) -> NDArray[np.uint8]:
    """A strip of squares with grain, of these mean grey values: (size, n * size, 3)."""
    grain = np.random.default_rng(0).integers(-3, 4, (size, len(brightness) * size, 1))
    grey = np.repeat(np.array(brightness), size)[None, :, None]
    return np.broadcast_to(grey + grain, (*grain.shape[:2], 3)).clip(0, 255).astype(np.uint8)


def network_of(
    nodes: Sequence[onnx.NodeProto],
    tensors: Mapping[str, Any],
    outputs: Mapping[str, Sequence[int | str]],
    *,
    size: int = SIZE,
    height: int | str | None = None,
    views: int = 0,
) -> bytes:
    """An ONNX file of ``nodes`` that maps ``photos`` (n, size, size, 3) to float32 outputs.

    ``height`` of a photo, if it has another. With ``views`` it has a second input (n, views).
    """
    more = [helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["n", views])] if views else []
    shape = ["n", height or size, size, 3]
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info("photos", TensorProto.UINT8, shape), *more],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
            for name, shape in outputs.items()
        ],
        [numpy_helper.from_array(np.asarray(each), name) for name, each in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


def tiny_reference(alpha: float = 0.2) -> Reference:
    """A reference of bright grey photos, 150 to 250, calibrated on nine parts."""
    brightness = np.linspace(150, 250, 11) / 255
    features = np.stack([brightness] * 3 + [np.full(11, 0.5)], axis=1).astype(np.float32)
    unit = normalised(features, (4,)).astype(np.float16).astype(np.float32)
    return Reference(unit, (4,), (0.05,), np.linspace(0.1, 0.9, 9), alpha)


def tiny_card(**changes: Any) -> Card:
    """The card of the tiny network, without unlike check; ``changes`` replace its fields."""
    fields: dict[str, Any] = {
        "schema_version": 1,
        "created": "2026-01-01T00:00:00+00:00",
        "versions": {"fastdefect": "0"},
        "classes": CLASSES,
        "good": ("ok",),
        "photos": PhotoSteps(
            image_size=SIZE,
            resize="squish",
            white=None,
            max_megapixels=100.0,
            side=SIZE,
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
        ),
        "rule": Rule(views="none", temperature=1.0, threshold=0.5, high=None, rule="by hand"),
        "network": NetworkFacts(
            runtime="onnx", precision="fp32", arch="tiny", members=1, views=1, features=4
        ),
        "unlike": None,
        "part_from": None,
        "facts": {},
        "figures": {},
        "check": {},
        "examples": (),
        "members": {},
    }
    return Card(**fields | changes)


def tiny_bundle(
    path: Path,
    *,
    network: bytes | None = None,
    reference: Reference | None = None,
    files: Mapping[str, bytes] | None = None,
    facts_of_network: NetworkFacts | None = None,
    **changes: Any,
) -> Path:
    """Write a bundle of the tiny network at ``path``.

    ``network`` replaces the ONNX file, ``files`` are more members, ``facts_of_network`` replace
    those on the card, ``changes`` are its other fields. With a ``reference``
    (``tiny_reference()``) it detects unlike photos.
    """
    members = {ONNX: tiny_network() if network is None else network, **(files or {})}
    if reference is not None:
        members[REFERENCE] = reference_bytes(reference)
        parts = len(reference.scores)
        changes = {"unlike": UnlikeFacts(alpha=reference.alpha, parts=parts)} | changes
    if facts_of_network is not None:
        changes["network"] = facts_of_network
    write_bundle(path, tiny_card(**changes), members)
    return path
