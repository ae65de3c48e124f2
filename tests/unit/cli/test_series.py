"""What the commands that train share: start or resume."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.trackers import FakeTracker, untrained, use_trackers, write_epochs

from fastdefect.cli.series import Launch
from fastdefect.config_resolve import resolve
from fastdefect.errors import ModelError
from fastdefect.events import FitStarted, OnEvent, silent
from fastdefect.tracking import tracked


def _begin(*arguments: Any, **options: Any) -> str:
    return "begun"


@pytest.mark.parametrize("missing", ["gone.safetensors", "runs/gone"])
def test_weights_that_are_missing_stop_before_the_photos_are_read(
    missing: str, tmp_path: Path
) -> None:
    launch = Launch(resolve({"weights": missing}), tmp_path, None, resumed=None)
    with pytest.raises(ModelError, match=f"--weights {missing}: .* no such file"):
        launch.run_job(SimpleNamespace(start=_begin), silent)  # type: ignore[arg-type]


def test_weights_that_are_missing_stop_before_a_tracker_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*arguments: Any) -> None:
        raise AssertionError("a tracker was opened")

    monkeypatch.setattr(tracked, "tracked", opened)
    launch = Launch(resolve({"weights": "gone.safetensors"}), tmp_path, None, None, ("fake",))
    with pytest.raises(ModelError, match="no such file"):
        launch.run_job(SimpleNamespace(start=_begin), silent)  # type: ignore[arg-type]


@pytest.mark.parametrize("weights", ["auto", "none", "."])
def test_other_weights_are_left_to_the_job(weights: str, tmp_path: Path) -> None:
    launch = Launch(resolve({"weights": weights}), tmp_path, None, resumed=None)
    assert launch.run_job(SimpleNamespace(start=_begin), silent) == "begun"  # type: ignore[arg-type]


def test_the_events_of_a_job_reach_the_trackers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = FakeTracker()
    use_trackers(monkeypatch, fake=tracker)
    run = untrained(tmp_path)
    write_epochs(run, 2)

    def start(settings: Any, new: Any, *, on_event: OnEvent) -> str:
        on_event(FitStarted(2, 2, str(run.folder)))
        return "begun"

    launch = Launch(resolve({"weights": "none"}), tmp_path, None, None, ("fake",))
    assert launch.run_job(SimpleNamespace(start=start), silent) == "begun"  # type: ignore[arg-type]
    assert tracker.epochs_of("one") == [1, 2]
