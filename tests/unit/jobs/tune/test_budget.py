"""A search that a budget cuts, and what can't be searched."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.played import Played
from helpers.played_search import TRAINING, _at, plain_trials, resume_search, start_search

from fastdefect.config import RunConfig
from fastdefect.config_resolve import resolve
from fastdefect.errors import DataError, DivergedError, RunError, UsageError
from fastdefect.events import Event, Note
from fastdefect.jobs import tune as job
from fastdefect.jobs.series import members as series_members
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.jobs.tune import TuneReport, TuneRequest
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.run_registry import create_run

# ---- the budget --------------------------------------------------------------------------


def test_the_budget_cuts_the_sequence_and_leaves_time_for_the_winner(
    config: RunConfig, played: Played, whole: TuneReport, tmp_path: Path
) -> None:
    began = played.now
    report = start_search(config, tmp_path, minutes=3.0, trials=None)
    assert report.reason == RunStatus.FINISHED  # where the search is meant to end
    assert report.best is not None
    assert 100 < played.now - began <= 180
    cut = plain_trials(report)
    assert cut[:-1] == plain_trials(whole)[: len(cut) - 1]  # the last may have trainings left
    spent = sum(trial.seconds for trial in report.trials)
    assert played.now - began == pytest.approx(spent + TRAINING)

    # With more time it goes on where it was cut.
    more = resume_search(report.run, minutes=1000, trials=12)
    assert plain_trials(more) == plain_trials(whole)


def test_before_anything_is_measured_half_is_kept(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    study: list[Any] = []
    original = job.Study.search

    def search(self: Any, limits: Any) -> str:
        study.append((self, limits))
        return original(self, limits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job.Study, "search", search)
        report = start_search(config, tmp_path, trials=1)
    ((found, limits),) = study
    fresh = replace(report.trials[0], trainings=())
    assert found._reserve([fresh], 30.0) == 900
    # Six epochs on all of train take longer than the trial's on two thirds of it.
    assert TRAINING < found._reserve([report.trials[0]], 30.0) < 8 * TRAINING
    assert found._expected(fresh, report.rungs[0], 1, []) == 0
    assert limits.stop_before(1e9)()
    assert not limits.stop_before(1.0)()


def test_no_budget_begins_nothing(config: RunConfig, played: Played, tmp_path: Path) -> None:
    report = start_search(config, tmp_path, minutes=0.0)
    assert (report.reason, report.trials, report.best) == (RunStatus.OUT_OF_BUDGET, (), None)
    assert played.begun == []
    assert resume_search(report.run, minutes=1000).reason == RunStatus.FINISHED


def test_a_winner_that_the_budget_does_not_hold_is_left_to_resume(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    told: list[Event] = []
    criteria = TuneRequest(minutes=0.3)  # one training, of a third of the epochs
    report = job.start(
        config, criteria, NewRun(tmp_path, "t", "fastdefect tune"), on_event=told.append
    )
    assert played.begun == ["trial-1-rung-1-fold-1"]
    assert (report.reason, report.best) == (RunStatus.OUT_OF_BUDGET, None)
    assert report.run.read_state()["status"] == RunStatus.OUT_OF_BUDGET
    assert "left to --resume" in [event.text for event in told if isinstance(event, Note)][-1]
    assert report.run.resume_command.startswith("fastdefect tune --resume ")


# ---- what goes wrong ---------------------------------------------------------------------


def test_a_trial_that_diverges_is_left_out(
    config: RunConfig, played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(run: Run) -> None:
        raise DivergedError("Not finite.", "Try a lower rate.")

    monkeypatch.setattr(series_members, "begin", _at(10, diverge))
    report = start_search(config, tmp_path)
    (lost,) = [trial for trial in report.trials if trial.state == "diverged"]
    assert lost.number not in [trial.number for trial, _ in report.ranking]
    assert report.reason == RunStatus.FINISHED
    assert len(report.trials) == 12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keep": "best"}, "--keep best"),
        ({"folds": 3}, "makes its own folds inside train"),
    ],
)
def test_what_contradicts_the_search_is_refused(
    castings: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        start_search(resolve({"data": castings, "image_size": 16, **changes}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_more_folds_than_parts_are_refused(config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="in train, but 30 folds need at least 30"):
        start_search(config, tmp_path, folds=30)
    assert not list(tmp_path.iterdir())


def test_another_kind_of_run_is_not_resumed(config: RunConfig, tmp_path: Path) -> None:
    other = create_run(tmp_path, "o", config, "fastdefect ablate", kind=RunKind.ABLATION)
    with pytest.raises(RunError, match="kind tuning, but .* kind ablation"):
        resume_search(other)
