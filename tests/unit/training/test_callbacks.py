"""The ranking of epochs in the history, and the callbacks."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from helpers.learners import made_data, made_learner, with_training
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.training_data import TrainingData
from fastdefect.events import BatchDone
from fastdefect.metrics import score
from fastdefect.training.callbacks import (
    HISTORY_COLUMNS,
    History,
    Position,
    RepeatableDraws,
    Report,
    StopOnRequest,
    fastai_metrics,
)


def _history(*epochs: tuple[float, float, float]) -> History:
    """A history with these F1 at their best threshold, AUCs and validation losses."""
    return History(
        [
            {"epoch": number, "f1": f1, "best_f1": f1, "auc": auc, "valid_loss": loss}
            for number, (f1, auc, loss) in enumerate(epochs, start=1)
        ]
    )


NAN = math.nan


@pytest.mark.parametrize(
    ("epochs", "best"),
    [
        ([], None),
        ([(0.5, 0.5, 1.0)], 1),
        ([(0.5, 0.5, 1.0), (0.6, 0.5, 2.0), (0.4, 0.9, 0.1)], 2),
        ([(0.501, 0.8, 0.1), (0.499, 0.9, 1.0)], 2),  # near-ties go to the higher AUC
        ([(0.5, 0.5, 1.0), (0.5, 0.5, 0.9), (0.5, 0.5, 0.95)], 2),  # then to the lower loss
        ([(0.5, 0.5, 1.0), (0.5, 0.5, 1.0)], 1),  # and then to the earlier epoch
        ([(NAN, NAN, 0.1), (0.0, 0.5, 2.0)], 2),
        ([(0.3, 0.5, 1.0), (NAN, NAN, 0.1)], 1),
        ([(0.3, NAN, 1.0), (0.3, 0.1, 2.0)], 2),  # no AUC is the lowest
        ([(NAN, NAN, 0.1), (NAN, NAN, 0.2)], None),
        ([(0.0, 0.5, 1.0)], 1),
    ],
)
def test_the_best_epoch_is_by_f1_then_by_auc_then_by_loss(
    epochs: list[tuple[float, float, float]], best: int | None
) -> None:
    assert _history(*epochs).best_epoch == best


def test_a_model_of_almost_constant_prediction_is_not_the_best_for_its_f1_at_argmax() -> None:
    # As seen on magnetic tiles: the third epoch calls nearly everything a defect.
    third = {"f1": 0.466, "best_f1": 0.47, "auc": 0.582, "valid_loss": 0.75}
    sixth = {"f1": 0.378, "best_f1": 0.55, "auc": 0.710, "valid_loss": 0.60}
    history = History([{"epoch": 1, **third}, {"epoch": 2, **sixth}])
    assert history.best_epoch == 2


def test_the_history_of_an_earlier_version_ranks_by_the_f1_that_it_has() -> None:
    rows = [{"epoch": 1, "f1": 0.7, "auc": 0.8, "valid_loss": 1.0}]
    assert History([*rows, {"epoch": 2, "f1": 0.6, "auc": 0.9, "valid_loss": 0.5}]).best_epoch == 1


@given(
    st.lists(st.tuples(*[st.floats(0, 1), st.floats(0, 1), st.floats(0, 5)]), min_size=1),
)
def test_an_epoch_that_is_no_longer_the_best_never_becomes_it_again(
    epochs: list[tuple[float, float, float]],
) -> None:
    best = [_history(*epochs[:n]).best_epoch for n in range(1, len(epochs) + 1)]
    # Its weights were written over: the best is the last one, or the newest epoch.
    assert all(now in (before, n) for n, (before, now) in enumerate(pairwise(best), start=2))


def test_earlier_epochs_do_not_count_in_the_last_quarter() -> None:
    epochs = [(0.9, 0.9, 0.1), (0.95, 0.99, 0.1), (0.7, 0.8, 0.5), (0.8, 0.8, 0.5), (0.7, 0.9, 0.4)]
    best = []
    for n in range(len(epochs) + 1):
        history = _history(*epochs[:n])
        history.annealed_from = 3
        best.append((history.best_epoch, history.epochs_since_best))
    assert best == [(None, 0), (1, 0), (2, 0), (3, 0), (4, 0), (4, 1)]


def test_keep_last_keeps_the_last_epoch() -> None:
    history = _history((0.9, 0.9, 0.1), (0.2, 0.5, 3.0))
    history.keep = "last"
    assert history.best_epoch == 2
    assert history.epochs_since_best == 1  # early stopping still goes by F1
    assert History(keep="last").best_epoch is None


@pytest.mark.parametrize(
    ("epochs", "since"),
    [
        ([], 0),
        ([0.5], 0),
        ([0.5, 0.4, 0.4], 2),
        ([0.5, 0.4, 0.6], 0),
        ([NAN, NAN], 2),
        ([0.5, NAN], 1),
    ],
)
def test_epochs_since_the_best(epochs: list[float], since: int) -> None:
    assert _history(*((f1, 0.5, 1.0) for f1 in epochs)).epochs_since_best == since


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return made_data()


class Watch(Callback):
    """Records the inputs of the network and the state of its generator."""

    order = 90

    def __init__(self) -> None:
        self.seen: list[tuple[int, torch.Tensor, torch.Tensor]] = []
        self.pct_train: list[float] = []

    def before_batch(self) -> None:
        if self.training:
            state = torch.get_rng_state()
            self.seen.append((self.epoch, self.x.detach().clone(), torch.rand(3)))
            torch.set_rng_state(state)

    def after_batch(self) -> None:
        if self.training:
            self.pct_train.append(self.learn.pct_train)


class Count(Callback):
    """Advances the position, as EpochRow does."""

    order = 55

    def __init__(self, position: Position) -> None:
        self.position = position

    def after_batch(self) -> None:
        if self.training:
            self.position.batch += 1

    def after_train(self) -> None:
        self.position.epoch += 1
        self.position.batch = 0


def _watched(
    data: TrainingData, position: Position, *, seed: int = 7, epochs: int = 2, begin: int = 0
) -> Watch:
    learn = made_learner(data, with_training(mixup_alpha=0.4))
    watch = Watch()
    torch.manual_seed(12345)  # what went before must not matter
    learn.fit(
        epochs,
        cbs=[RepeatableDraws(seed, position, 0), Count(position), watch],
        start_epoch=begin,
    )
    return watch


def _equal(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) and all(
        e1 == e2 and torch.equal(x1, x2) and torch.equal(r1, r2)
        for (e1, x1, r1), (e2, x2, r2) in zip(first, second, strict=True)
    )


def test_draws_follow_from_seed_epoch_and_batch(data: TrainingData) -> None:
    whole = _watched(data, Position())
    assert len(whole.seen) == 8
    assert _equal(whole.seen, _watched(data, Position()).seen)
    assert not _equal(whole.seen, _watched(data, Position(), seed=8).seen)
    draws = {tuple(draw.tolist()) for _, _, draw in whole.seen}
    assert len(draws) == 8


@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize("epoch", [0, 1])
def test_an_interrupted_epoch_continues_at_its_batch(
    epoch: int, batch: int, data: TrainingData
) -> None:
    whole = _watched(data, Position())
    resumed = _watched(data, Position(epoch, batch), begin=epoch)
    done = 4 * epoch + batch
    assert _equal(resumed.seen, whole.seen[done:])
    assert resumed.pct_train == whole.pct_train[done:]  # to the bit: schedules follow it


def test_metrics_in_training_are_those_of_the_evaluation(data: TrainingData) -> None:
    def scorer(y_true: Any, y_prob: Any) -> dict[str, float]:
        calls.append(len(y_true))
        metrics = score(y_true, y_prob, ("def", "ok"), ("ok",))
        return {"f1": metrics.f1, "auc": metrics.auc, "accuracy": metrics.accuracy}

    calls: list[int] = []
    learn = made_learner(data)
    learn.metrics = fastai_metrics(["f1", "auc", "accuracy"], scorer)
    learn.fit(2)

    assert calls == [8, 8]  # once an epoch, over all photos
    assert list(learn.recorder.metric_names) == [
        *("epoch", "train_loss", "valid_loss", "f1", "auc", "accuracy", "time")
    ]
    found = list(learn.recorder.values[-1][2:])
    y_prob, y_true = learn.get_preds()
    expected = score(y_true.numpy(), y_prob.double().numpy(), ("def", "ok"), ("ok",))
    assert found == pytest.approx([expected.f1, expected.auc, expected.accuracy])


def test_batches_are_reported_with_rate_and_time_left(data: TrainingData) -> None:
    told: list[Any] = []
    position = Position()
    learn = made_learner(data)
    report = Report(History(), position, 2, told.append)
    learn.metrics = []
    # No EpochRow, and so no rows to report at an epoch's end.
    report.after_epoch = lambda: None  # type: ignore[method-assign]
    learn.fit(2, cbs=[Count(position), report])

    assert all(isinstance(event, BatchDone) for event in told)
    assert [(event.epoch, event.batch, event.batches) for event in told] == [
        (epoch, batch, 4) for epoch in (1, 2) for batch in (1, 2, 3, 4)
    ]
    assert all(event.images_per_second > 0 for event in told)
    assert all(event.seconds_left >= 0 and math.isfinite(event.loss) for event in told)


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_request_stops_after_the_running_batch(after: int, data: TrainingData) -> None:
    saved: list[tuple[int, int]] = []
    position = Position()

    def requested() -> bool:
        return position.epoch * 4 + position.batch >= after

    stop = StopOnRequest(requested, lambda: saved.append((position.epoch, position.batch)))
    learn = made_learner(data)
    learn.fit(3, cbs=[Count(position), stop])
    assert stop.stopped
    assert saved == [divmod(after, 4)]


def test_history_columns_are_fixed() -> None:
    assert HISTORY_COLUMNS[:3] == ["epoch", "train_loss", "valid_loss"]
    assert {"gap", "f1", "precision", "recall", "auc", "learning_rate", "seconds"} <= set(
        HISTORY_COLUMNS
    )
    assert len(HISTORY_COLUMNS) == len(set(HISTORY_COLUMNS)) == 15
    assert not np.isin(["loss", "accuracy"], HISTORY_COLUMNS).any()  # each says of which side
