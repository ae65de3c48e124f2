"""An interruption of a training changes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.fits import fit_once, new_fit
from helpers.learners import made_data, with_training
from safetensors.torch import load_file
from torch import nn

from fastdefect.config import TrainingConfig
from fastdefect.data.training_data import TrainingData
from fastdefect.events import BatchDone, Event
from fastdefect.run import Run
from fastdefect.training.fit import Fitted


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return made_data()


def after_batches(batches: int) -> Callable[[], bool]:
    """A function that returns True from its n-th call; batches of validation count too."""
    asked = 0

    def requested() -> bool:
        nonlocal asked
        asked += 1
        return asked >= batches

    return requested


def _timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


# Interruptions. An epoch is four batches of training and one of validation.


ADAMW = pytest.mark.parametrize("unbroken", [("adamw", 0.98)], indirect=True)


@pytest.fixture(scope="module")
def unbroken(
    request: pytest.FixtureRequest, data: TrainingData, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingConfig, Fitted, Run]:
    """A fit in two stages that nothing stopped."""
    optimizer, average = request.param
    training = with_training(optimizer=optimizer, freeze_epochs=1, weight_average=average)
    run = new_fit(tmp_path_factory.mktemp("unbroken"))
    fitted, _ = fit_once(data, run, training)
    return training, fitted, run


def _assert_as_unbroken(found: Fitted, run: Run, expected: Fitted, expected_run: Run) -> None:
    assert _timeless(found.history.rows) == _timeless(expected.history.rows)
    assert found.reason == expected.reason
    for file in ("checkpoint.safetensors", "model.safetensors"):
        old, new = load_file(expected_run.path(file)), load_file(run.path(file))
        assert old.keys() == new.keys()
        assert all(torch.equal(old[name], new[name]) for name in old), file


# Optimizers differ in their state, which every checkpoint has from the first epoch on.
@pytest.mark.parametrize(
    ("unbroken", "batches"),
    [
        *((("adamw", 0.98), batches) for batches in (1, 4, 5, 6, 14)),
        (("sgd", 0.0), 6),
        *(pytest.param(("adamw", 0.98), n, marks=pytest.mark.slow) for n in (3, 9, 10, 11)),
        *(pytest.param(("sgd", 0.0), n, marks=pytest.mark.slow) for n in (1, 11)),
    ],
    indirect=["unbroken"],
)
def test_an_interrupted_fit_resumes_to_the_bit(
    batches: int,
    data: TrainingData,
    unbroken: tuple[TrainingConfig, Fitted, Run],
    tmp_path: Path,
) -> None:
    training, expected, expected_run = unbroken
    run = new_fit(tmp_path)
    stopped, _ = fit_once(data, run, training, stop=after_batches(batches))
    assert stopped.reason == "interrupted"
    assert len(stopped.history.rows) == (batches - 1) // 5

    # Other first weights: the checkpoint's must take their place.
    resumed, _ = fit_once(data, run, training, seed=5)

    _assert_as_unbroken(resumed, run, expected, expected_run)


def test_a_network_with_views_resumes_to_the_bit_also_with_mixed_photos(tmp_path: Path) -> None:
    """The views without which photos are trained, and their mixtures, are drawn again."""
    data = made_data(views=("side", "top"))
    training = with_training(mixup_alpha=0.4)
    expected_run, run = new_fit(tmp_path, "unbroken"), new_fit(tmp_path, "stopped")
    expected, _ = fit_once(data, expected_run, training)
    stopped, _ = fit_once(data, run, training, stop=after_batches(6))
    assert stopped.reason == "interrupted"
    resumed, _ = fit_once(data, run, training, seed=5)
    _assert_as_unbroken(resumed, run, expected, expected_run)
    state = load_file(run.path("model.safetensors"))
    assert any(name.endswith("view_weight") and value.any() for name, value in state.items())


@ADAMW
def test_many_interruptions_change_nothing(
    data: TrainingData, unbroken: tuple[TrainingConfig, Fitted, Run], tmp_path: Path
) -> None:
    training, expected, expected_run = unbroken
    run = new_fit(tmp_path)
    for attempt in range(30):
        fitted, _ = fit_once(data, run, training, stop=after_batches(2), seed=attempt)
        if fitted.reason != "interrupted":
            break
    _assert_as_unbroken(fitted, run, expected, expected_run)


@ADAMW
@pytest.mark.slow
def test_worker_processes_change_nothing_and_can_be_interrupted(
    data: TrainingData, unbroken: tuple[TrainingConfig, Fitted, Run], tmp_path: Path
) -> None:
    training, expected, expected_run = unbroken
    run = new_fit(tmp_path)
    fit_once(data, run, training, stop=after_batches(7), workers=2)
    resumed, _ = fit_once(data, run, training, workers=2)
    _assert_as_unbroken(resumed, run, expected, expected_run)


class Killed(BaseException):
    """An exception that nothing catches, like kill -9."""


@pytest.mark.slow
@ADAMW
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("which", ["first", "last"])
def test_a_fit_killed_around_the_saving_of_its_best_resumes_to_the_bit(
    moment: str,
    which: str,
    data: TrainingData,
    unbroken: tuple[TrainingConfig, Fitted, Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fastdefect.training import fit as module

    training, expected, expected_run = unbroken
    run = new_fit(tmp_path)
    real, best = module.save_model, expected.history.best_epoch
    assert best is not None
    epoch = 1 if which == "first" else best

    def save_model(run: Run, network: nn.Module, number: int) -> None:
        if moment == "after" or number < epoch:
            real(run, network, number)
        if number >= epoch:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module, "save_model", save_model)
        fit_once(data, run, training)
    resumed, _ = fit_once(data, run, training, seed=3)
    _assert_as_unbroken(resumed, run, expected, expected_run)


@ADAMW
def test_a_fit_killed_in_its_first_batch_can_be_resumed(
    data: TrainingData, unbroken: tuple[TrainingConfig, Fitted, Run], tmp_path: Path
) -> None:
    training, expected, expected_run = unbroken
    run = new_fit(tmp_path)

    def kill(event: Event) -> None:
        if isinstance(event, BatchDone):
            raise Killed

    with pytest.raises(Killed):
        fit_once(data, run, training, on_event=kill)
    resumed, _ = fit_once(data, run, training, seed=3)
    _assert_as_unbroken(resumed, run, expected, expected_run)


@pytest.mark.parametrize("scheduler", ["onecycle", "cosine", "flat"])
def test_each_schedule_has_its_rates_and_resumes(
    scheduler: str, data: TrainingData, tmp_path: Path
) -> None:
    training = with_training(scheduler=scheduler)
    run, broken = new_fit(tmp_path, "whole"), new_fit(tmp_path, "broken")
    expected, _ = fit_once(data, run, training)
    fit_once(data, broken, training, stop=after_batches(8))
    resumed, _ = fit_once(data, broken, training, seed=4)
    _assert_as_unbroken(resumed, broken, expected, run)

    rates = [row["learning_rate"] for row in expected.history.rows]
    if scheduler == "flat":
        assert rates == [0.02] * 3
    else:
        assert 0.02 >= rates[0] > rates[1] > rates[2] > 0
        assert rates[2] < 0.001
    if scheduler == "cosine":
        # A third and two thirds of the way, one batch short.
        expected_rates = [0.01 * (1 + np.cos(np.pi * share / 12)) for share in (3, 7, 11)]
        assert rates == pytest.approx(expected_rates, rel=1e-3)


def test_in_bf16_a_fit_resumes_to_the_bit(data: TrainingData, tmp_path: Path) -> None:
    training = with_training(precision="bf16")
    run, broken = new_fit(tmp_path, "whole"), new_fit(tmp_path, "broken")
    expected, _ = fit_once(data, run, training)
    fit_once(data, broken, training, stop=after_batches(8))
    resumed, _ = fit_once(data, broken, training, seed=4)
    _assert_as_unbroken(resumed, broken, expected, run)
