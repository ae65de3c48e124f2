"""What a command logs to trackers: from the events, once, and never at the cost of a training."""

from pathlib import Path

import pytest
from helpers.trackers import (
    FakeTracker,
    untrained,
    untrained_member,
    use_trackers,
    write_epochs,
    write_results,
)

from fastdefect.errors import UsageError
from fastdefect.events import EpochDone, Event, FitStarted, Note, OnEvent
from fastdefect.run import Run, RunKind
from fastdefect.tracking.logged_run import STATE
from fastdefect.tracking.tracked import log_file, tracked


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTracker:
    tracker = FakeTracker()
    use_trackers(monkeypatch, fake=tracker)
    return tracker


def _train(run: Run, on_event: OnEvent, first: int, last: int, status: str = "finished") -> None:
    """Send the events of a training from epoch ``first`` to ``last``, with its files."""
    on_event(FitStarted(9, first - 1, str(run.folder)))
    for epoch in range(first, last + 1):
        write_epochs(run, epoch)
        on_event(EpochDone({"epoch": epoch}, best=True))
    write_results(run, status)


def _warnings(events: list[Event]) -> list[str]:
    return [each.text for each in events if isinstance(each, Note) and each.level == "warning"]


def test_the_epochs_the_settings_and_the_results_are_logged(
    fake: FakeTracker, tmp_path: Path
) -> None:
    run, events = untrained(tmp_path), list[Event]()
    with tracked(("fake",), events.append, None) as on_event:
        _train(run, on_event, 1, 2)
    (made,) = fake.runs
    assert made.opening.root == tmp_path
    assert made.opening.settings["training.epochs"] == 25
    assert made.opening.about["folder"] == str(run.folder)
    # What is not a finite number is not logged.
    assert made.rows == [(n, {"epoch": n, "valid_loss": n}) for n in (1.0, 2.0)]
    (closing,) = made.closings
    assert closing.figures == {"final/valid/f1": 0.5, "final/valid/n": 6.0, "best_epoch": 1.0}
    assert [file.name for file in closing.files] == ["config.toml", "metrics.json", "curves.png"]
    assert (closing.status, closing.epochs) == ("finished", 2)
    # Every event reaches the screen, and one note says where the tracker is.
    assert [type(each) for each in events] == [FitStarted, Note, EpochDone, EpochDone]


def test_a_resumed_training_goes_on_in_the_same_run_without_its_flag(
    fake: FakeTracker, tmp_path: Path
) -> None:
    run = untrained(tmp_path)
    with tracked(("fake",), lambda event: None, None) as on_event:
        _train(run, on_event, 1, 2, "interrupted")
    assert fake.last.closings[0].interrupted
    with tracked(None, lambda event: None, run) as on_event:
        _train(run, on_event, 3, 4)
    assert [each.opening.id for each in fake.runs] == [None, "id-0"]
    assert fake.epochs_of("one") == [1, 2, 3, 4]


def test_a_killed_training_gets_the_epochs_that_it_saved_and_no_epoch_twice(
    fake: FakeTracker, tmp_path: Path
) -> None:
    run = untrained(tmp_path)
    with pytest.raises(RuntimeError), tracked(("fake",), lambda event: None, None) as on_event:
        _train(run, on_event, 1, 2)
        write_epochs(run, 3)  # saved, but killed before the event
        raise RuntimeError
    with tracked(None, lambda event: None, run) as on_event:
        on_event(FitStarted(9, 3, str(run.folder)))
        assert fake.epochs_of("one") == [1, 2, 3]
        # A history that is ahead of the checkpoint: the epoch is trained and reported again.
        on_event(FitStarted(9, 2, str(run.folder)))
        on_event(EpochDone({"epoch": 3}, best=False))
    assert fake.epochs_of("one") == [1, 2, 3]


def test_none_ends_the_logging_of_a_resumed_run(fake: FakeTracker, tmp_path: Path) -> None:
    run = untrained(tmp_path)
    run.write(STATE, {"fake": {"id": "x", "epochs": 0, "ended": None}})
    with tracked((), lambda event: None, run) as on_event:
        _train(run, on_event, 1, 1)
    assert fake.runs == []


def test_the_trainings_of_a_series_are_inside_its_run(fake: FakeTracker, tmp_path: Path) -> None:
    parent = untrained(tmp_path, kind=RunKind.ENSEMBLE)
    with tracked(("fake",), lambda event: None, None) as on_event:
        for name in ("member-1", "member-2"):
            _train(untrained_member(parent, name), on_event, 1, 1)
        write_results(parent)
    around, first, second = fake.runs
    assert [each.opening.name for each in fake.runs] == ["one", "one/member-1", "one/member-2"]
    assert (around.opening.parent, around.opening.group) == (None, None)
    assert {first.opening.parent, second.opening.parent} == {around.id}
    assert first.opening.root == tmp_path
    assert all(len(each.closings) == 1 for each in fake.runs)
    assert around.closings[0].figures["final/valid/f1"] == 0.5


def test_a_finished_run_is_logged_later_and_only_once(fake: FakeTracker, tmp_path: Path) -> None:
    parent = untrained(tmp_path, kind=RunKind.ENSEMBLE)
    member = untrained_member(parent, "member-1")
    for run in (parent, member):
        write_results(run)
    write_epochs(member, 3)
    with tracked(("fake",), lambda event: None, parent):
        pass
    assert [each.opening.name for each in fake.runs] == ["one", "one/member-1"]
    assert fake.epochs_of("one/member-1") == [1, 2, 3]
    assert all(len(each.closings) == 1 for each in fake.runs)
    with tracked(None, lambda event: None, parent):
        pass
    assert len(fake.runs) == 2


@pytest.mark.parametrize("call", ["open", "log_epoch", "close"])
def test_a_tracker_that_fails_is_one_warning_and_the_other_goes_on(
    call: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good, events = FakeTracker(), list[Event]()
    use_trackers(monkeypatch, bad=FakeTracker(fails_at=call), good=good)
    run = untrained(tmp_path)
    with tracked(("bad", "good"), events.append, None) as on_event:
        _train(run, on_event, 1, 3)
    (warning,) = _warnings(events)
    assert "bad failed and logs nothing more: ConnectionError: the server is down." in warning
    assert warning.endswith(f"fastdefect fit --resume {run.folder} --log bad")
    assert good.epochs_of("one") == [1, 2, 3]
    assert len(good.last.closings) == 1


def test_an_error_of_the_training_is_raised_and_its_run_is_closed(
    fake: FakeTracker, tmp_path: Path
) -> None:
    run = untrained(tmp_path)
    with pytest.raises(UsageError), tracked(("fake",), lambda event: None, None) as on_event:
        _train(run, on_event, 1, 1, "diverged")
        raise UsageError("diverged")
    assert fake.last.closings[0].failed


def test_ctrl_c_is_not_an_error_of_the_tracker(fake: FakeTracker, tmp_path: Path) -> None:
    run, events = untrained(tmp_path), list[Event]()
    with pytest.raises(KeyboardInterrupt), tracked(("fake",), events.append, None) as on_event:
        _train(run, on_event, 1, 1, "running")
        raise KeyboardInterrupt
    assert fake.last.closings[0].interrupted
    assert _warnings(events) == []


def test_a_resumed_run_does_not_need_the_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, events = untrained(tmp_path), list[Event]()
    run.write(STATE, {"mlflow": {"id": "x", "epochs": 0, "ended": None}, "unknown": {}})
    monkeypatch.setattr("fastdefect.tracking.catalogue.find_spec", lambda name: None)
    with tracked(None, events.append, run) as on_event:
        _train(run, on_event, 1, 1)
    (warning,) = _warnings(events)
    assert "MLflow is not installed" in warning
    assert 'python -m pip install "fastdefect[mlflow]"' in warning


def test_a_damaged_state_does_not_stop_a_resumed_run(fake: FakeTracker, tmp_path: Path) -> None:
    run, events = untrained(tmp_path), list[Event]()
    run.path(STATE).write_text("{", encoding="utf-8")
    for names in (None, ("fake",)):
        with tracked(names, events.append, run) as on_event:
            _train(run, on_event, 1, 1)
    assert all(STATE in text for text in _warnings(events))
    assert len(_warnings(events)) == 2


def test_a_bundle_is_added_where_its_run_is_logged(fake: FakeTracker, tmp_path: Path) -> None:
    run, bundle, events = untrained(tmp_path), tmp_path / "model.fdb", list[Event]()
    bundle.touch()
    log_file(run, bundle, events.append)
    assert (fake.runs, events) == ([], [])
    with tracked(("fake",), lambda event: None, None) as on_event:
        _train(run, on_event, 1, 2)
    log_file(run, bundle, events.append)
    assert fake.last.opening.id == "id-0"
    assert fake.last.rows == []
    assert bundle in fake.last.closings[0].files
    fake.fails_at = "close"
    log_file(run, bundle, events.append)
    (warning,) = _warnings(events)
    assert "does not get" in warning
    assert "the server is down" in warning


def test_a_bundle_is_not_added_to_a_tracker_that_keeps_no_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake, events = FakeTracker(keeps_files=False), list[Event]()
    use_trackers(monkeypatch, fake=fake)
    run, bundle = untrained(tmp_path), tmp_path / "model.fdb"
    run.write(STATE, {"fake": {"id": "x", "epochs": 0, "ended": None}})
    bundle.touch()
    log_file(run, bundle, events.append)
    assert (fake.runs, events) == ([], [])


def test_a_bundle_that_was_not_written_is_not_added(fake: FakeTracker, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="model.fdb"):
        log_file(untrained(tmp_path), tmp_path / "model.fdb", lambda event: None)


def test_a_library_that_is_missing_at_the_export_names_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, bundle, events = untrained(tmp_path), tmp_path / "model.fdb", list[Event]()
    run.write(STATE, {"mlflow": {"id": "x", "epochs": 0, "ended": None}})
    bundle.touch()
    monkeypatch.setattr("fastdefect.tracking.catalogue.find_spec", lambda name: None)
    log_file(run, bundle, events.append)
    (warning,) = _warnings(events)
    assert f"MLflow is not installed, and gets nothing of {run.name}. " in warning
