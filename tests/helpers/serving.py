"""A line for tests: a tiny bundle, a store and the app, in this process."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
from starlette.testclient import TestClient

from fastdefect.inference.card import Rule
from fastdefect.jobs.serve import load
from fastdefect.serving.app import Access, make_app
from fastdefect.serving.engine import Engine
from fastdefect.serving.metrics import Metrics
from fastdefect.serving.records import Model
from fastdefect.serving.settings import Settings
from fastdefect.serving.store import Store
from helpers.bundles import photo_of, tiny_bundle

BRIGHT, GREY, DARK = 220, 120, 10  # of photos that are OK, look and reject


@cache
def png(brightness: int, size: int = 16) -> bytes:
    """The bytes of a photo that the tiny network decides on by its brightness."""
    return bytes(cv2.imencode(".png", photo_of(brightness, size))[1])


def banded_bundle(path: Path, threshold: float = 0.3, **changes: Any) -> Path:
    """A bundle that passes bright photos, rejects dark ones and sends grey ones to people."""
    rule = Rule(views="none", temperature=1.0, threshold=threshold, high=0.8, rule="band")
    return tiny_bundle(path, rule=rule, **changes)


@dataclass
class Line:
    """A server in this process, and what it works with."""

    client: TestClient
    engine: Engine
    store: Store
    settings: Settings
    bundle: Path
    accesses: list[Access]

    def inspect(self, *brightness: int, **data: str) -> dict[str, Any]:
        """The answer to photos of these values."""
        files = [("photo", (f"{each}.png", png(each))) for each in brightness]
        answer = self.client.post("/inspect", files=files, data=data)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def line(folder: Path, **settings: Any) -> Iterator[Line]:
    """A line whose store and bundle are in ``folder``."""
    bundle = folder / "tiny.fdb"
    if not bundle.exists():
        banded_bundle(bundle)
    given = Settings(**{"store": folder / "line", "threads": 2, **settings})
    accesses: list[Access] = []
    metrics = Metrics()
    loaded = load(bundle)
    with Store.open(given.store) as store:
        engine = Engine(loaded, store, given, metrics.stored)

        def reload() -> Model:
            engine.swap(load(bundle))
            return engine.loaded.model

        app = make_app(engine, store, given, reload, metrics=metrics, on_access=accesses.append)
        with (
            closing(engine),
            TestClient(
                app,
                base_url="http://localhost",
                raise_server_exceptions=False,
                follow_redirects=False,
            ) as client,
        ):
            yield Line(client, engine, store, given, bundle, accesses)
