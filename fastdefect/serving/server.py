"""The HTTP server: uvicorn with the parser in Python, in one process."""

import asyncio
import logging
import math
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from fastdefect.serving.settings import Settings

_IDLE_SECONDS = 30  # that a connection stays open between requests
_HEAD_SECONDS = 10  # from the begin of a connection, or of a head, to the end of the head
_READ_SECONDS = 10  # in which a client reads at least _LEAST_READ of an answer
_LEAST_READ = 64 * 1024  # bytes
_MOST_CONNECTIONS = 500  # the usual limit of open files is 1024
_MOST_REFUSED = 100  # more connections that are answered with 503; others are closed at once


def run_server(
    app: ASGIApp, bound: socket.socket, settings: Settings, on_start: Callable[[], None]
) -> None:
    """Serve ``app`` at a bound socket until SIGINT or SIGTERM.

    Then no connection is accepted, the requests that are here are answered, and this returns.
    """
    # A line for each form or head that is damaged; the answer has the reason.
    for name in ("python_multipart", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.ERROR)
    _Server(config_of(app, settings), on_start).run(sockets=[bound])


def config_of(app: ASGIApp, settings: Settings) -> "ServerConfig":
    """How uvicorn serves ``app``."""
    return ServerConfig(
        app,
        settings.timeout,
        http=Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        backlog=_MOST_REFUSED,  # also the most that are accepted before one can be closed
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=math.ceil(2 * settings.timeout) + 1,
    )


class ServerConfig(uvicorn.Config):
    """``body_seconds``: the most for the rest of a body after its answer."""

    def __init__(self, app: ASGIApp, body_seconds: float, **options: Any) -> None:
        super().__init__(app, **options)
        self.body_seconds = body_seconds


class _Server(uvicorn.Server):
    """Calls ``on_start`` when it answers, and returns at a signal."""

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


class Protocol(H11Protocol):
    """Closes a connection whose bytes belong to no request in work, and don't become one in time.

    And one whose client does not read its answer. uvicorn limits only the time without any byte
    between two requests.
    """

    config: ServerConfig
    _deadline: asyncio.TimerHandle | None = None
    _awaited = ""  # what the deadline is for
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS + _MOST_REFUSED:
            transport.abort()
            return
        self._expect("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """End the deadlines."""
        self._expect("")
        self._expect_reader(None)
        # uvicorn keeps the one between requests, and with it the answer, if the client broke off.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read, and watch what does not end."""
        super().data_received(data)
        self._expect(self._unfinished())

    def on_response_complete(self) -> None:
        """Watch what has begun already."""
        super().on_response_complete()
        self._expect(self._unfinished())

    def pause_writing(self) -> None:
        """Watch a client that is slower than its answer."""
        super().pause_writing()
        self._expect_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """End that."""
        super().resume_writing()
        self._expect_reader(None)

    def _expect_reader(self, unread: int | None) -> None:
        """Abort if in some time less is read of so many bytes than the least; None ends this."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        if unread is not None:
            self._reading = self.loop.call_later(_READ_SECONDS, self._check_reader, unread)

    def _check_reader(self, unread: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left > unread - _LEAST_READ:
            self.transport.abort()
        else:
            self._expect_reader(left)

    def _unfinished(self) -> str:
        """What the client has begun to send, beside a request in work."""
        if self.cycle is None:
            return "head"
        if not self.cycle.response_complete:
            return ""
        if self.conn.their_state is h11.SEND_BODY:
            return "body"
        return "head" if self.conn.trailing_data[0] else ""

    def _expect(self, what: str) -> None:
        """Begin a deadline; the one that runs stays if it is for the same."""
        if what == self._awaited:
            return
        self._awaited = what
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if what:
            seconds = self.config.body_seconds if what == "body" else _HEAD_SECONDS
            self._deadline = self.loop.call_later(seconds, self.transport.close)
