"""Serve a bundle at a line: one process with the page, the API, the engine and the store."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fastdefect.errors import FastdefectError, UsageError
from fastdefect.events import Note, OnEvent
from fastdefect.inference.baseline import read_baseline
from fastdefect.inference.bundle import BASELINE, read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.serving.records import Model
from fastdefect.serving.settings import Settings

if TYPE_CHECKING:
    from fastdefect.serving.app import OnAccess
    from fastdefect.serving.engine import Loaded

_PACKAGES = ("fastapi", "jinja2", "multipart", "prometheus_client", "uvicorn")
_SHORTEST_TOKEN = 20  # characters
_RETIRE_SECONDS = 600
_HANGUP = getattr(signal, "SIGHUP", None)  # not on Windows


@dataclass(frozen=True)
class Serving:
    """The server answers at ``url``."""

    url: str
    bundle: str
    model: str
    store: str


def serve(
    bundle: Path,
    settings: Settings,
    *,
    on_event: OnEvent,
    on_access: "OnAccess",
    on_start: Callable[[Serving], None],
) -> None:
    """Answer requests until SIGINT or SIGTERM; what was accepted then is answered first.

    SIGHUP reads the bundle again. Raises ``UsageError``, ``BundleError`` and ``StoreError`` at the
    start.
    """
    from fastdefect.serving.app import make_app
    from fastdefect.serving.engine import Engine
    from fastdefect.serving.metrics import Metrics
    from fastdefect.serving.server import run_server
    from fastdefect.serving.store import Store

    check_settings(settings)
    loaded = load(bundle)
    model = loaded.model
    metrics = Metrics()
    with closing(_bound(settings)) as bound, Store.open(settings.store) as store:
        engine = Engine(loaded, store, settings, metrics.stored)
        reload = _Reload(bundle, engine.swap, on_event)
        app = make_app(engine, store, settings, reload, metrics=metrics, on_access=on_access)
        started = Serving(_url(bound), model.name, model.identity, str(settings.store))
        with closing(engine), _retention(store.retire, settings, on_event), _at_hangup(reload):
            run_server(app, bound, settings, lambda: on_start(started))


def load(bundle: Path) -> "Loaded":
    """The bundle at a path, ready to decide; raises ``BundleError``."""
    from fastdefect.serving.engine import Loaded

    found = read_bundle(bundle)
    # One thread a photo: as many photos are computed at the same time as there are cores.
    scorer = bundle_scorer(found, str(bundle), threads=1)
    model = Model(found.identity, bundle.name, found.card.classes, found.card.good)
    baseline = found.files.get(BASELINE)
    return Loaded(scorer, model, None if baseline is None else read_baseline(baseline, str(bundle)))


def require_packages() -> None:
    """Raise ``UsageError`` if the extra is not installed."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"serve needs the extra serve, but these packages are missing: {', '.join(missing)}.",
            'Install them: python -m pip install -c constraints.txt ".[serve]", or, without torch: '
            "python -m pip install --no-deps --no-compile -r inspector.txt -r serve.txt .",
        )


def read_token(path: Path, on_event: OnEvent) -> str:
    """The token, the only line of a file. Raises ``UsageError``."""
    try:
        text = path.read_text(encoding="utf-8").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--token-file {path}: expected a text file, but it can't be read: {error}.",
            _make_token(path),
        ) from error
    if len(text) < _SHORTEST_TOKEN or not all("!" <= letter <= "~" for letter in text):
        raise UsageError(
            f"--token-file {path}: expected one line of at least {_SHORTEST_TOKEN} letters, digits "
            "and signs without spaces.",
            _make_token(path),
        )
    if os.name != "nt" and mode & 0o077:
        text_of = f"Other users can read {path}. Change this: chmod 600 {path}"
        on_event(Note(text_of, "warning"))
    return text


def _make_token(path: Path) -> str:
    return (
        'Make one: python -c "import secrets; print(secrets.token_urlsafe(32))" > '
        f"{path}; chmod 600 {path}"
    )


def check_settings(settings: Settings) -> None:
    """Raise ``UsageError`` for a server that others could use without a token, or for a language
    that the pages don't have.
    """
    from fastdefect.serving.language import LANGUAGES
    from fastdefect.serving.security import is_this_computer

    if settings.language not in LANGUAGES:
        raise UsageError(
            f"--language {settings.language}: expected a language of the pages.",
            f"They are in {', '.join(LANGUAGES)}.",
        )
    if settings.token is None and not is_this_computer(settings.host):
        raise UsageError(
            f"--host {settings.host}: other computers can reach this address, but there is no "
            "--token-file.",
            _make_token(Path("token")),
        )


class _Reload:
    """Reads the bundle file again; one at a time."""

    def __init__(self, bundle: Path, swap: "Callable[[Loaded], None]", on_event: OnEvent) -> None:
        self._bundle, self._swap, self._on_event = bundle, swap, on_event
        self._turn = threading.Lock()

    def __call__(self) -> Model:
        """The model that decides from now on; raises ``BundleError``, and the old one stays."""
        with self._turn:
            try:
                loaded = load(self._bundle)
                self._swap(loaded)
            except FastdefectError as error:
                self._on_event(Note(f"The bundle was not loaded: {error.message}", "warning"))
                raise
            model = loaded.model
            self._on_event(Note(f"Loaded {model.name}, {model.identity[:12]}."))
            return model

    def on_signal(self, *_: object) -> None:
        """Load in a thread, as the signal interrupts the thread that answers."""
        threading.Thread(target=self._try, name="reload", daemon=True).start()

    def _try(self) -> None:
        with suppress(FastdefectError):  # reported above
            self()


@contextmanager
def _at_hangup(reload: _Reload) -> Iterator[None]:
    """Load at SIGHUP, as services do."""
    if _HANGUP is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(_HANGUP, reload.on_signal)
    try:
        yield
    finally:
        signal.signal(_HANGUP, before)


def _bound(settings: Settings) -> socket.socket:
    """A socket at the address; raises ``UsageError``."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _no_address(settings, error) from error
    try:
        if os.name != "nt":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _no_address(settings, error) from error
    return bound


def _no_address(settings: Settings, error: OSError) -> UsageError:
    return UsageError(
        f"--host {settings.host} --port {settings.port}: expected an address of this computer that "
        f"is free, but got: {error.strerror or error}.",
        "Choose another --port, or stop the other server.",
    )


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def _retention(
    retire: "Callable[[float | None, float | None], object]",
    settings: Settings,
    on_event: OnEvent,
) -> Iterator[None]:
    """Delete photos that are no longer kept, at the start and then every ten minutes."""
    if settings.keep_days is None and settings.keep_gb is None:
        yield
        return
    ended = threading.Event()

    def work() -> None:
        while True:
            try:
                retire(settings.keep_days, settings.keep_gb)
            except FastdefectError as error:
                on_event(Note(f"Photos were not deleted: {error.message}", "warning"))
            if ended.wait(_RETIRE_SECONDS):
                return

    thread = threading.Thread(target=work, name="retention", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
