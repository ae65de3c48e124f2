"""A training: its files, and that an interruption changes nothing."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastai.learner import Learner
from helpers.learners import TRAINING, fit_made, made_data, made_learner, with_training
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from fastdefect.config import TrainingConfig
from fastdefect.config_resolve import resolve
from fastdefect.data.splitting.split import Split
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DivergedError
from fastdefect.events import BatchDone, EpochDone, Event, FitEnded, FitStarted, silent
from fastdefect.run import Run
from fastdefect.run_registry import create_run
from fastdefect.training.checkpoint import load_checkpoint
from fastdefect.training.fit import Fitted, Stage, annealed_from, stages


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return made_data()


def never() -> bool:
    return False


def _run(folder: Path, name: str = "run") -> Run:
    return create_run(folder, name, resolve({}), "test")


def _fit(
    data: TrainingData,
    run: Run,
    training: TrainingConfig = TRAINING,
    *,
    on_event: Callable[[Event], None] = silent,
    stop: Callable[[], bool] = never,
    seed: int = 0,
    **loaders: Any,
) -> tuple[Fitted, Learner]:
    """Start a run, or resume it from its checkpoint."""
    path = run.path("checkpoint.safetensors")
    learn = made_learner(data, training, seed=seed, **loaders)
    checkpoint = load_checkpoint(path) if path.exists() else None
    fitted = fit_made(
        learn, data, training, run, on_event=on_event, stop=stop, checkpoint=checkpoint
    )
    return fitted, learn


def _after(batches: int) -> Callable[[], bool]:
    """A function that returns True from its n-th call; batches of validation count too."""
    asked = 0

    def requested() -> bool:
        nonlocal asked
        asked += 1
        return asked >= batches

    return requested


def _timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_stages_are_frozen_first_and_then_discriminative() -> None:
    assert stages(with_training(epochs=5)) == [Stage(0, 5, False, False)]
    assert stages(with_training(epochs=5, freeze_epochs=2)) == [
        Stage(0, 2, True, False),
        Stage(2, 3, False, True),
    ]


@dataclass(frozen=True)
class Whole:
    """A fit that nothing stopped, with what it reported. A test that goes on copies its run."""

    run: Run
    fitted: Fitted
    learn: Learner
    events: list[Event]

    def copied(self, folder: Path) -> Run:
        """The run again, in ``folder``."""
        return Run(shutil.copytree(self.run.folder, folder / self.run.name))


def _whole(data: TrainingData, folder: Path, training: TrainingConfig) -> Whole:
    events: list[Event] = []
    run = _run(folder)
    return Whole(run, *_fit(data, run, training, on_event=events.append), events)


@pytest.fixture(scope="module")
def finished(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return _whole(data, tmp_path_factory.mktemp("finished"), TRAINING)


# Nothing is learned, so nothing after the first epoch is better.
IDLE = with_training(epochs=9, learning_rate=1e-12, patience=2)


@pytest.fixture(scope="module")
def stopped_early(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return _whole(data, tmp_path_factory.mktemp("idle"), IDLE)


def test_a_finished_fit_writes_its_files(finished: Whole) -> None:
    run, fitted, learn, events = finished.run, finished.fitted, finished.learn, finished.events

    assert fitted.reason == "finished"
    rows = fitted.history.rows
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert run.read_history() == [pytest.approx(row, nan_ok=True) for row in rows]
    checkpoint = load_checkpoint(run.path("checkpoint.safetensors"))
    assert checkpoint.history.rows == rows
    assert (checkpoint.position.epoch, checkpoint.position.batch) == (3, 0)
    for name, value in learn.model.state_dict().items():
        assert torch.equal(checkpoint.model[name], value.contiguous())
    with safe_open(run.path("model.safetensors"), framework="pt") as file:
        assert file.metadata() == {"epoch": str(fitted.history.best_epoch)}

    assert isinstance(events[0], FitStarted)
    assert events[-1] == FitEnded("finished", 3, fitted.history.best_epoch)
    assert sum(isinstance(event, BatchDone) for event in events) == 12
    told = [event for event in events if isinstance(event, EpochDone)]
    assert [event.row["epoch"] for event in told] == [1, 2, 3]


def test_training_loss_is_the_mean_over_the_epochs_photos(finished: Whole) -> None:
    losses = [event.loss for event in finished.events if isinstance(event, BatchDone)]
    for epoch, row in enumerate(finished.fitted.history.rows):
        of_epoch = losses[4 * epoch : 4 * epoch + 4]
        expected = np.average(of_epoch, weights=[4, 4, 4, 2])
        assert row["train_loss"] == pytest.approx(expected)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_accuracies_are_measured_alike(
    precision: str, data: TrainingData, tmp_path: Path
) -> None:
    # With the same photos on both sides, strongly augmented or not, there is no gap.
    manifest = data.manifest
    same = TrainingData(
        manifest, data.store, Split(tuple(range(14)), tuple(range(14)), (), data.split.parts)
    )
    training = with_training(precision=precision)
    fitted, _ = _fit(same, _run(tmp_path), training, augment="manufacturing")
    for row in fitted.history.rows:
        assert row["gap"] == 0
        assert row["train_accuracy"] == row["valid_accuracy"]


def test_the_best_model_is_the_one_on_disk(data: TrainingData, tmp_path: Path) -> None:
    kept: list[tuple[int, bool, dict[str, torch.Tensor]]] = []
    run = _run(tmp_path)

    def listen(event: Event) -> None:
        if isinstance(event, EpochDone):
            kept.append((event.row["epoch"], event.best, load_file(run.path("model.safetensors"))))

    fitted, _ = _fit(data, run, with_training(epochs=5), on_event=listen)
    best = fitted.history.best_epoch
    of_best = next(state for epoch, _, state in kept if epoch == best)
    final = load_file(run.path("model.safetensors"))
    assert all(torch.equal(final[name], of_best[name]) for name in final)
    assert [epoch for epoch, is_best, _ in kept if is_best][-1] == best


def test_patience_ends_the_fit(stopped_early: Whole) -> None:
    fitted, events = stopped_early.fitted, stopped_early.events
    best = fitted.history.best_epoch
    assert best is not None
    assert fitted.reason == "early stopping"
    assert len(fitted.history.rows) == best + 2
    assert events[-1] == FitEnded("early stopping", best + 2, best)


def test_no_patience_never_stops(data: TrainingData, tmp_path: Path) -> None:
    training = with_training(epochs=4, learning_rate=1e-12, patience=0)
    fitted, _ = _fit(data, _run(tmp_path), training)
    assert (fitted.reason, len(fitted.history.rows)) == ("finished", 4)


def test_a_training_that_diverges_is_a_readable_error(data: TrainingData, tmp_path: Path) -> None:
    run = _run(tmp_path)
    training = with_training(learning_rate=1e30, clip=0.0, optimizer="sgd")
    with pytest.raises(DivergedError, match="finite") as caught:
        _fit(data, run, training)
    assert "--learning-rate" in caught.value.hint


# Interruptions. An epoch is four batches of training and one of validation.


@pytest.fixture(scope="module", params=[("adamw", 0.98), ("sgd", 0.0)], ids=["adamw", "sgd"])
def unbroken(
    request: pytest.FixtureRequest, data: TrainingData, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingConfig, Fitted, Run]:
    """A fit in two stages that nothing stopped."""
    optimizer, average = request.param
    training = with_training(optimizer=optimizer, freeze_epochs=1, weight_average=average)
    run = _run(tmp_path_factory.mktemp("unbroken"))
    fitted, _ = _fit(data, run, training)
    return training, fitted, run


def _assert_as_unbroken(found: Fitted, run: Run, expected: Fitted, expected_run: Run) -> None:
    assert _timeless(found.history.rows) == _timeless(expected.history.rows)
    assert found.reason == expected.reason
    for file in ("checkpoint.safetensors", "model.safetensors"):
        old, new = load_file(expected_run.path(file)), load_file(run.path(file))
        assert old.keys() == new.keys()
        assert all(torch.equal(old[name], new[name]) for name in old), file


@pytest.mark.parametrize("batches", [1, 3, 4, 5, 6, 9, 10, 11, 14])
def test_an_interrupted_fit_resumes_to_the_bit(
    batches: int,
    data: TrainingData,
    unbroken: tuple[TrainingConfig, Fitted, Run],
    tmp_path: Path,
) -> None:
    training, expected, expected_run = unbroken
    run = _run(tmp_path)
    stopped, _ = _fit(data, run, training, stop=_after(batches))
    assert stopped.reason == "interrupted"
    assert len(stopped.history.rows) == (batches - 1) // 5

    # Other first weights: the checkpoint's must take their place.
    resumed, _ = _fit(data, run, training, seed=5)

    _assert_as_unbroken(resumed, run, expected, expected_run)


def test_many_interruptions_change_nothing(
    data: TrainingData, unbroken: tuple[TrainingConfig, Fitted, Run], tmp_path: Path
) -> None:
    training, expected, expected_run = unbroken
    run = _run(tmp_path)
    for attempt in range(30):
        fitted, _ = _fit(data, run, training, stop=_after(2), seed=attempt)
        if fitted.reason != "interrupted":
            break
    _assert_as_unbroken(fitted, run, expected, expected_run)


@pytest.mark.slow
def test_worker_processes_change_nothing_and_can_be_interrupted(
    data: TrainingData, unbroken: tuple[TrainingConfig, Fitted, Run], tmp_path: Path
) -> None:
    training, expected, expected_run = unbroken
    run = _run(tmp_path)
    _fit(data, run, training, stop=_after(7), workers=2)
    resumed, _ = _fit(data, run, training, workers=2)
    _assert_as_unbroken(resumed, run, expected, expected_run)


class Killed(BaseException):
    """An exception that nothing catches, like kill -9."""


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
    run = _run(tmp_path)
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
        _fit(data, run, training)
    resumed, _ = _fit(data, run, training, seed=3)
    _assert_as_unbroken(resumed, run, expected, expected_run)


def test_a_fit_killed_in_its_first_batch_can_be_resumed(
    data: TrainingData, unbroken: tuple[TrainingConfig, Fitted, Run], tmp_path: Path
) -> None:
    training, expected, expected_run = unbroken
    run = _run(tmp_path)

    def kill(event: Event) -> None:
        if isinstance(event, BatchDone):
            raise Killed

    with pytest.raises(Killed):
        _fit(data, run, training, on_event=kill)
    resumed, _ = _fit(data, run, training, seed=3)
    _assert_as_unbroken(resumed, run, expected, expected_run)


@pytest.mark.parametrize("scheduler", ["onecycle", "cosine", "flat"])
def test_each_schedule_has_its_rates_and_resumes(
    scheduler: str, data: TrainingData, tmp_path: Path
) -> None:
    training = with_training(scheduler=scheduler)
    run, broken = _run(tmp_path, "whole"), _run(tmp_path, "broken")
    expected, _ = _fit(data, run, training)
    _fit(data, broken, training, stop=_after(8))
    resumed, _ = _fit(data, broken, training, seed=4)
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
    run, broken = _run(tmp_path, "whole"), _run(tmp_path, "broken")
    expected, _ = _fit(data, run, training)
    _fit(data, broken, training, stop=_after(8))
    resumed, _ = _fit(data, broken, training, seed=4)
    _assert_as_unbroken(resumed, broken, expected, run)


def test_a_finished_fit_that_is_resumed_adds_nothing(
    data: TrainingData, finished: Whole, tmp_path: Path
) -> None:
    second, _ = _fit(data, finished.copied(tmp_path))
    assert second.reason == "finished"
    assert second.history.rows == finished.fitted.history.rows


def test_a_fit_that_stopped_early_is_not_continued(
    data: TrainingData, stopped_early: Whole, tmp_path: Path
) -> None:
    # Killed while the closing report was written, the run still counts as running.
    second, _ = _fit(data, stopped_early.copied(tmp_path), IDLE)
    assert second.reason == "early stopping"
    assert second.history.rows == stopped_early.fitted.history.rows


def test_a_frozen_stage_leaves_the_convolutions_alone(data: TrainingData, tmp_path: Path) -> None:
    training = with_training(epochs=2, freeze_epochs=1)
    run = _run(tmp_path)
    before = made_learner(data, training).model.state_dict()
    first = {name: value.clone() for name, value in before.items()}
    after_stage: dict[str, torch.Tensor] = {}

    def listen(event: Event) -> None:
        if isinstance(event, EpochDone) and not after_stage:
            after_stage.update(load_checkpoint(run.path("checkpoint.safetensors")).model)

    _, learn = _fit(data, run, training, on_event=listen)
    kernels = [name for name, value in first.items() if value.ndim == 4]
    of_the_head = [name for name, value in first.items() if value.ndim == 2]
    assert len(kernels) == 2
    assert all(torch.equal(after_stage[name], first[name]) for name in kernels)
    assert not any(torch.equal(after_stage[name], first[name]) for name in of_the_head)
    last = learn.model.state_dict()
    assert not any(torch.equal(last[name], first[name]) for name in kernels)


def test_after_frozen_epochs_early_layers_learn_more_slowly(
    data: TrainingData, tmp_path: Path
) -> None:
    training = with_training(epochs=3, freeze_epochs=1, scheduler="flat")
    _, learn = _fit(data, _run(tmp_path), training)
    rates = [hyper["lr"] for hyper in learn.opt.hypers]
    assert rates == pytest.approx([0.0002, 0.002, 0.02])


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"epochs": 25}, 19),
        ({"epochs": 6}, 5),
        ({"epochs": 1}, 1),
        ({"epochs": 10, "freeze_epochs": 6}, 10),
        ({"epochs": 25, "scheduler": "cosine"}, 19),
        ({"epochs": 25, "scheduler": "flat"}, 1),
        ({"epochs": 25, "keep": "best"}, 1),
    ],
)
def test_the_last_quarter_of_a_schedule_is_annealed(changes: dict[str, Any], first: int) -> None:
    assert annealed_from(TrainingConfig(**changes)) == first
