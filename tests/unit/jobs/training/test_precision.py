"""When a trial of bf16 is made, and that its outcome is kept."""

from typing import Any

import pytest
import torch
from helpers.nets import tiny_backbone
from helpers.photos import CPU

from fastdefect.config import RunConfig
from fastdefect.config_resolve import resolve
from fastdefect.errors import UsageError
from fastdefect.events import Event
from fastdefect.jobs.training import precision
from fastdefect.training.precision import Trial

PHOTOS = 240


def _settle(
    monkeypatch: pytest.MonkeyPatch, trial: Trial | None, device: torch.device = CPU, **flags: Any
) -> tuple[RunConfig, list[Event], int]:
    tried = []

    def found(*_: Any) -> Trial | None:
        tried.append(1)
        return trial

    monkeypatch.setattr(precision, "try_bf16", found)
    events: list[Event] = []
    config = resolve({"batch_size": 24, "epochs": 10, **flags})
    settled = precision.settle_precision(config, PHOTOS, tiny_backbone(), device, events.append)
    return settled, events, len(tried)


def test_the_result_of_the_trial_is_named_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    config, (note,), _ = _settle(monkeypatch, Trial(fp32=2.0, bf16=1.0))
    assert config.training.precision == "bf16"
    assert "bf16: a step takes 0.50 times as long" in str(note)
    config, events, _ = _settle(monkeypatch, Trial(fp32=1.0, bf16=1.0))
    assert (config.training.precision, events) == ("fp32", [])


def test_a_processor_without_bf16_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    config, events, tried = _settle(monkeypatch, None)
    assert (config.training.precision, events, tried) == ("auto", [], 1)


@pytest.mark.parametrize(
    "flags", [{"epochs": 3}, {"precision": "fp32"}, {"precision": "bf16"}, {"tune": "head"}]
)
def test_no_trial_where_nothing_is_to_be_won(
    monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any]
) -> None:
    config, events, tried = _settle(monkeypatch, Trial(fp32=2.0, bf16=1.0), **flags)
    assert config.training.precision == flags.get("precision", "auto")
    assert (events, tried) == ([], 0)


def test_nor_on_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, tried = _settle(monkeypatch, Trial(fp32=2.0, bf16=1.0), torch.device("mps"))
    assert tried == 0


def test_fp16_on_a_cpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--precision fp16"):
        _settle(monkeypatch, None, precision="fp16")
