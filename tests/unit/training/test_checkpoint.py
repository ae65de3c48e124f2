"""Checkpoints: the complete state of a fit, restored exactly."""

import copy
import errno
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from fastai.learner import Learner
from helpers.learners import made_data, made_learner, with_training
from safetensors import safe_open
from safetensors.torch import save_file

from fastdefect.data.training_data import TrainingData
from fastdefect.errors import RunError
from fastdefect.training.callbacks import History, Position
from fastdefect.training.checkpoint import (
    FORMAT,
    load_checkpoint,
    restore_model,
    restore_optimizer,
    save_checkpoint,
)

POSITION = Position(epoch=2, batch=3, loss_sum=1 / 3, photos=12)
HISTORY = History(
    [
        {"epoch": 1, "f1": 0.1, "valid_loss": 1e-17, "auc": math.nan},
        {"epoch": 2, "f1": 2 / 3, "valid_loss": 0.1, "auc": 1.0},
    ]
)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return made_data()


def _trained(data: TrainingData, optimizer: str, *, frozen: bool = False) -> Learner:
    learn = made_learner(data, with_training(optimizer=optimizer))
    learn.create_opt()
    if frozen:
        learn.freeze()
    learn.fit_one_cycle(1, 0.01)
    return learn


def _fresh(data: TrainingData, optimizer: str, *, frozen: bool = False) -> Learner:
    learn = made_learner(data, with_training(optimizer=optimizer), seed=99)
    learn.create_opt()
    if frozen:
        learn.freeze()
    return learn


def _assert_same_state(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first["param_groups"] == second["param_groups"]
    for old, new in zip(first["param_groups"], second["param_groups"], strict=True):
        for name, value in old.items():  # betas must be a tuple again, not JSON's list
            # (numpy's float64, which schedules leave there, is a float.)
            assert isinstance(value, type(new[name])), name
    assert first["state"].keys() == second["state"].keys()
    for index, values in first["state"].items():
        assert values.keys() == second["state"][index].keys()
        for name, value in values.items():
            other = second["state"][index][name]
            assert type(other) is type(value), name
            if isinstance(value, torch.Tensor):
                assert other.dtype == value.dtype
                assert other.stride() == value.stride(), name
                assert torch.equal(other, value), name
            else:
                assert other == value


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("frozen", [False, True], ids=["whole", "frozen"])
def test_network_and_optimizer_are_restored_exactly(
    optimizer: str, frozen: bool, data: TrainingData, tmp_path: Path
) -> None:
    learn = _trained(data, optimizer, frozen=frozen)
    save_checkpoint(tmp_path / "c", learn, POSITION, HISTORY)
    checkpoint = load_checkpoint(tmp_path / "c")
    fresh = _fresh(data, optimizer, frozen=frozen)

    restore_model(checkpoint, fresh)
    restore_optimizer(checkpoint, fresh)

    for name, value in learn.model.state_dict().items():
        assert torch.equal(value, fresh.model.state_dict()[name]), name
    _assert_same_state(learn.opt.opt.state_dict(), fresh.opt.opt.state_dict())
    assert learn.opt.hypers == fresh.opt.hypers
    for old, new in zip(learn.model.parameters(), fresh.model.parameters(), strict=True):
        assert old.requires_grad == new.requires_grad


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_the_next_step_is_the_same_to_the_bit(
    optimizer: str, data: TrainingData, tmp_path: Path
) -> None:
    learn = _trained(data, optimizer)
    save_checkpoint(tmp_path / "c", learn, POSITION, HISTORY)
    checkpoint = load_checkpoint(tmp_path / "c")
    fresh = _fresh(data, optimizer)
    restore_model(checkpoint, fresh)
    restore_optimizer(checkpoint, fresh)

    for learner in (learn, fresh):
        learner.model.eval()  # no dropout
        learner.opt.zero_grad()
        x, y = learner.dls.valid.one_batch()
        learner.loss_func(learner.model(x), y).backward()
        learner.opt.step()

    for old, new in zip(learn.model.parameters(), fresh.model.parameters(), strict=True):
        assert torch.equal(old, new)


def test_an_optimizer_that_has_not_stepped_is_saved_too(data: TrainingData, tmp_path: Path) -> None:
    learn = _fresh(data, "adamw")
    save_checkpoint(tmp_path / "c", learn, Position(), History())
    checkpoint = load_checkpoint(tmp_path / "c")
    assert checkpoint.optimizer == {}
    assert checkpoint.history.rows == []
    other = _fresh(data, "adamw")
    restore_optimizer(checkpoint, other)
    _assert_same_state(learn.opt.opt.state_dict(), other.opt.opt.state_dict())


def test_position_and_history_are_restored_exactly(data: TrainingData, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", _fresh(data, "sgd"), POSITION, HISTORY)
    checkpoint = load_checkpoint(tmp_path / "c")
    assert checkpoint.position == POSITION
    first, second = checkpoint.history.rows
    assert math.isnan(first.pop("auc"))
    assert first == {"epoch": 1, "f1": 0.1, "valid_loss": 1e-17}
    assert second == HISTORY.rows[1]


def test_saving_changes_nothing(data: TrainingData, tmp_path: Path) -> None:
    learn = _trained(data, "adamw")
    before = copy.deepcopy(learn.opt.opt.state_dict())
    weights = copy.deepcopy(learn.model.state_dict())
    save_checkpoint(tmp_path / "c", learn, POSITION, HISTORY)
    _assert_same_state(before, learn.opt.opt.state_dict())
    for name, value in learn.model.state_dict().items():
        assert torch.equal(value, weights[name])
        assert value.stride() == weights[name].stride()


def test_an_interrupted_save_leaves_the_last_checkpoint(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = _fresh(data, "sgd")
    save_checkpoint(tmp_path / "c", learn, POSITION, HISTORY)

    def fail(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match=f"{tmp_path / 'c'}") as raised:
        save_checkpoint(tmp_path / "c", learn, Position(), History())
    assert raised.value.errno == errno.ENOSPC
    assert load_checkpoint(tmp_path / "c").position == POSITION
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_the_file_is_safetensors_with_a_json_header(data: TrainingData, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", _trained(data, "adamw"), POSITION, HISTORY)
    with safe_open(tmp_path / "c", framework="pt") as file:
        header = file.metadata()
    assert header["format"] == FORMAT
    assert json.loads(header["position"])["batch"] == 3


@pytest.mark.parametrize("content", [b"", b"\x80\x04N.", b"x" * 400])
def test_a_damaged_file_is_a_readable_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(content)
    with pytest.raises(RunError, match=r"checkpoint\.safetensors can't be read"):
        load_checkpoint(tmp_path / "checkpoint.safetensors")


def test_a_missing_file_is_a_readable_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="can't be read"):
        load_checkpoint(tmp_path / "gone")


@pytest.mark.parametrize("metadata", [None, {"format": "fastdefect-checkpoint-0"}, {"a": "b"}])
def test_a_foreign_file_is_refused(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    save_file({"model.weight": torch.zeros(2)}, tmp_path / "c", metadata=metadata)
    with pytest.raises(RunError, match="is not a checkpoint of this version") as caught:
        load_checkpoint(tmp_path / "c")
    assert FORMAT in caught.value.message
