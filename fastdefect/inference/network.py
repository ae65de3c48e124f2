"""The network of a bundle in its runtime: from the pixels of photos to logits and features."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from fastdefect.aliases import Floats32, Pixels
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.view_input import one_hot
from fastdefect.errors import BundleError, UsageError
from fastdefect.inference.bundle import ONNX, Bundle
from fastdefect.inference.card import Card
from fastdefect.inference.onnx_check import check_onnx
from fastdefect.inference.outputs import Given, give
from fastdefect.text import counted

# Bytes of weights and values between operators, of all networks of the process in ONNX Runtime. A
# network of some hundred bytes can ask for terabytes.
_MEMORY = 4 << 30
_SECONDS = 60.0  # to load a network, and for its trial; checked between two operators
_REGISTERED = threading.Lock()
_registered = False


_Arrays = tuple[Floats32, ...]  # logits and features, and with tiles those of each tile


class Network(Protocol):
    """Maps n photos, uint8 RGB in the frame, to logits, features and those of their tiles.

    ``seen``: one array, the one-hot rows of their views, for a network that takes them. Without it
    the views are not known.
    """

    def __call__(self, pixels: Pixels, *seen: Floats32) -> Given:
        """May be called from several threads."""
        ...


class _Runtime(Protocol):
    def __call__(self, *inputs: Pixels | Floats32) -> _Arrays: ...


def open_network(bundle: Bundle, where: str, *, threads: int | None = None) -> Network:
    """The network of ``bundle``, after a trial with a grey photo.

    ``threads`` that compute one photo; None is one for each core. Raises ``BundleError`` if the
    runtime refuses the network or its outputs do not have the shapes on the card, and
    ``UsageError`` if the runtime is not installed. The network raises ``BundleError`` for a photo
    whose outputs have other shapes.
    """
    card, content = bundle.card, bundle.files[ONNX]
    check_onnx(content, where)
    grey = card.photos.frame.grey[None]
    inputs: tuple[Any, ...] = (grey, *_unknown_views(grey, card))
    network: _Runtime = _Onnx(content, where, threads, len(inputs))
    with _in_words(where, "ONNX Runtime"):
        _check_trial(network(*inputs), grey, card, where)
    if card.network.runtime == "openvino":
        # It has no limits of its own, so the trial in ONNX Runtime comes first.
        precision = "bf16" if card.network.precision == "bf16" else "f32"
        network = _OpenVino(content, where, threads, precision)
        with _in_words(where, "OpenVINO"):
            _check_trial(network(*inputs), grey, card, where)
    return _Checked(network, card, where)


class _Checked:
    """A network whose outputs have the shapes on the card, for every photo."""

    def __init__(self, network: _Runtime, card: Card, where: str) -> None:
        self._network, self._card, self._where = network, card, where
        self._frame: Frame = card.photos.frame

    def __call__(self, pixels: Pixels, *seen: Floats32) -> Given:
        return give(self._run, self._frame, pixels, seen or _unknown_views(pixels, self._card))

    def _run(self, *inputs: Any) -> _Arrays:
        with _in_words(self._where, "the runtime"):
            found = self._network(*inputs)
        _check_shapes(found, inputs[0], self._card, self._where)
        return found


def _unknown_views(pixels: Pixels, card: Card) -> tuple[Floats32, ...]:
    """The second input for photos whose views are not known; none if the network takes none."""
    known = card.network.view_input
    return (one_hot(known, [None] * len(pixels)),) if known else ()


class _Onnx:
    """A network in ONNX Runtime, with limits for memory and time."""

    def __init__(self, content: bytes, where: str, threads: int | None, inputs: int = 1) -> None:
        import onnxruntime

        self._run_options = onnxruntime.RunOptions
        onnxruntime.set_default_logger_severity(4)  # its warnings are not for users
        _limit_memory()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        for name, value in {
            # Idle threads of ONNX Runtime otherwise use a core each while photos are decoded.
            "session.intra_op.allow_spinning": "0",
            "session.use_env_allocators": "1",
            # Bytes that are also a file of ORT's own format would evade the check.
            "session.load_model_format": "ONNX",
        }.items():
            options.add_session_config_entry(name, value)
        with (
            _in_words(where, "ONNX Runtime"),
            _deadline(lambda: options.set_load_cancellation_flag(True)),
        ):
            self._session = onnxruntime.InferenceSession(
                content,
                options,
                providers=["CPUExecutionProvider"],
                # It computes without the limit of memory; the exporter has folded all constants.
                disabled_optimizers=["ConstantFolding"],
                enable_fallback=0,  # would load it again, without these options
            )
            self._inputs = [each.name for each in self._session.get_inputs()]
        if len(self._inputs) != inputs:
            raise BundleError(
                f"{where}: expected {counted(inputs, 'input')} of its network, found "
                f"{len(self._inputs)}.",
                "Export the run again.",
            )
        self._tried = False

    def __call__(self, *inputs: Pixels | Floats32) -> _Arrays:
        given = dict(zip(self._inputs, inputs, strict=True))
        if self._tried:
            return tuple(self._session.run(None, given))
        options = self._run_options()
        with _deadline(lambda: setattr(options, "terminate", True)):
            found = tuple(self._session.run(None, given, options))
        self._tried = True
        return found


class _OpenVino:
    """A network in OpenVINO, from the same file; a request for each thread that calls it."""

    def __init__(self, content: bytes, where: str, threads: int | None, precision: str) -> None:
        try:
            import openvino
        except ImportError as error:
            raise UsageError(
                f"{where} runs in OpenVINO, which is not installed.",
                'Install it: python -m pip install "fastdefect[openvino]"',
            ) from error
        core = openvino.Core()
        # Without the second hint it computes in 16 bits where the CPU can, and decides otherwise
        # than the run.
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
        }
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        with _in_words(where, "OpenVINO"):
            self._compiled = core.compile_model(core.read_model(content), "CPU", settings)

    def __call__(self, *inputs: Pixels | Floats32) -> _Arrays:
        found = self._compiled.create_infer_request().infer(dict(enumerate(inputs)))
        return tuple(np.array(found[i]) for i in range(len(self._compiled.outputs)))


def _limit_memory() -> None:
    """Register the allocator of all sessions; once for a process."""
    global _registered  # noqa: PLW0603 - so is the allocator
    import onnxruntime

    with _REGISTERED:
        if not _registered:
            kind, use = onnxruntime.OrtAllocatorType, onnxruntime.OrtMemType
            place = onnxruntime.OrtMemoryInfo("Cpu", kind.ORT_ARENA_ALLOCATOR, 0, use.DEFAULT)
            # 1: as much as is asked for; the default doubles each time.
            arena = onnxruntime.OrtArenaCfg({"max_mem": _MEMORY, "arena_extend_strategy": 1})
            onnxruntime.create_and_register_allocator(place, arena)
            _registered = True


@contextmanager
def _deadline(stop: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(_SECONDS, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _in_words(where: str, runtime: str) -> Iterator[None]:
    """Whatever a runtime raises becomes ``BundleError``."""
    try:
        yield
    except BundleError:
        raise
    except Exception as error:  # noqa: BLE001 - its exceptions have no common base
        text = " ".join(str(error).split())
        raise BundleError(
            f"{where}: {runtime} can't run its network: {text:.300}.",
            "Export the run again, with this version of the runtime.",
        ) from None


def _check_trial(outputs: _Arrays, photos: Pixels, card: Card, where: str) -> None:
    """Raise ``BundleError`` unless ``photos`` gave finite outputs of the shapes on the card."""
    _check_shapes(outputs, photos, card, where)
    if not all(np.isfinite(each).all() for each in outputs):
        raise BundleError(
            f"{where}: its network gives values that are not finite for a grey photo.",
            "Export the run again.",
        )


def _check_shapes(outputs: _Arrays, photos: Pixels, card: Card, where: str) -> None:
    facts, n = card.network, len(photos)
    rows = facts.views * (2 if facts.joint else 1)
    expected: tuple[tuple[int, ...], ...] = (
        (n, rows, len(card.classes)),
        (n, facts.features),
    )
    if facts.by_tile:
        tiles = photos.shape[1] // card.photos.image_size
        expected += ((n, facts.views, tiles, len(card.classes)), (n, tiles, facts.features))
    found = tuple(map(np.shape, outputs))
    kinds = [str(each.dtype) for each in outputs]
    if found != expected or set(kinds) != {"float32"}:
        raise BundleError(
            f"{where}: expected outputs of shapes {expected} of float32 from its network, found "
            f"{found} of {' and '.join(kinds)}.",
            "Export the run again.",
        )
