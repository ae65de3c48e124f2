"""The baseline of a run whose distances are not stored."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.made_runs import made_run, split_row

from fastdefect.events import Event, Note
from fastdefect.jobs.trained import baseline as job
from fastdefect.jobs.trained import scorer
from fastdefect.jobs.trained.request import Request

DISTANCES = {"good/0.png": 1.5, "good/1.png": 2.5}


class _Graph:
    """In place of the network of a run, which is not needed."""

    def __init__(self, *_: Any) -> None:
        pass

    def to(self, device: Any) -> "_Graph":
        return self

    def eval(self) -> "_Graph":
        return self

    def widths(self) -> tuple[int, ...]:
        return (1,)


def test_the_rule_and_its_warnings_are_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [split_row(path, path) for path in DISTANCES]
    run = made_run(tmp_path, "x", rows, dict.fromkeys(DISTANCES, 0.1))
    run.path("calibration.json").unlink()
    network = SimpleNamespace(network=None, device="cpu")
    spec = job.read_spec(run)
    monkeypatch.setattr(scorer, "load_network", lambda run, device: (network, spec))
    monkeypatch.setattr(scorer, "InferenceGraph", _Graph)
    learned = SimpleNamespace(distances=DISTANCES)
    monkeypatch.setattr(scorer, "learned_for", lambda *_, **__: learned)
    events: list[Event] = []
    sample, _ = job.run_baseline(run, Request(device="cpu"), events.append)
    assert sample.distance.tolist() == [1.5, 2.5]
    assert [event.text for event in events if isinstance(event, Note)] == [
        "Not calibrated: all validation photos are of one class."
    ]
