"""The HTTP server: uvicorn with the parser in Python, in one process."""

import asyncio
import logging
import math
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from fastdefect.serving.settings import Settings

_IDLE_SECONDS = 30  # that a connection stays open between requests
_HEAD_SECONDS = 10  # for the first request of a connection to begin
_MOST_CONNECTIONS = 500  # the usual limit of open files is 1024


def run_server(
    app: ASGIApp, bound: socket.socket, settings: Settings, on_start: Callable[[], None]
) -> None:
    """Serve ``app`` at a bound socket until SIGINT or SIGTERM.

    Then no connection is accepted, the requests that are here are answered, and this returns.
    """
    # A line for each form that is damaged; the answer says it.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        http=_Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=math.ceil(2 * settings.timeout) + 1,
    )
    _Server(config, on_start).run(sockets=[bound])


class _Server(uvicorn.Server):
    """Tells when it answers, and returns at a signal."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop. uvicorn would raise the signal again at its end, before the store is closed."""
        self.force_exit = self.should_exit and sig == signal.SIGINT  # the second Ctrl-C
        self.should_exit = True


class _Protocol(H11Protocol):
    """Closes a connection on which no request begins, or whose head does not end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(_HEAD_SECONDS, self._expect_request)

    def _expect_request(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()
