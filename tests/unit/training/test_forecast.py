"""The forecast: reported once, for long trainings, without an effect on the training."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from fastdefect.config import TrainingConfig
from fastdefect.events import Note
from fastdefect.training import forecast
from fastdefect.training.callbacks import Position
from fastdefect.training.efficientnet_lite import EfficientNetLite0
from fastdefect.training.forecast import PREDICTION_SHARE, Forecast, duration, seconds_per_photo

EPOCHS, BATCH, TRAIN, VALID = 25, 4, 100, 20


class _Clock:
    """A fake of the time module."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(forecast, "time", clock)
    return clock


def _learner(body: nn.Module, steps: int) -> Any:
    dls = SimpleNamespace(
        train=SimpleNamespace(n=TRAIN),
        valid=SimpleNamespace(n=VALID),
        device=torch.device("cpu"),
    )
    model = nn.Sequential(body, nn.Identity())
    xb = (torch.zeros(BATCH, 3, 8, 8),)
    return SimpleNamespace(
        dls=dls, model=model, xb=xb, yb=(torch.zeros(BATCH),), training=True, n_iter=steps
    )


def _play(
    clock: _Clock,
    seconds: Iterator[float],
    *,
    body: nn.Module | None = None,
    epochs: int = EPOCHS,
    frozen: int = 0,
    done: int = 0,
    steps: int = 10,
    resumed: bool = False,
) -> list[str]:
    """Run the steps of two epochs, ``seconds`` each with half for loading; return the notes."""
    told: list[Note] = []
    position = Position(epoch=done)
    training = TrainingConfig(epochs=epochs, freeze_epochs=frozen, batch_size=BATCH)
    callback = Forecast(training, position, told.append, resumed=resumed)  # type: ignore[arg-type]
    callback.learn = _learner(body or nn.Identity(), steps)
    for _ in range(2):
        callback.before_train()
        for _, step in zip(range(steps), seconds, strict=False):
            clock.now += step / 2
            callback.before_batch()
            clock.now += step / 2
            callback.after_batch()
        callback.learn.training = False  # validation
        callback.before_batch()
        callback.after_batch()
        callback.learn.training = True
        position.epoch += 1
    return [note.text for note in told]


def _whole(step: float, epochs: int) -> float:
    """The seconds of a training with steps of ``step`` seconds, half of them for loading."""
    photo = step / BATCH
    return epochs * (TRAIN * photo + PREDICTION_SHARE * 2 * VALID * photo / 2)


def test_it_reports_once_the_median_of_the_steps_after_the_first(clock: _Clock) -> None:
    steps = iter([50.0, 2.0, 2.0, 9.0, 2.0, 2.0, *[7.0] * 50])
    (text,) = _play(clock, steps)
    assert text == f"About {duration(_whole(2.0, EPOCHS))} for 25 epochs on this machine."
    assert 60 < _whole(2.0, EPOCHS) < forecast.LONG_S


def test_an_epoch_of_one_step_is_enough(clock: _Clock) -> None:
    (text,) = _play(clock, iter([2.0] * 5), steps=1)
    assert text.startswith(f"About {duration(_whole(2.0, EPOCHS))} ")


@pytest.mark.parametrize("options", [{"resumed": True}, {"epochs": 1}])
def test_it_reports_nothing_for_short_or_resumed_trainings(
    options: dict[str, Any], clock: _Clock
) -> None:
    assert _play(clock, iter([2.0] * 50), **options) == []


def test_frozen_epochs_do_not_count(clock: _Clock) -> None:
    steps = iter([0.1] * 10 + [2.0] * 10)
    (text,) = _play(clock, steps, frozen=1)
    assert text == f"About {duration(_whole(2.0, EPOCHS - 1))} for 24 epochs on this machine."


def test_a_long_training_names_the_time_of_the_smaller_network(
    clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "seconds_per_photo", lambda *args, **options: 0.1)
    (text,) = _play(clock, iter([20.0] * 50))
    quick = EPOCHS * (TRAIN * (10 / BATCH + 0.1) + PREDICTION_SHARE * 2 * VALID * 0.1)
    assert duration(_whole(20.0, EPOCHS)) in text
    assert f"--arch efficientnet-lite0 would take about {duration(quick)}" in text
    assert "random pixels" in text


@pytest.mark.parametrize(
    ("own", "photo"), [(nn.Identity(), 2.4), (nn.Identity(), float("inf")), (None, 0.1)]
)
def test_no_network_is_named_that_saves_little_or_is_trained_already(
    own: nn.Module | None, photo: float, clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "seconds_per_photo", lambda *args, **options: photo)
    (text,) = _play(clock, iter([20.0] * 50), body=own or EfficientNetLite0())
    assert "--arch" not in text


def test_timing_returns_seconds_and_keeps_the_generator() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    seconds = seconds_per_photo(
        torch.Size((2, 3, 32, 32)), torch.device("cpu"), mixed=False, trains_statistics=False
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert 0 < seconds < 60


def test_too_little_memory_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(forecast, "_step", full)
    shape, device = torch.Size((2, 3, 32, 32)), torch.device("cpu")
    assert seconds_per_photo(shape, device, mixed=False, trains_statistics=True) == float("inf")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (61, "1 minute"),
        (720, "12 minutes"),
        (5340, "89 minutes"),
        (7200, "2 h"),
        (9000, "2 h 30 min"),
    ],
)
def test_durations_are_formatted(seconds: float, said: str) -> None:
    assert duration(seconds) == said
