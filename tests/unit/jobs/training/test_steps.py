"""Fewest steps: by hand, and never against what the user asked for."""

from typing import Any

import pytest

from fastdefect.config_resolve import resolve
from fastdefect.events import Event, Note
from fastdefect.jobs.training.steps import (
    too_few_for_camera,
    with_enough_steps,
    with_rate_for_steps,
)


@pytest.mark.parametrize(
    ("photos", "flags", "epochs"),
    [
        (39, {}, 25),  # 24 and 15 are two steps
        (39, {"min_steps": 150}, 75),
        (48, {"min_steps": 150}, 75),
        (49, {"min_steps": 150}, 75),  # one photo alone is no batch
        (50, {"min_steps": 150}, 50),
        (12, {}, 50),
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


@pytest.mark.parametrize(
    ("photos", "flags", "rate"),
    [
        (48, {"epochs": 25}, 4e-4),  # 50 steps
        (60, {"epochs": 25}, 2e-4 * 100 / 75),
        (48, {"epochs": 50}, 2e-4),
        (96, {"epochs": 24}, 2e-4),  # 96 steps: hardly fewer
        (48, {"epochs": 20}, 4e-4),  # 40, never more than twice
        (48, {"epochs": 19}, 5e-5),  # 38
        (149, {"epochs": 5}, 5e-5),  # 35
        (150, {"epochs": 5}, 2e-4),  # 35, from small logits
        (48, {"epochs": 19, "learning_rate": 1e-4}, 1e-4),
        (149, {"epochs": 7}, 4e-4),  # 49 steps
        (150, {"epochs": 10}, 2e-4),  # 70, from small logits
        (150, {"epochs": 11}, 2.5e-4),  # 77
        (150, {"epochs": 11, "image_size": 128}, 2e-4),
        (2000, {"epochs": 6}, 2e-4),
        (48, {"epochs": 25, "recipe": "camera"}, 4e-4),
        (48, {"epochs": 25, "recipe": "steady"}, 4e-4),
        (48, {"epochs": 25, "learning_rate": 1e-4}, 1e-4),
        (48, {"epochs": 25, "recipe": "full"}, 8e-4),
        (48, {"epochs": 25, "tune": "head"}, 2e-4),
    ],
)
def test_few_steps_go_further_each(photos: int, flags: dict[str, Any], rate: float) -> None:
    events: list[Event] = []
    before = resolve({"recipe": "plain", **flags})
    config = with_rate_for_steps(before, photos, events.append)
    assert config.training.learning_rate == pytest.approx(rate)
    assert (config == before) == (not events)


@pytest.mark.parametrize(
    ("size", "epochs"),
    [(512, 75), (224, 75), (168, 134), (128, 230), (32, 230)],  # 75 * (224 / 168) ** 2 = 133.3
)
def test_a_smaller_photo_needs_more_steps_for_the_camera(size: int, epochs: int) -> None:
    def too_few(photos: int, epochs: int) -> bool:
        flags = {"image_size": size, "batch_size": 150, "epochs": epochs}
        return too_few_for_camera(resolve(flags), photos)

    assert too_few(150, epochs - 1)
    assert not too_few(150, epochs)
    assert too_few(149, 39)
    assert not too_few(149, 40)
