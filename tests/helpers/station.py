"""A page of ``serve`` in a real browser: the server is a thread of this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from helpers.serving import Line, line


class Watched:
    """A page, what its console said, and the hosts that it asked."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url = page, url
        self.said: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.said.append(message.text)

    def open(self, path: str = "/") -> Any:
        self.page.goto(self.url + path)
        return self.page

    def check(self, noise: str | None = None) -> None:
        assert [each for each in self.said if noise is None or noise not in each] == []
        assert self.hosts - {""} <= {urlsplit(self.url).netloc}


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """The address of a server with ``app``."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        started = threading.Event()
        startup = server.startup

        async def tell(sockets: list[socket.socket] | None = None) -> None:
            await startup(sockets)
            started.set()

        server.startup = tell  # type: ignore[method-assign]
        thread = threading.Thread(target=lambda: server.run(sockets=[bound]), name="server")
        thread.start()
        try:
            assert started.wait(30)
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def open_page(browser: Any, **settings: Any) -> Any:
    """A page in a profile of its own, for a desktop unless told otherwise."""
    given = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **settings}
    return browser.new_context(**given).new_page()


@contextmanager
def station(browser: Any, folder: Path, **settings: Any) -> Iterator[tuple[Line, Watched]]:
    """A line with a page that is open; nothing may be said on the console."""
    noise = settings.pop("noise", None)
    look = settings.pop("look", {})
    with line(folder, **settings) as at, served(at.client.app) as url:
        page = open_page(browser, **look)
        watched = Watched(page, url)
        with closing(page.context):
            yield at, watched
        watched.check(noise)
