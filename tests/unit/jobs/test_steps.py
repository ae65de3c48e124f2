"""Fewest steps: by hand, and never against what the user asked for."""

from typing import Any

import pytest

from fastdefect.config import resolve
from fastdefect.events import Event, Note
from fastdefect.jobs.steps import with_enough_steps


@pytest.mark.parametrize(
    ("photos", "flags", "epochs"),
    [
        (39, {}, 75),  # 24 and 15 are two steps
        (48, {}, 75),
        (49, {}, 75),  # one photo alone is no batch
        (50, {}, 50),
        (12, {}, 150),
        (1000, {}, 25),  # 42 steps an epoch
        (39, {"epochs": 3}, 3),
        (39, {"min_steps": 0}, 25),
        (39, {"min_steps": 10, "batch_size": 8}, 25),
        (39, {"min_steps": 400, "batch_size": 8}, 80),
        (39, {"recipe": "legacy"}, 25),
        (39, {"tune": "head"}, 25),
    ],
)
def test_epochs_are_added_until_there_are_enough_steps(
    photos: int, flags: dict[str, Any], epochs: int
) -> None:
    events: list[Event] = []
    config = with_enough_steps(resolve(flags), photos, events.append)
    assert config.training.epochs == epochs
    assert len(events) == (epochs > 25)
    if events:
        assert isinstance(events[0], Note)
        assert f"{epochs} epochs instead of 25" in events[0].text
