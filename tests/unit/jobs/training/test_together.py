"""The first process prepares a training for all; what only one of them can't do ends it for all."""

from typing import Any

import pytest
import torch

from fastdefect.config_resolve import resolve
from fastdefect.errors import DivergedError, RunError, UsageError
from fastdefect.events import silent
from fastdefect.jobs.training import together
from fastdefect.jobs.training.assemble import assemble
from fastdefect.jobs.training.together import _all_ready, _own_gpu, led
from fastdefect.processes import Place
from fastdefect.training.processes import ProcessLostError


class Group:
    """A group of four whose other processes answer ``answers``."""

    place = Place(1, 4, 1, 4)

    def __init__(self, answers: list[str | None]) -> None:
        self.answers, self.abandoned = answers, False

    def of_all(self, own: str | None) -> list[str | None]:
        return [*self.answers, own]

    def abandon(self) -> None:
        self.abandoned = True


def test_an_error_of_one_process_is_that_of_all() -> None:
    _all_ready(Group([None, None]), None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="Process 3 on b: no such device"):
        _all_ready(Group([None, "Process 3 on b: no such device"]), None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"Process 1 on .*: too old"):
        _all_ready(Group([None, None]), "too old")  # type: ignore[arg-type]


def test_each_process_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    group: Any = Group([])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert _own_gpu(group, torch.device("cpu")) is None
    assert "can't train on MPS" in (_own_gpu(group, torch.device("mps")) or "")
    failed = _own_gpu(group, torch.device("cuda"))
    assert failed == ("expected a GPU for each of the 4 processes on this host, but found 1 GPU.")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert _own_gpu(group, torch.device("cuda")) is None


@pytest.mark.parametrize(
    ("error", "abandoned"),
    [
        (DivergedError("nan"), False),
        (UsageError("batch"), False),
        (ProcessLostError("lost"), False),
        (RunError("disk"), True),
        (OSError("disk full"), True),
        (KeyboardInterrupt(), True),
    ],
)
def test_an_error_of_the_first_process_alone_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, abandoned: bool
) -> None:
    monkeypatch.setattr(together, "_announce", lambda *arguments: None)
    group: Any = Group([])
    with pytest.raises(type(error)), led(group, None, None, None):  # type: ignore[arg-type]
        raise error
    assert group.abandoned == abandoned


@pytest.mark.parametrize(
    ("setting", "flag"), [({"tune": "head"}, "--tune head"), ({"learn": "good"}, "--learn good")]
)
def test_trainings_without_epochs_are_refused(
    monkeypatch: pytest.MonkeyPatch, setting: dict[str, str], flag: str
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match=f"{flag} has no epochs that the 2 processes"):
        assemble(resolve(setting), silent)
