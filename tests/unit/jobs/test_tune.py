"""A search whose trainings are played: which are begun, on what, and what is made of them."""

import json
import math
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.folders import castings_of, photo_folder
from helpers.played import Played, play

from fastdefect.config import RunConfig
from fastdefect.config_resolve import resolve
from fastdefect.errors import DataError, DivergedError, RunError, UsageError
from fastdefect.events import Event, Note, silent
from fastdefect.files import read_csv
from fastdefect.jobs import tune as job
from fastdefect.jobs.series import members as series_members
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.jobs.tune import TuneReport, TuneRequest
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.run_registry import create_run, summarise

TRAINING = 10.0  # seconds that each takes


@pytest.fixture(scope="module")
def castings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty parts, two photos of each, in a CSV that names the parts."""
    return photo_folder(tmp_path_factory.mktemp("castings"), castings_of(40, 2), "part")


@pytest.fixture(scope="module")
def config(castings: Path) -> RunConfig:
    return resolve(
        {
            **{"data": castings, "image_size": 16, "arch": "mobilenet_v3_small"},
            **{"weights": "none", "device": "cpu", "workers": 0, "seed": 7, "epochs": 6},
        }
    )


def _mistakes(name: str, config: RunConfig) -> int:
    """The nearer the learning rate is to 0.002 the fewer; MixUp costs one more."""
    far = abs(math.log(config.training.learning_rate / 0.002))
    return round(3 * far) + (config.training.mixup_alpha > 0)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """What mattered is tested elsewhere, and takes seconds."""
    monkeypatch.setattr(job, "effects", partial(job.effects, draws=2))


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return play(monkeypatch, wrong=_mistakes, seconds=TRAINING)


def _start(config: RunConfig, runs: Path, name: str = "t", **criteria: Any) -> TuneReport:
    criteria = {"minutes": 1000.0, "trials": 12, **criteria}
    return job.start(
        config,
        TuneRequest(**criteria),
        NewRun(runs, name, "fastdefect tune"),
        on_event=silent,
    )


def _resume(run: Run, minutes: float | None = None, trials: int | None = None) -> TuneReport:
    return job.resume(run, minutes=minutes, trials=trials, on_event=silent)


def _plain(report: TuneReport) -> list[Any]:
    """Its trials without the seconds."""
    return [
        {
            **trial.as_json(),
            "trainings": [{**vars(each), "seconds": 0} for each in trial.trainings],
        }
        for trial in report.trials
    ]


@pytest.fixture(scope="module")
def searched(
    config: RunConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TuneReport, Played]:
    """A search of twelve trials, and what was played for it. Its run is not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "effects", partial(job.effects, draws=2))
        played = play(patch, wrong=_mistakes, seconds=TRAINING)
        return _start(config, tmp_path_factory.mktemp("whole")), played


@pytest.fixture(scope="module")
def whole(searched: tuple[TuneReport, Played]) -> TuneReport:
    return searched[0]


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
    assert [trial.known for trial in whole.trials[:4]] == ["plain", "steady", "full", ""]
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
    report = _start(config, tmp_path, space=("balance",), trials=None)
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


def _at(count: int, then: Callable[[Run], None]) -> Callable[..., Any]:
    """``begin`` that does something at its ``count``-th call, before it trains."""
    calls = [0]
    train = series_members.begin

    def begin(run: Run, *others: Any) -> Any:
        calls[0] += 1
        if calls[0] == count:
            then(run)
        return train(run, *others)

    return begin


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
            _start(config, tmp_path)
    resumed = _resume(Run(tmp_path / "t"))
    assert resumed.reason == RunStatus.FINISHED
    assert _plain(resumed) == _plain(whole)
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
        stopped = _start(config, tmp_path)
    assert stopped.reason == RunStatus.INTERRUPTED
    assert sum(len(trial.trainings) for trial in stopped.trials) == 6  # the last was let finish
    assert stopped.best is None
    assert stopped.run.read_state()["status"] == RunStatus.INTERRUPTED
    assert _plain(_resume(stopped.run)) == _plain(whole)


def test_a_folder_whose_figures_are_kept_is_deleted_on_resume(copied: Run, played: Played) -> None:
    left = copied.folder / "trial-1-rung-2-fold-1"
    left.mkdir()
    _resume(copied, trials=13)
    assert not left.exists()


def test_a_finished_search_only_reports(whole: TuneReport, copied: Run, played: Played) -> None:
    told: list[Event] = []
    again = job.resume(copied, minutes=None, trials=None, on_event=told.append)
    assert "nothing to train" in next(e.text for e in told if isinstance(e, Note))
    for key, value in whole.as_json().items():
        assert key in ("run", "best") or again.as_json()[key] == value
    assert _resume(copied, minutes=5).as_json() == again.as_json()  # no trial is left
    assert played.begun == []


def test_more_trials_may_be_requested(
    config: RunConfig, played: Played, whole: TuneReport, tmp_path: Path
) -> None:
    few = _start(config, tmp_path, trials=3)
    assert len(few.trials) == 3
    assert _plain(_resume(few.run, minutes=1000, trials=12)) == _plain(whole)


# ---- the budget --------------------------------------------------------------------------


def test_the_budget_cuts_the_sequence_and_leaves_time_for_the_winner(
    config: RunConfig, played: Played, whole: TuneReport, tmp_path: Path
) -> None:
    began = played.now
    report = _start(config, tmp_path, minutes=3.0, trials=None)
    assert report.reason == RunStatus.FINISHED  # where the search is meant to end
    assert report.best is not None
    assert 100 < played.now - began <= 180
    cut = _plain(report)
    assert cut[:-1] == _plain(whole)[: len(cut) - 1]  # the last may have trainings left
    spent = sum(trial.seconds for trial in report.trials)
    assert played.now - began == pytest.approx(spent + TRAINING)

    # With more time it goes on where it was cut.
    more = _resume(report.run, minutes=1000, trials=12)
    assert _plain(more) == _plain(whole)


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
        report = _start(config, tmp_path, trials=1)
    ((found, limits),) = study
    fresh = replace(report.trials[0], trainings=())
    assert found._reserve([fresh], 30.0) == 900
    # Six epochs on all of train take longer than the trial's on two thirds of it.
    assert TRAINING < found._reserve([report.trials[0]], 30.0) < 8 * TRAINING
    assert found._expected(fresh, report.rungs[0], 1, []) == 0
    assert limits.stop_before(1e9)()
    assert not limits.stop_before(1.0)()


def test_no_budget_begins_nothing(config: RunConfig, played: Played, tmp_path: Path) -> None:
    report = _start(config, tmp_path, minutes=0.0)
    assert (report.reason, report.trials, report.best) == (RunStatus.OUT_OF_BUDGET, (), None)
    assert played.begun == []
    assert _resume(report.run, minutes=1000).reason == RunStatus.FINISHED


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
    report = _start(config, tmp_path)
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
        _start(resolve({"data": castings, "image_size": 16, **changes}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_more_folds_than_parts_are_refused(config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="in train, but 30 folds need at least 30"):
        _start(config, tmp_path, folds=30)
    assert not list(tmp_path.iterdir())


def test_another_kind_of_run_is_not_resumed(config: RunConfig, tmp_path: Path) -> None:
    other = create_run(tmp_path, "o", config, "fastdefect ablate", kind=RunKind.ABLATION)
    with pytest.raises(RunError, match="kind tuning, but .* kind ablation"):
        _resume(other)


def test_a_damaged_plan_is_an_error(copied: Run) -> None:
    copied.update_state(plan={"fields": 3})
    with pytest.raises(RunError, match=r"plan in run\.json is damaged"):
        _resume(copied)
