"""Figures for a monitoring system (Prometheus): requests, times, decisions, queue and store."""

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from fastdefect.inference.decision_rule import DECISIONS
from fastdefect.serving.records import Inspection, Model

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Seconds: from a photo that waits for nothing to the timeout.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True)
class State:
    """What is measured when it is asked for."""

    in_work: int
    waiting: int
    store_bytes: int
    model: Model


class Metrics:
    """The metrics of one server, with a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second line for each of the others
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "fastdefect_requests", "Requests.", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "fastdefect_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._decisions = Counter(
            "fastdefect_inspections", "Inspections by decision.", ["decision"], registry=registry
        )
        for decision in DECISIONS:
            self._decisions.labels(decision)
        self._photos = Counter("fastdefect_photos", "Photos that were decided.", registry=registry)
        self._unlike = Counter(
            "fastdefect_unlike_photos", "Photos unlike those of the training.", registry=registry
        )
        self._in_work = Gauge(
            "fastdefect_photos_in_work", "Photos accepted and not answered.", registry=registry
        )
        self._waiting = Gauge(
            "fastdefect_waiting_for_people", "Inspections in the queue.", registry=registry
        )
        self._bytes = Gauge("fastdefect_store_bytes", "Bytes of the store.", registry=registry)
        self._bundle = Gauge(
            "fastdefect_bundle_info",
            "The bundle that decides.",
            ["name", "identity"],
            registry=registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def stored(self, inspections: Sequence[Inspection]) -> None:
        """Count new inspections."""
        for inspection in inspections:
            self._decisions.labels(inspection.decision).inc()
            self._photos.inc(len(inspection.photos))
            self._unlike.inc(sum(photo.unlike for photo in inspection.photos))

    def text(self, state: State) -> bytes:
        """All metrics in Prometheus's text format."""
        self._in_work.set(state.in_work)
        self._waiting.set(state.waiting)
        self._bytes.set(state.store_bytes)
        self._bundle.clear()
        self._bundle.labels(state.model.name, state.model.identity).set(1)
        return generate_latest(self._registry)
