"""Inspections for stores of a line; their photos are short texts."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fastdefect.serving.records import Model, New, Photo

MODEL = Model("m1", "castings.fdb", ("burr", "crack", "ok"), ("ok",))
NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def moves(self, **steps: float) -> None:
        self.now += timedelta(**steps)


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def photo_of_line(content: bytes, **changes: Any) -> Photo:
    """The record of a photo with these bytes that the model passed; ``changes`` are its fields."""
    fields: dict[str, Any] = {
        "sha256": sha256_of(content),
        "name": "cam 1.png",
        "kind": "image/png",
        "decision": "OK",
        "probability": 0.125,
        "probabilities": {"burr": 0.025, "crack": 0.1, "ok": 0.875},
        "label": "ok",
        "defect_class": None,
        "unlike": False,
        "likeness": 0.5,
        "distance": 1.25,
        "milliseconds": 3.5,
    }
    return Photo(**fields | changes)


def new_inspection(
    name: str,
    *,
    contents: Sequence[bytes] | None = None,
    of_photos: Mapping[str, Any] | None = None,
    **changes: Any,
) -> New:
    """An inspection with the id ``name``, passed and not chosen; ``changes`` are its fields."""
    contents = [f"photo of {name}".encode()] if contents is None else contents
    fields: dict[str, Any] = {
        "id": name,
        "at": NOON,
        "part": None,
        "key": None,
        "digest": f"digest of {name}",
        "decision": "OK",
        "probability": 0.125,
        "defect_class": None,
        "unlike": False,
        "model": MODEL.identity,
        "bundle": MODEL.name,
        "share": 0.02,
        "chosen": False,
        "priority": 0.5,
        "photos": tuple(photo_of_line(content, **of_photos or {}) for content in contents),
        "contents": tuple(contents),
    }
    return New(**fields | changes)


def new_look(name: str, **changes: Any) -> New:
    """An inspection that the model left to people."""
    look = {"decision": "look", "chosen": True, "share": 1.0, "probability": 0.5}
    return new_inspection(name, **look | changes)
