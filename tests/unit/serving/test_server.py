"""The limits of a connection, with raw bytes: for a head, for the rest of a body, and idle."""

import asyncio
import gc
import time
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from fastdefect.serving import server
from fastdefect.serving.server import Protocol, config_of
from fastdefect.serving.settings import Settings

HEAD, BODY, IDLE = 0.1, 0.3, 0.6  # the limits in these tests, in seconds
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HUGE = b"POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"

LARGE = 20_000_000  # bytes, more than the system holds for a client that does not read

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers ``/early`` before its body, ``/large`` with many bytes, and others with a few."""
    if scope["path"] == "/large":
        await Response(bytes(LARGE))(scope, receive, send)
        return
    if scope["path"] != "/early":
        await Request(scope, receive).body()
    status = 413 if scope["path"] == "/early" else 200
    await PlainTextResponse("done", status)(scope, receive, send)


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_HEAD_SECONDS", HEAD)
    monkeypatch.setattr(server, "_IDLE_SECONDS", IDLE)
    monkeypatch.setattr(server, "_READ_SECONDS", HEAD)


def talk(client: Client, made: list[weakref.ref[Protocol]] | None = None) -> None:
    """Let ``client`` speak to a server of these tests, which adds its connections to ``made``."""

    async def both() -> None:
        config, state = config_of(app, Settings(timeout=BODY)), ServerState()
        config.load()

        def protocol() -> Protocol:
            new = Protocol(config, state, {})
            if made is not None:
                made.append(weakref.ref(new))
            return new

        serving = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
        async with serving:
            port = serving.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(20):
                await client(reader, writer)
            writer.close()

    asyncio.run(both())


async def answered(reader: asyncio.StreamReader, status: int = 200) -> None:
    """Read one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert await reader.readexactly(4) == b"done"


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, drip: bytes) -> float:
    """Send ``drip`` byte by byte until the server closes; the seconds until then."""
    started = time.monotonic()
    ended = asyncio.ensure_future(reader.read(1))
    for i in range(len(drip)):
        await asyncio.wait([ended], timeout=0.02)
        if ended.done():
            break
        writer.write(drip[i : i + 1])
    assert ended.done(), "still open"
    assert ended.exception() is not None or ended.result() == b""
    return time.monotonic() - started


ENDLESS = b"GET / HTTP/1.1\r\nX: " + b"x" * 1000


def test_a_first_head_that_does_not_end_is_cut() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await cut(reader, writer, ENDLESS) > HEAD / 2

    talk(client)


def test_a_second_head_that_does_not_end_is_cut() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET)
        await answered(reader)
        assert await cut(reader, writer, ENDLESS) > HEAD / 2

    talk(client)


def test_the_begin_of_a_head_behind_a_request_is_cut_too() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET + b"GET / HT")
        await answered(reader)
        await cut(reader, writer, b"TP/1.1\r\nX: " + b"x" * 1000)

    talk(client)


def test_an_idle_connection_lives_until_its_own_limit_and_takes_requests() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET)
        await answered(reader)
        await asyncio.sleep(HEAD + 0.1)
        writer.write(GET[:9])
        await asyncio.sleep(HEAD / 3)
        writer.write(GET[9:] + GET)
        await answered(reader)
        await answered(reader)
        started = time.monotonic()
        assert await reader.read(1) == b""
        assert time.monotonic() - started > (HEAD + IDLE) / 2

    talk(client)


def test_the_rest_of_a_body_that_was_answered_must_arrive_in_time() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HUGE + bytes(1000))
        await answered(reader, 413)
        assert await cut(reader, writer, bytes(1000)) > HEAD

    talk(client)


def test_after_the_rest_of_a_body_the_connection_goes_on() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HUGE)
        await answered(reader, 413)
        writer.write(bytes(1_000_000) + GET)
        await answered(reader)
        await asyncio.sleep(BODY + 0.1)
        writer.write(GET)
        await answered(reader)

    talk(client)


def test_a_client_that_does_not_read_its_answer_is_cut() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(3 * HEAD)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(LARGE)

    talk(client)


def test_a_client_that_reads_slowly_gets_its_answer() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(20):
            await reader.readexactly(LARGE // 20)
            await asyncio.sleep(HEAD / 4)

    talk(client)


def test_nothing_is_kept_of_a_client_that_breaks_off() -> None:
    made: list[weakref.ref[Protocol]] = []

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readexactly(1000)
        writer.transport.abort()
        await asyncio.sleep(0.05)
        gc.collect()
        assert [each() for each in made] == [None]

    talk(client, made)


def test_connections_above_the_limit_are_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_MOST_CONNECTIONS", 0)
    monkeypatch.setattr(server, "_MOST_REFUSED", 0)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            assert await reader.read(1) == b""

    talk(client)
