"""The precision of a training by device, and bf16 on a CPU."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.learners import TRAINING, made_data, made_learner, with_training
from helpers.nets import tiny_backbone

from fastdefect.errors import UsageError
from fastdefect.training import precision
from fastdefect.training.precision import Trial, choose_precision, precision_of, try_bf16

CPU, CUDA, MPS = (torch.device(name) for name in ("cpu", "cuda", "mps"))


def test_mixed_where_cuda_gains_by_it_and_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_precision("auto", CPU) == "fp32"
    assert choose_precision("auto", MPS) == "fp32"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert choose_precision("auto", CUDA) == "bf16"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert choose_precision("auto", CUDA) == "fp16"
    for name, device in (("fp32", CUDA), ("fp16", CUDA), ("bf16", CPU), ("fp32", MPS)):
        assert choose_precision(name, device) == name


@pytest.mark.parametrize(("name", "device"), [("fp16", CPU), ("fp16", MPS), ("bf16", MPS)])
def test_a_precision_that_the_device_does_not_support_is_refused(
    name: str, device: torch.device
) -> None:
    with pytest.raises(UsageError, match=f"--precision {name}: the device is {device.type}"):
        choose_precision(name, device)


def test_bf16_is_chosen_only_if_clearly_faster() -> None:
    assert Trial(fp32=1.0, bf16=0.5).chosen == "bf16"
    assert Trial(fp32=1.0, bf16=0.9).chosen == "fp32"
    assert Trial(fp32=1.0, bf16=2.0).chosen == "fp32"


def test_a_training_on_a_cpu_computes_in_bf16() -> None:
    learn = made_learner(made_data(), with_training(precision="bf16", epochs=1))
    seen = []
    head = learn.model[1]
    handle = head.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].dtype))
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    handle.remove()
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in learn.model.parameters()} == {torch.float32}
    assert all(torch.isfinite(p).all() for p in learn.model.parameters())


def test_without_half_precision_nothing_is_autocast() -> None:
    with precision_of(made_learner(made_data())):
        assert not torch.is_autocast_enabled("cpu")


def _timed(monkeypatch: pytest.MonkeyPatch, seconds: dict[bool, float]) -> list[bool]:
    """Replace the time of each step by ``seconds``, keyed by half precision."""
    steps: list[bool] = []

    def taken(step: Any, half: bool) -> float:
        step(half)
        steps.append(half)
        return seconds[half]

    monkeypatch.setattr(precision, "_seconds", taken)
    return steps


def test_the_trial_keeps_network_and_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    _timed(monkeypatch, {False: 1.0, True: 0.5})
    backbone = tiny_backbone()
    before = copy.deepcopy(backbone.body.state_dict())
    torch.manual_seed(3)
    state = torch.get_rng_state()

    trial = try_bf16(backbone, replace(TRAINING, batch_norm="train"), 64)

    assert trial == Trial(fp32=1.0, bf16=0.5)
    assert torch.equal(torch.get_rng_state(), state)
    after = backbone.body.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.grad is None and p.requires_grad for p in backbone.body.parameters())


def test_a_processor_without_bf16_needs_no_second_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = _timed(monkeypatch, {False: 1.0, True: 3.0})
    assert try_bf16(tiny_backbone(), TRAINING, 64) is None
    assert steps == [False, True, False, True]  # of the small convolution alone
