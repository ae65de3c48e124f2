"""Several processes train as one: the same batches, statistics, losses, weights and figures."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from helpers.fits import new_fit
from helpers.learners import TRAINING, made_data, made_learner, with_training
from helpers.ranks import alone_together, fit_on_ranks, fit_with, on_ranks
from safetensors.torch import load_file
from torch import nn

from fastdefect.errors import UsageError
from fastdefect.processes import Place
from fastdefect.run import Run
from fastdefect.training import processes as module
from fastdefect.training.callbacks import Position
from fastdefect.training.finite import StopIfNotFinite
from fastdefect.training.processes import Processes, ProcessLostError
from fastdefect.training.shared import Together
from fastdefect.training.whole_batch import Share, share_layers

# Adam divides by the size of a gradient, also of one that is a rounding error, and at a high rate
# errors grow: with 0.02, weights that differ by 1e-7 of their value end up as different as these.
PLAIN: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.002, "epochs": 2}
EVERYTHING: dict[str, Any] = {
    **PLAIN,
    "mixup_alpha": 0.4,
    "label_smoothing": 0.1,
    "freeze_epochs": 1,
    "weight_average": 0.9,
    "clip": 1.0,
}


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with alone_together() as group:
        yield group


def assert_same_training(one: Run, other: Run) -> None:
    """Up to the rounding of sums in another order."""
    for first, second in zip(one.read_history(), other.read_history(), strict=True):
        for name, value in first.items():
            if name != "seconds":
                assert second[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    for name in ("model.safetensors", "checkpoint.safetensors"):
        weights = load_file(other.path(name))
        for key, value in load_file(one.path(name)).items():
            torch.testing.assert_close(weights[key], value, rtol=1e-3, atol=5e-5)


# The steps of a group, which has all exchanges also if it has one process.


@pytest.mark.parametrize("changes", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_a_group_of_one_trains_as_a_process_alone(
    processes: Processes, tmp_path: Path, changes: dict[str, Any]
) -> None:
    training = with_training(**changes)
    alone, together = new_fit(tmp_path, "alone"), new_fit(tmp_path, "together")
    fit_with(None, alone, training)
    fit_with(processes, together, training)
    assert_same_training(alone, together)


def test_only_the_first_process_writes(processes: Processes, tmp_path: Path) -> None:
    run = new_fit(tmp_path)
    before = sorted(run.folder.iterdir())
    second = Processes(Place(), None, None, None)
    second.place = replace(second.place, rank=0, local_rank=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Processes, "first", property(lambda self: False))
        fitted = fit_with(second, run, with_training(epochs=1))
    assert len(fitted.history.rows) == 1
    assert sorted(run.folder.iterdir()) == before


def test_batch_norm_and_dropout_of_the_group_are_those_of_torch(processes: Processes) -> None:
    def network() -> Any:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4, momentum=0.3),
            nn.BatchNorm2d(4, momentum=None),
            nn.Flatten(),
            nn.BatchNorm1d(16, affine=False),
            nn.BatchNorm1d(16, track_running_stats=False),
            nn.Dropout(0.5),
        )

    usual, shared = network(), network()
    restore = share_layers(shared, lambda: Share(6, range(6)))
    photos = torch.randn(6, 3, 4, 4) * 3 + 2
    found = []
    for each in (usual, shared):
        for seed in range(2):
            torch.manual_seed(seed)
            each.zero_grad()
            output = each(photos)
            output.square().sum().backward()
        found.append([output, *[p.grad for p in each.parameters()], *each.state_dict().values()])
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(usual.eval()(photos), usual(photos))
    torch.testing.assert_close(shared.eval()(photos), usual(photos), rtol=1e-4, atol=1e-4)
    restore()
    assert not any("forward" in vars(layer) for layer in shared.modules())


def test_rows_of_shares_are_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    # Batches of 4 photos for 3 processes: photo p of a batch is that of process p % 3.
    parts = {
        0: torch.tensor([0, 3, 4, 7, 8]),
        1: torch.tensor([1, 5, 9]),
        2: torch.tensor([2, 6, 8]),  # without a photo of the last batch: its first one again
    }
    group = Processes(Place(0, 3, 0, 3), None, None, None)
    monkeypatch.setattr(group, "of_all", lambda own: list(parts.values()))
    assert group.whole(parts[0], 10, 4).tolist() == list(range(10))


def test_a_batch_smaller_than_the_group_is_refused() -> None:
    learn = made_learner(made_data(), TRAINING)
    group = Processes(Place(0, 5, 0, 5), None, None, None)
    with pytest.raises(UsageError) as caught:
        Together(group, learn, Position(), lambda: False)
    assert "A batch has 4 photos, but there are 5 processes" in caught.value.message
    assert "--batch-size 5" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[gloo/pair.cc:545] Read error [::1]:1: Connection reset by peer", "ended"),
        ("[gloo/x.cc] Connection closed by peer [127.0.0.1]:3", "ended"),
        ("[gloo/x.cc] Timed out waiting 600000ms for recv operation", "did not answer for 600"),
    ],
)
def test_a_lost_process_is_an_error_with_a_message(text: str, expected: str) -> None:
    store = dist.HashStore()
    group = Processes(Place(0, 4, 0, 4), store, None, None)
    with pytest.raises(ProcessLostError) as caught, group.watched():
        raise RuntimeError(text)
    assert not Processes(Place(1, 4, 1, 4), store, None, None).reports()  # the first one does
    assert f"One of the 4 processes {expected}" in caught.value.message
    assert "gloo" not in caught.value.message
    assert not group.healthy


def test_another_error_stays_what_it_is() -> None:
    group = Processes(Place(0, 4, 0, 4), None, None, None)
    with pytest.raises(RuntimeError, match="shape"), group.watched():
        raise RuntimeError("shape [1, 2] is invalid")
    assert group.healthy


def test_a_program_that_a_launcher_started_has_to_be_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert module.joined() is None
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UsageError, match="A launcher started 4 processes"):
        module.joined()


def test_no_process_stops_a_validation_alone() -> None:
    learn: Any = SimpleNamespace(training=False, loss=torch.tensor(float("nan")))
    stop = StopIfNotFinite(((), ()), 0)
    stop.learn = learn
    learn.shared_steps = object()
    stop.after_loss()  # the others would wait for its predictions


# Real processes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "changes"),
    [
        (2, PLAIN),
        (2, {**EVERYTHING, "batch_norm": "frozen", "early_layers": "fixed"}),
        # The last batch of an epoch has 2 of the 14 photos: the third process has none of them.
        (3, EVERYTHING),
    ],
)
def test_processes_train_as_one(tmp_path: Path, size: int, changes: dict[str, Any]) -> None:
    training = with_training(**changes)
    one, other = new_fit(tmp_path, "one"), new_fit(tmp_path, "other")
    fit_with(None, one, training)
    on_ranks(size, 29530 + size, fit_on_ranks, other.folder, changes)
    assert_same_training(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("first", [1, 2])
def test_a_training_goes_on_with_another_number_of_processes(tmp_path: Path, first: int) -> None:
    training = with_training(**PLAIN)
    one, other = new_fit(tmp_path, "one"), new_fit(tmp_path, "other")
    fit_with(None, one, training)
    if first == 1:
        fit_with(None, other, training, Stop(6))
        on_ranks(2, 29540, fit_on_ranks, other.folder, PLAIN)
    else:
        on_ranks(2, 29541, fit_and_stop, other.folder, Stop(5))
        fit_with(None, other, training)
    assert_same_training(one, other)


class Stop:
    """Asks for the end in the second epoch, after so many calls."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def __call__(self) -> bool:
        self.calls -= 1
        return self.calls < 0


def fit_and_stop(processes: Processes, folder: Path, stop: Stop) -> None:
    asked = stop if processes.place.rank == 1 else lambda: False
    fitted = fit_with(processes, Run(folder), with_training(**PLAIN), asked)
    assert fitted.reason == "interrupted"
    assert len(fitted.history.rows) == 1
