"""A training stops at the first number that is not finite; fp16 recovers from an overflow."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from helpers.fits import new_fit
from helpers.learners import TRAINING, fit_made, made_data, made_learner, with_training
from helpers.photos import PREPROCESSING
from torch import nn

from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DivergedError
from fastdefect.events import Event, Note
from fastdefect.training.checkpoint import load_checkpoint
from fastdefect.training.precision import AutocastOnDevice


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return made_data()


class Spoil(Callback):
    """Replaces a value of one batch, counted over the whole fit."""

    order = 5  # the loss exists, and nothing has looked at it

    def __init__(self, what: str, batch: int, value: float, training: bool = True) -> None:
        self.what, self.batch, self.value, self.of_training = what, batch, value, training
        self.count = -1
        self.photos: torch.Tensor | None = None

    def after_loss(self) -> None:
        if self.learn.training != self.of_training:
            return
        self.count += 1
        if self.count == self.batch:
            self.photos = self.learn.xb[0].detach().clone()
            if self.what == "loss":
                self.learn.loss_grad = self.learn.loss_grad * self.value
                self.learn.loss = self.learn.loss_grad.detach().clone()

    def after_backward(self) -> None:
        if self.what == "gradient" and self.count == self.batch:
            next(self.learn.model.parameters()).grad[0, 0, 0, 0] = self.value


def _spoiled(
    data: TrainingData, folder: Path, spoil: Spoil, **training: Any
) -> tuple[DivergedError, Any]:
    run = new_fit(folder)
    settings = with_training(**training)
    learn = made_learner(data, settings, cbs=[spoil], augment="none")
    with pytest.raises(DivergedError) as caught:
        fit_made(learn, data, settings, run)
    return caught.value, run


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_the_batch_and_its_photos_are_named(
    what: str, value: float, data: TrainingData, tmp_path: Path
) -> None:
    # The second epoch's third batch: 14 photos are batches of 4, 4, 4 and 2.
    spoil = Spoil(what, 4 + 2, value)
    error, _ = _spoiled(data, tmp_path, spoil, mixup_alpha=0.0)
    assert "batch 3 in epoch 2 is" in error.message
    assert error.photos[0] in error.message
    by_name = {photo.name: photo.row for photo in data.manifest.photos}
    pixels = data.store[[by_name[name] for name in error.photos]]
    torch.testing.assert_close(
        spoil.photos.as_subclass(torch.Tensor),
        PREPROCESSING.batch(pixels, torch.device("cpu")),
        rtol=0,
        atol=1e-5,
    )


def test_a_batch_of_the_validation_is_named_too(data: TrainingData, tmp_path: Path) -> None:
    error, _ = _spoiled(data, tmp_path, Spoil("loss", 0, math.nan, training=False))
    assert "batch 1 of the validation in epoch 1 is nan" in error.message
    names = [data.manifest.photos[index].name for index in data.split.valid]
    assert list(error.photos) == names  # 8 photos, a batch of twice the size


def test_the_last_good_state_is_kept_and_finite(data: TrainingData, tmp_path: Path) -> None:
    _, run = _spoiled(data, tmp_path, Spoil("gradient", 6, math.nan))
    kept = load_checkpoint(run.path("checkpoint.safetensors"))
    assert kept.position.epoch == 1
    assert all(torch.isfinite(value).all() for value in kept.model.values())
    assert len(run.read("history.csv")) == 1


def test_weights_that_a_step_destroyed_are_told_from_photos(
    data: TrainingData, tmp_path: Path
) -> None:
    settings = with_training(learning_rate=1e38, clip=0.0, optimizer="sgd")
    learn = made_learner(data, settings)
    with pytest.raises(
        DivergedError, match=r"made weights infinite|the largest is [0-9.]+e\+[23]"
    ) as caught:
        fit_made(learn, data, settings, new_fit(tmp_path))
    assert "--learning-rate" in caught.value.hint


def test_a_weight_that_is_not_a_number_is_seen_among_others(
    data: TrainingData, tmp_path: Path
) -> None:
    learn = made_learner(data)
    with torch.no_grad():
        list(learn.model.parameters())[2][0] = math.nan
    with pytest.raises(DivergedError, match="made weights infinite or NaN"):
        fit_made(learn, data, TRAINING, new_fit(tmp_path))


class Overflow(nn.Module):
    """Multiplies by a large factor and divides again: fp16 can't hold the value between."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.same = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.same.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
        self.same.weight.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.same(x * self.factor).float() / self.factor


def _in_fp16(data: TrainingData, factor: float = 1.0) -> Learner:
    learn = made_learner(data, with_training(mixup_alpha=0.0), augment="none")
    learn.add_cb(AutocastOnDevice("fp16"))
    learn.model[0][0][0] = nn.Sequential(Overflow(factor), learn.model[0][0][0])
    return learn


def test_a_batch_that_overflows_fp16_is_computed_again(data: TrainingData, tmp_path: Path) -> None:
    learn, events = _in_fp16(data, 1e6), list[Event]()
    fitted = fit_made(learn, data, TRAINING, new_fit(tmp_path), on_event=events.append)
    assert all(math.isfinite(row["valid_loss"]) for row in fitted.history.rows)
    assert all(torch.isfinite(value).all() for value in learn.model.state_dict().values())
    # 4 batches of training and 1 of validation in each of 3 epochs.
    assert "Computed in fp32, as fp16 overflows: 15 of the batches." in [
        event.text for event in events if isinstance(event, Note)
    ]


def test_without_an_overflow_nothing_is_computed_again(data: TrainingData, tmp_path: Path) -> None:
    learn = _in_fp16(data)
    fit_made(learn, data, with_training(epochs=1), new_fit(tmp_path))
    assert learn.autocast_on_device.repeated == 0


def test_a_gradient_that_overflows_fp16_skips_one_step(data: TrainingData, tmp_path: Path) -> None:
    learn = _in_fp16(data)
    learn.add_cb(Spoil("gradient", 1, math.inf))
    fitted = fit_made(learn, data, with_training(epochs=1), new_fit(tmp_path))
    assert len(fitted.history.rows) == 1
    assert all(torch.isfinite(value).all() for value in learn.model.parameters())


def test_gradients_that_always_overflow_stop_the_training(
    data: TrainingData, tmp_path: Path
) -> None:
    class Always(Callback):
        def after_backward(self) -> None:
            next(self.learn.model.parameters()).grad[0, 0, 0, 0] = math.inf

    learn = _in_fp16(data)
    next(learn.model.parameters()).requires_grad_(True)
    learn.add_cb(Always())
    with pytest.raises(DivergedError, match="40 steps in a row overflow fp16"):
        fit_made(learn, data, with_training(epochs=20), new_fit(tmp_path))


def _ends_well(data: TrainingData, folder: Path, learn: Learner, **training: Any) -> None:
    fitted = fit_made(learn, data, with_training(**training), new_fit(folder))
    assert len(fitted.history.rows) == fitted.history.rows[-1]["epoch"]
    assert all(math.isfinite(row["train_loss"]) for row in fitted.history.rows)
    assert all(torch.isfinite(value).all() for value in learn.model.state_dict().values())


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_batches_of_one_class(mixup: float, data: TrainingData, tmp_path: Path) -> None:
    labels = data.manifest.labels
    order = tuple(sorted(range(14), key=lambda index: int(labels[index])))
    sorted_data = replace(data, split=replace(data.split, train=order))
    training = with_training(epochs=1, mixup_alpha=mixup)
    learn = made_learner(sorted_data, training, balanced=False)
    learn.dls.train.shuffle = False
    learn.dls.train.wgts = None
    seen: list[set[int]] = []

    class Labels(Callback):
        def before_batch(self) -> None:
            if self.training:
                seen.append(set(self.learn.yb[0].tolist()))

    learn.add_cb(Labels())
    _ends_well(sorted_data, tmp_path, learn, epochs=1, mixup_alpha=mixup)
    assert 1 in {len(classes) for classes in seen}


def test_photos_of_one_colour_and_a_batch_larger_than_the_set(tmp_path: Path) -> None:
    flat = made_data()
    for row in range(len(flat.store)):
        flat.store.put(row, np.full((32, 32, 3), 128, np.uint8))
    learn = made_learner(flat, with_training(epochs=2, batch_size=1000))
    assert learn.dls.train.bs == 14
    _ends_well(flat, tmp_path, learn, epochs=2, batch_size=1000)
