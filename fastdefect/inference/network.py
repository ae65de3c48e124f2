"""The network of a bundle in its runtime: from the pixels of photos to logits and features."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastdefect.errors import BundleError, UsageError
from fastdefect.inference.bundle import ONNX, OPENVINO_GRAPH, OPENVINO_WEIGHTS, Bundle
from fastdefect.inference.card import Card
from fastdefect.inference.onnx_check import check_onnx

Pixels = NDArray[np.uint8]
Arrays = NDArray[np.float32]

_MEMORY = 4 << 30  # bytes that ONNX Runtime may use for the values between operators


class Network(Protocol):
    """Maps (n, size, size, 3) uint8 RGB to logits (n, views, classes) and features (n, d)."""

    def __call__(self, pixels: Pixels) -> tuple[Arrays, Arrays]:
        """Both float32. May be called from several threads."""
        ...


def open_network(bundle: Bundle, where: str, *, threads: int | None = None) -> Network:
    """The network of ``bundle``, after a trial with a grey photo.

    ``threads`` that compute one photo; None is one for each core. Raises ``BundleError`` if the
    runtime refuses the network or its outputs do not have the shapes on the card, and
    ``UsageError`` if the runtime is not installed.
    """
    card = bundle.card
    if card.network.runtime == "openvino":
        network: Network = _OpenVino(bundle, where, threads)
    else:
        network = _Onnx(bundle.files[ONNX], where, threads)
    _check_outputs(network, card, where)
    return network


class _Onnx:
    """A network in ONNX Runtime."""

    def __init__(self, content: bytes, where: str, threads: int | None) -> None:
        import onnxruntime

        check_onnx(content, where)
        onnxruntime.set_default_logger_severity(4)  # its warnings are not for users
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        # Idle threads of ONNX Runtime otherwise use a core each while photos are decoded.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
            (self._input,) = (each.name for each in self._session.get_inputs())
        except Exception as error:  # noqa: BLE001 - its exceptions have no common base
            raise _not_loaded(where, "ONNX Runtime", error) from None

    def __call__(self, pixels: Pixels) -> tuple[Arrays, Arrays]:
        logits, features = self._session.run(None, {self._input: pixels})
        return logits, features


class _OpenVino:
    """A network in OpenVINO; a request for each thread that calls it."""

    def __init__(self, bundle: Bundle, where: str, threads: int | None) -> None:
        try:
            import openvino
        except ImportError as error:
            raise UsageError(
                f"{where} runs in OpenVINO, which is not installed.",
                'Install it: python -m pip install "fastdefect[openvino]"',
            ) from error
        core = openvino.Core()
        core.set_property({"ENABLE_MMAP": False})
        # Else OpenVINO computes in 16 bits where the CPU can, and decides otherwise than the run.
        precision = "bf16" if bundle.card.network.precision == "bf16" else "f32"
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
        }
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            graph = bundle.files[OPENVINO_GRAPH]
            weights = np.frombuffer(bundle.files[OPENVINO_WEIGHTS], np.uint8)
            model = core.read_model(graph, openvino.Tensor(weights))
            self._compiled = core.compile_model(model, "CPU", settings)
        except Exception as error:  # noqa: BLE001 - as above
            raise _not_loaded(where, "OpenVINO", error) from None

    def __call__(self, pixels: Pixels) -> tuple[Arrays, Arrays]:
        found = self._compiled.create_infer_request().infer({0: pixels})
        logits, features = (np.array(found[i]) for i in (0, 1))
        return logits, features


def _not_loaded(where: str, runtime: str, error: Exception) -> BundleError:
    text = " ".join(str(error).split())
    return BundleError(
        f"{where}: {runtime} can't load its network: {text:.300}.",
        "Export the run again, with this version of the runtime.",
    )


def _check_outputs(network: Network, card: Card, where: str) -> None:
    """Raise ``BundleError`` unless a grey photo gives finite outputs of the shapes on the card."""
    size, facts = card.photos.image_size, card.network
    try:
        logits, features = network(np.full((1, size, size, 3), 128, np.uint8))
    except Exception as error:  # noqa: BLE001 - as above
        raise _not_loaded(where, "the runtime", error) from None
    expected = ((1, facts.views, len(card.classes)), (1, facts.features))
    found = (np.shape(logits), np.shape(features))
    if found != expected:
        raise BundleError(
            f"{where}: expected outputs of shapes {expected} from its network, found {found}.",
            "Export the run again.",
        )
    if not (np.isfinite(logits).all() and np.isfinite(features).all()):
        raise BundleError(
            f"{where}: its network gives values that are not finite for a grey photo.",
            "Export the run again.",
        )
