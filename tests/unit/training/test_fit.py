"""A training: its files, its figures, and what ends it."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastai.learner import Learner
from helpers.fits import fit_once, new_fit
from helpers.learners import TRAINING, made_data, made_learner, with_training
from safetensors import safe_open
from safetensors.torch import load_file

from fastdefect.config import TrainingConfig
from fastdefect.data.splitting.split import Split
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DivergedError
from fastdefect.events import BatchDone, EpochDone, Event, FitEnded, FitStarted
from fastdefect.run import Run
from fastdefect.training.checkpoint import load_checkpoint
from fastdefect.training.fit import Fitted, Stage, annealed_from, stages


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return made_data()


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


def whole_fit(data: TrainingData, folder: Path, training: TrainingConfig) -> Whole:
    events: list[Event] = []
    run = new_fit(folder)
    return Whole(run, *fit_once(data, run, training, on_event=events.append), events)


@pytest.fixture(scope="module")
def finished(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return whole_fit(data, tmp_path_factory.mktemp("finished"), TRAINING)


# Nothing is learned, so nothing after the first epoch is better.
IDLE = with_training(epochs=9, learning_rate=1e-12, patience=2)


@pytest.fixture(scope="module")
def stopped_early(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return whole_fit(data, tmp_path_factory.mktemp("idle"), IDLE)


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
    fitted, _ = fit_once(same, new_fit(tmp_path), training, augment="manufacturing")
    for row in fitted.history.rows:
        assert row["gap"] == 0
        assert row["train_accuracy"] == row["valid_accuracy"]


def test_the_best_model_is_the_one_on_disk(data: TrainingData, tmp_path: Path) -> None:
    kept: list[tuple[int, bool, dict[str, torch.Tensor]]] = []
    run = new_fit(tmp_path)

    def listen(event: Event) -> None:
        if isinstance(event, EpochDone):
            kept.append((event.row["epoch"], event.best, load_file(run.path("model.safetensors"))))

    fitted, _ = fit_once(data, run, with_training(epochs=5), on_event=listen)
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
    fitted, _ = fit_once(data, new_fit(tmp_path), training)
    assert (fitted.reason, len(fitted.history.rows)) == ("finished", 4)


def test_a_training_that_diverges_is_a_readable_error(data: TrainingData, tmp_path: Path) -> None:
    run = new_fit(tmp_path)
    training = with_training(learning_rate=1e30, clip=0.0, optimizer="sgd")
    with pytest.raises(DivergedError, match="finite") as caught:
        fit_once(data, run, training)
    assert "--learning-rate" in caught.value.hint


def test_a_finished_fit_that_is_resumed_adds_nothing(
    data: TrainingData, finished: Whole, tmp_path: Path
) -> None:
    second, _ = fit_once(data, finished.copied(tmp_path))
    assert second.reason == "finished"
    assert second.history.rows == finished.fitted.history.rows


def test_a_fit_that_stopped_early_is_not_continued(
    data: TrainingData, stopped_early: Whole, tmp_path: Path
) -> None:
    # Killed while the closing report was written, the run still counts as running.
    second, _ = fit_once(data, stopped_early.copied(tmp_path), IDLE)
    assert second.reason == "early stopping"
    assert second.history.rows == stopped_early.fitted.history.rows


def test_a_frozen_stage_leaves_the_convolutions_alone(data: TrainingData, tmp_path: Path) -> None:
    training = with_training(epochs=2, freeze_epochs=1)
    run = new_fit(tmp_path)
    before = made_learner(data, training).model.state_dict()
    first = {name: value.clone() for name, value in before.items()}
    after_stage: dict[str, torch.Tensor] = {}

    def listen(event: Event) -> None:
        if isinstance(event, EpochDone) and not after_stage:
            after_stage.update(load_checkpoint(run.path("checkpoint.safetensors")).model)

    _, learn = fit_once(data, run, training, on_event=listen)
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
    _, learn = fit_once(data, new_fit(tmp_path), training)
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
