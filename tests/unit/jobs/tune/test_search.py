"""A search whose trainings are played: which are begun, on what, and what is made of them."""

import json
import shutil
import signal
from pathlib import Path

import pytest
from helpers.played import Played
from helpers.played_search import TRAINING, _at, plain_trials, resume_search, start_search

from fastdefect.config import RunConfig
from fastdefect.errors import RunError
from fastdefect.events import Event, Note
from fastdefect.files import read_csv
from fastdefect.jobs import tune as job
from fastdefect.jobs.series import members as series_members
from fastdefect.jobs.tune import TuneReport
from fastdefect.run import Run, RunStatus
from fastdefect.run_registry import summarise


@pytest.fixture
def copied(whole: TuneReport, tmp_path: Path) -> Run:
    """The run of ``whole``, to be changed."""
    return Run(Path(shutil.copytree(whole.run.folder, tmp_path / "copied")))


# ---- all goes well -----------------------------------------------------------------------


def test_the_recipes_come_first_and_the_winner_is_no_worse(
    searched: tuple[TuneReport, Played],
) -> None:
    whole, played = searched
    assert whole.reason == RunStatus.FINISHED
    assert [trial.known for trial in whole.trials[:5]] == [
        *("plain", "camera", "steady", "fine", "full")
    ]
    assert played.begun[:4] == [
        *("trial-1-rung-1-fold-1", "trial-1-rung-2-fold-1"),
        *("trial-1-rung-3-fold-2", "trial-1-rung-3-fold-3"),
    ]
    assert all(trial.state == "complete" for trial in whole.trials[:3])
    scores = {trial.number: score for trial, score in whole.ranking}
    winner, best = whole.ranking[0]
    assert winner.reached(whole.rungs) == 3
    assert best >= max(scores[number] for number in (1, 2, 3))
    assert len(whole.trials) == 12
    assert any(trial.state == "stopped" for trial in whole.trials)


def test_no_training_of_the_search_has_a_photo_of_valid_or_test(
    searched: tuple[TuneReport, Played],
) -> None:
    whole, played = searched
    rows = read_csv(whole.run.path("split.csv"))
    train = {row["path"] for row in rows if row["split"] == "train"}
    assert {row["split"] for row in rows} == {"train", "valid", "test"}
    assert len(played.begun) == sum(len(trial.trainings) for trial in whole.trials) + 1
    for name, data in played.data.items():
        if name == "best":
            continue
        names = [data.manifest.photos[i].name for i in (*data.split.train, *data.split.valid)]
        assert set(names) == train
        assert len(set(names)) == len(names)
        assert data.split.test == ()
        config = played.configs[name]
        assert (config.training.keep, config.training.patience) == ("last", 0)
        assert config.training.epochs == (2 if "rung-1" in name else 6)
    folds = read_csv(whole.run.path("folds.csv"))
    assert {row["path"] for row in folds} == train
    assert {row["fold"] for row in folds} == {"1", "2", "3"}


def test_the_winner_is_trained_on_all_of_train_and_measured_on_valid(
    searched: tuple[TuneReport, Played], config: RunConfig
) -> None:
    whole, played = searched
    rows = read_csv(whole.run.path("split.csv"))
    sides = {side: {r["path"] for r in rows if r["split"] == side} for side in ("train", "valid")}
    data, made = played.data["best"], played.configs["best"]
    for side, names in sides.items():
        assert {data.manifest.photos[i].name for i in data.split.of(side)} == names
    assert made.training.keep == "last"
    assert made.training.learning_rate == whole.ranking[0][0].settings["learning_rate"]
    assert made.data.cache_mb == config.data.cache_mb
    assert whole.best is not None
    assert whole.unseen is not None
    assert whole.unseen.metrics.n == len(sides["valid"])
    assert whole.unseen.n_parts == len({r["part"] for r in rows if r["split"] == "valid"})
    assert whole.unseen.n_leaked == 0
    assert whole.n_test == sum(row["split"] == "test" for row in rows)
    assert not list(whole.run.folder.rglob("openings.json"))


def test_only_the_winner_keeps_a_folder_and_the_files_hold_the_rest(whole: TuneReport) -> None:
    folders = [path.name for path in whole.run.folder.iterdir() if path.is_dir()]
    assert folders == ["best"]
    rows = read_csv(whole.run.folder / "trials.csv")
    assert [int(row["trial"]) for row in rows] == [*range(1, 13)]
    assert float(rows[0]["seconds"]) == 4 * TRAINING
    content = json.loads((whole.run.folder / "tuning.json").read_text(encoding="utf-8"))
    assert content["winner"] == whole.ranking[0][0].settings
    assert content["valid"]["n"] == whole.unseen.metrics.n  # type: ignore[union-attr]
    assert {effect["field"] for effect in content["effects"]} == {
        field.name for field in whole.plan.fields
    }
    assert summarise(whole.run)["status"] == RunStatus.FINISHED
    with pytest.raises(RunError, match="no single model") as error:
        whole.run.require_model()
    assert "best" in str(error.value.hint)


def test_a_small_space_is_searched_until_nothing_is_left(
    config: RunConfig, played: Played, tmp_path: Path
) -> None:
    report = start_search(config, tmp_path, space=("balance",), trials=None)
    assert report.reason == RunStatus.FINISHED
    assert [dict(trial.settings) for trial in report.trials] == [
        {"balance": "none"},
        {"balance": "sampler"},
    ]
    assert report.trials[0].known == "your settings"
    assert {config.training.recipe for config in played.configs.values()} == {"plain"}


# ---- interrupted, and gone on with -------------------------------------------------------


class KilledError(Exception):
    """As if the power went."""


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4, 9])
def test_a_search_that_is_killed_goes_on_as_if_it_never_was(
    config: RunConfig,
    played: Played,
    whole: TuneReport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    def kill(run: Run) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(series_members, "begin", _at(count, kill))
        with pytest.raises(KilledError):
            start_search(config, tmp_path)
    resumed = resume_search(Run(tmp_path / "t"))
    assert resumed.reason == RunStatus.FINISHED
    assert plain_trials(resumed) == plain_trials(whole)
    assert resumed.effects == whole.effects
    assert [path.name for path in resumed.run.folder.iterdir() if path.is_dir()] == ["best"]


def test_ctrl_c_ends_it_and_resume_does_the_rest(
    config: RunConfig,
    played: Played,
    whole: TuneReport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            series_members, "begin", _at(6, lambda run: signal.raise_signal(signal.SIGINT))
        )
        stopped = start_search(config, tmp_path)
    assert stopped.reason == RunStatus.INTERRUPTED
    assert sum(len(trial.trainings) for trial in stopped.trials) == 6  # the last was let finish
    assert stopped.best is None
    assert stopped.run.read_state()["status"] == RunStatus.INTERRUPTED
    assert plain_trials(resume_search(stopped.run)) == plain_trials(whole)


def test_a_folder_whose_figures_are_kept_is_deleted_on_resume(copied: Run, played: Played) -> None:
    left = copied.folder / "trial-1-rung-2-fold-1"
    left.mkdir()
    resume_search(copied, trials=13)
    assert not left.exists()


def test_a_finished_search_only_reports(whole: TuneReport, copied: Run, played: Played) -> None:
    told: list[Event] = []
    again = job.resume(copied, minutes=None, trials=None, on_event=told.append)
    assert "nothing to train" in next(e.text for e in told if isinstance(e, Note))
    for key, value in whole.as_json().items():
        assert key in ("run", "best") or again.as_json()[key] == value
    assert resume_search(copied, minutes=5).as_json() == again.as_json()  # no trial is left
    assert played.begun == []


def test_more_trials_may_be_requested(
    config: RunConfig, played: Played, whole: TuneReport, tmp_path: Path
) -> None:
    few = start_search(config, tmp_path, trials=3)
    assert len(few.trials) == 3
    assert plain_trials(resume_search(few.run, minutes=1000, trials=12)) == plain_trials(whole)


def test_a_damaged_plan_is_an_error(copied: Run) -> None:
    copied.update_state(plan={"fields": 3})
    with pytest.raises(RunError, match=r"plan in run\.json is damaged"):
        resume_search(copied)
