"""The ASGI application: the API, the page, and what surrounds them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastdefect import __version__
from fastdefect.serving import api, login, problems
from fastdefect.serving.api import Desk
from fastdefect.serving.day_drift import DayDrift
from fastdefect.serving.engine import Engine
from fastdefect.serving.heat_maps import HeatMaps
from fastdefect.serving.metrics import Metrics
from fastdefect.serving.pages import add_pages
from fastdefect.serving.records import Model
from fastdefect.serving.security import Guard
from fastdefect.serving.settings import Settings
from fastdefect.serving.store import Store
from fastdefect.serving.uploads import Uploads


@dataclass(frozen=True)
class Access:
    """A request and its answer. ``path`` has no query: it may contain the name of a part."""

    client: str
    method: str
    path: str
    status: int
    milliseconds: float


_MOST_CLIENT = 64  # characters, more than an address has
OnAccess = Callable[[Access], None]


def _unheard(access: Access) -> None:
    pass


def make_app(
    engine: Engine,
    store: Store,
    settings: Settings,
    reload: Callable[[], Model],
    *,
    metrics: Metrics | None = None,
    on_access: OnAccess = _unheard,
) -> FastAPI:
    """The application. ``metrics`` are those that the engine counts in, if any."""
    app = FastAPI(
        title="fastdefect",
        version=__version__,
        description="Decisions on photos of parts at a line.",
        # Their pages need scripts from the internet.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    metrics = metrics or Metrics()
    app.state.desk = Desk(
        engine,
        store,
        settings,
        reload,
        Uploads(settings),
        metrics,
        DayDrift(store),
        HeatMaps(engine.gate),
    )
    app.include_router(api.router)
    app.include_router(login.router)
    add_pages(app)
    problems.install(app)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(_Observed, metrics=metrics, on_access=on_access)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Add to the OpenAPI description what the routes don't declare."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        schema = described()
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {})["ProblemBody"] = (
            problems.ProblemBody.model_json_schema()
        )
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"token": []}, {}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


class _Observed:
    """Counts each request and reports it after its answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics, on_access: OnAccess) -> None:
        self._app, self._metrics, self._on_access = app, metrics, on_access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            seconds = time.perf_counter() - started
            # Paths that are not declared could be any number of metrics.
            route = getattr(scope.get("route"), "path", "other")
            method = "any" if route == "other" or status == 405 else scope["method"]
            self._metrics.answered(method, route, status, seconds)
            # Both come from the client or a proxy: no line breaks and no spaces in a log.
            client = quote(scope["client"][0], safe=":")[:_MOST_CLIENT] if scope["client"] else ""
            path = quote(scope["path"])
            self._on_access(Access(client, scope["method"], path, status, seconds * 1000))
