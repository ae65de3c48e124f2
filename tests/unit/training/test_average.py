"""The average of the weights: its arithmetic, and that it does not affect the training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from helpers.learners import TRAINING, fit_made, made_data, made_learner, with_training
from helpers.photos import PREPROCESSING
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from fastdefect.config import TrainingConfig
from fastdefect.config_resolve import resolve
from fastdefect.data.training_data import TrainingData
from fastdefect.run import Run
from fastdefect.run_registry import create_run
from fastdefect.training.average import WeightAverage
from fastdefect.training.checkpoint import load_checkpoint
from fastdefect.training.predict import Predictor


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return made_data()


def _averaged(values: list[float], decay: float) -> list[float]:
    """The average of one weight after each of the steps to ``values``."""
    network = nn.Linear(1, 1, bias=False)
    network.register_buffer("seen", torch.tensor([0.0]))
    average = WeightAverage(network, decay)
    found = []
    for value in values:
        with torch.no_grad():
            network.weight.fill_(value)
            network.seen.fill_(value)
        average.average.update_parameters(network)
        found.append(float(average.averaged.state_dict()["weight"]))
        assert float(average.averaged.state_dict()["seen"]) == found[-1]  # buffers too
    return found


def test_the_first_steps_worked_by_hand() -> None:
    # The first step is the average; then 2/11 of 8 and 9/11 of 19; then 3/12 of 17 and 9/12 of 1.
    assert _averaged([8.0, 19.0, 1.0], 0.9) == pytest.approx([8.0, 17.0, 5.0])
    # From the second step on 2/11 would be more than the decay of 0.1.
    assert _averaged([8.0, 19.0, 1.0], 0.1) == pytest.approx([8.0, 17.9, 2.69])


@limits(deadline=None, max_examples=30)
@given(
    values=st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=40),
    decay=st.floats(0.01, 0.99),
)
def test_the_average_lies_between_the_least_and_the_greatest(
    values: list[float], decay: float
) -> None:
    for number, value in enumerate(_averaged(values, decay), start=1):
        assert min(values[:number]) - 1e-4 <= value <= max(values[:number]) + 1e-4


def test_after_many_steps_the_weight_of_a_step_falls_by_the_decay() -> None:
    # From the 81st step on (1 + n) / (10 + n) is above 0.9.
    found = _averaged([1.0] * 100 + [0.0] * 3, 0.9)
    assert found[-3:] == pytest.approx([0.9, 0.81, 0.729], rel=1e-5)


class _Watch(Callback):
    """Records the network of the Learner and its mode at each batch."""

    def __init__(self) -> None:
        self.seen: list[tuple[bool, int, bool]] = []

    def before_batch(self) -> None:
        self.seen.append((self.training, id(self.learn.model), self.learn.model.training))


def test_the_learner_trains_the_network_and_validates_the_average(data: TrainingData) -> None:
    watch = _Watch()
    learn = made_learner(data, cbs=[watch])
    network = learn.model
    average = WeightAverage(network, 0.9)
    learn.fit(2, lr=0.01, cbs=[average])
    assert learn.model is network
    assert {(training, model) for training, model, _ in watch.seen} == {
        (True, id(network)),
        (False, id(average.averaged)),
    }
    assert all(training == mode for training, _, mode in watch.seen)
    assert int(average.average.n_averaged) == 8  # two epochs of four batches


def _fit(
    data: TrainingData, folder: Path, training: TrainingConfig
) -> tuple[Run, list[dict[str, Any]], Learner]:
    run = create_run(folder, f"run-{training.weight_average}", resolve({}), "test")
    learn = made_learner(data, training)
    fitted = fit_made(learn, data, training, run)
    return run, fitted.history.rows, learn


@pytest.mark.parametrize("freeze_epochs", [0, 1])
def test_averaging_changes_what_is_kept_and_nothing_of_the_training(
    freeze_epochs: int, data: TrainingData, tmp_path: Path
) -> None:
    training = with_training(freeze_epochs=freeze_epochs)
    with_average, averaged_rows, _ = _fit(data, tmp_path, training)
    without, rows, _ = _fit(
        data, tmp_path, with_training(weight_average=0.0, freeze_epochs=freeze_epochs)
    )

    first = load_checkpoint(with_average.path("checkpoint.safetensors"))
    second = load_checkpoint(without.path("checkpoint.safetensors"))
    assert second.average == {}
    assert first.average["n_averaged"] == 12
    assert all(torch.equal(first.model[name], second.model[name]) for name in first.model)
    assert [row["train_loss"] for row in averaged_rows] == [row["train_loss"] for row in rows]
    assert [row["valid_loss"] for row in averaged_rows] != [row["valid_loss"] for row in rows]


def test_the_history_is_of_the_average_and_so_is_the_model(
    data: TrainingData, tmp_path: Path
) -> None:
    # One epoch: the model on disk is the average as it is in the checkpoint.
    run, rows, learn = _fit(data, tmp_path, with_training(epochs=1))
    model, average = (
        load_file(run.path("model.safetensors")),
        load_checkpoint(run.path("checkpoint.safetensors")).average,
    )
    assert {f"module.{name}" for name in model} == average.keys() - {"n_averaged"}
    assert all(torch.equal(value, average[f"module.{name}"]) for name, value in model.items())

    learn.model.load_state_dict(model)
    valid = data.split.valid
    predictor = Predictor(learn.model, PREPROCESSING, torch.device("cpu"))
    y_prob = predictor.probabilities(data.store, data.rows(valid))
    right = y_prob.argmax(axis=1) == data.manifest.labels[list(valid)]
    assert rows[0]["valid_accuracy"] == pytest.approx(np.mean(right))
    loss = -np.log(y_prob[np.arange(len(valid)), data.manifest.labels[list(valid)]])
    assert rows[0]["valid_loss"] == pytest.approx(_weighted(loss, data, y_prob), rel=1e-4)


def _weighted(loss: Any, data: TrainingData, y_prob: Any) -> float:
    """The smoothed, class-weighted loss of ``made_learner``, from the negative log likelihoods."""
    labels = data.manifest.labels[list(data.split.valid)]
    weights = np.array([0.8, 1.2])
    smooth = TRAINING.label_smoothing
    every = -(np.log(y_prob) * weights).sum(axis=1) * smooth / 2
    total = ((1 - smooth) * weights[labels] * loss + every).sum()
    return float(total / weights[labels].sum())
