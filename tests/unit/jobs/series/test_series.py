"""Several trainings on the same photos: what is kept, repeated, resumed, left undone.

The trainings are played: what is tested is which are begun, on what, and what is told.
"""

import json
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.folders import castings_of, photo_folder

from fastdefect.config import RunConfig
from fastdefect.config_resolve import resolve
from fastdefect.data.splitting.split import Split, read_split, split_rows
from fastdefect.data.splitting.subsample import limit_per_class
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DataError, DivergedError, ModelError, RunError
from fastdefect.events import EpochDone, Event, Note, Progress
from fastdefect.files import read_csv
from fastdefect.jobs.series import budget as series_budget
from fastdefect.jobs.series import members as series_members
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    Series,
    SeriesReport,
    create_series,
    read_plan,
    resume_series,
    run_series,
)
from fastdefect.jobs.training import network
from fastdefect.jobs.training.interrupt import StopRequested
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.network import settle_weights
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.run_registry import create_run, list_runs, open_run, summarise
from fastdefect.training.backbones import LoadedWeights


@dataclass
class Job:
    """What ``assemble`` hands to ``begin`` here."""

    config: RunConfig
    data: TrainingData


@dataclass
class Played:
    """Trainings that take no time; ``ends`` says how each of a name ends, if not well."""

    ends: dict[str, str | BaseException] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    data: dict[str, TrainingData] = field(default_factory=dict)
    told: list[Event] = field(default_factory=list)
    interrupted_at_the_end: set[str] = field(default_factory=set)
    seconds: float = 0.0
    now: float = 1000.0

    def assemble(self, config: RunConfig, log: Log, *, data: TrainingData) -> Job:
        log(Note("Weights: random."))
        return Job(config, data)

    def begin(self, run: Run, job: Job, log: Log, stop: StopRequested) -> Any:
        self.begun.append(run.name)
        self.data[run.name] = job.data
        run.write("split.csv", split_rows(job.data.manifest, job.data.split))
        return self._end(run, log, self.ends.get(run.name, RunStatus.FINISHED), stop)

    def reassemble(self, run: Run, log: Log, data: TrainingData) -> tuple[Job, str]:
        return Job(run.read_config(), data), "checkpoint"

    def go_on(self, run: Run, job: Job, checkpoint: str, log: Log, stop: StopRequested) -> Any:
        self.resumed.append(run.name)
        self.data[run.name] = job.data
        return self._end(run, log, RunStatus.FINISHED, stop)

    def _end(self, run: Run, log: Log, reason: str | BaseException, stop: StopRequested) -> Any:
        run.path("checkpoint.safetensors").touch()
        for _ in range(10):  # batches
            self.now += self.seconds / 10
            if stop():
                reason = RunStatus.INTERRUPTED
                break
        if run.name in self.interrupted_at_the_end:
            signal.raise_signal(signal.SIGINT)
        log(EpochDone({"epoch": 1}, True))
        log(Progress("measuring valid", 1, 1))
        if isinstance(reason, DivergedError):
            run.update_state(status=RunStatus.DIVERGED)
        if isinstance(reason, BaseException):
            raise reason
        run.update_state(status=reason)
        if reason != RunStatus.INTERRUPTED:
            run.put("metrics.json", "valid", {"f1": 0.9})
        return _Ended(reason)


@dataclass
class _Ended:
    reason: str


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    fake = Played()
    for name in ("assemble", "begin", "reassemble", "go_on"):
        monkeypatch.setattr(series_members, name, getattr(fake, name))
    for module in (series_members, series_budget):
        monkeypatch.setattr(module, "monotonic", lambda: fake.now)
    return fake


@pytest.fixture(scope="module")
def castings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen parts, three photos of each, in a CSV that names the parts."""
    return photo_folder(tmp_path_factory.mktemp("castings"), castings_of(16, 3), "part")


@pytest.fixture(scope="module")
def config(castings: Path) -> RunConfig:
    return resolve(
        {
            **{"data": castings, "image_size": 16, "arch": "mobilenet_v3_small"},
            **{"weights": "none", "device": "cpu", "workers": 0, "seed": 7, "epochs": 2},
        }
    )


@pytest.fixture(scope="module")
def photos(config: RunConfig) -> SeriesPhotos:
    return SeriesPhotos.read(config, lambda event: None)


def _with(config: RunConfig, section: str, **changes: Any) -> RunConfig:
    return replace(config, **{section: replace(getattr(config, section), **changes)})


def _members(config: RunConfig, *names: str) -> list[Member]:
    return [Member(name, config) for name in names]


def _create(runs: Path, config: RunConfig, members: Sequence[Member], photos: SeriesPhotos) -> Run:
    return create_series(
        RunKind.LEARNING_CURVE,
        config,
        members,
        photos,
        NewRun(runs, "many", "fastdefect learning-curve"),
        {"names": [member.name for member in members]},
    )


def _run(
    parent: Run,
    members: Sequence[Member],
    photos: SeriesPhotos,
    played: Played,
    minutes: float | None = None,
) -> SeriesReport:
    series = Series(parent, members, photos, Log(played.told.append))
    return run_series(series, Budget(minutes))


def _texts(played: Played) -> list[str]:
    return [event.text for event in played.told if isinstance(event, Note)]


# ---- all goes well -----------------------------------------------------------------------


def test_each_member_is_a_run_in_the_parents_folder(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = [*_members(config, "one"), Member("two", _with(config, "training", epochs=5))]
    parent = _create(tmp_path, config, members, photos)
    report = _run(parent, members, photos, played)
    assert (report.reason, report.left, report.seconds_left) == (RunStatus.FINISHED, (), 0.0)
    assert [each.member.name for each in report.finished] == played.begun == ["one", "two"]
    assert [each.metrics["valid"]["f1"] for each in report.finished] == [0.9, 0.9]
    assert report.finished[1].predictions_path == parent.folder / "two" / "predictions-valid.csv"
    own = Run(parent.folder / "two")
    assert own.read_kind() == "member"
    assert own.read_config().training.epochs == 5
    assert read_split(own.path("split.csv"), photos.manifest) == photos.base
    assert parent.read_state()["status"] == RunStatus.FINISHED
    assert {"split.csv", "findings.json", "environment.json", "log.txt"} <= {
        path.name for path in parent.folder.iterdir()
    }


def test_notes_have_the_members_name_and_appear_once(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = _members(config, "one", "two")
    _run(_create(tmp_path, config, members, photos), members, photos, played)
    texts = _texts(played)
    assert [text for text in texts if "Weights" in text] == ["one: Weights: random."]
    assert [text[:21] for text in texts if text.startswith("Training")] == [
        "Training 1 of 2, one:",
        "Training 2 of 2, two:",
    ]
    tasks = [event.task for event in played.told if isinstance(event, Progress)]
    assert tasks == ["one: measuring valid", "two: measuring valid"]
    assert sum(isinstance(event, EpochDone) for event in played.told) == 2


def test_a_member_may_have_fewer_photos_or_a_split_of_its_own(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    other = _with(config, "training", seed=8)
    narrow = partial(limit_per_class, per_class=4, seed=1)
    members = [
        Member("whole", config),
        Member("few", config, narrow=narrow),
        Member("other", other),
        Member("same", other, split_seed=7),
        Member("flag", _with(config, "data", photos_per_class=5)),
    ]
    _run(_create(tmp_path, config, members, photos), members, photos, played)
    splits: dict[str, Split] = {name: data.split for name, data in played.data.items()}
    assert splits["whole"] == splits["same"] == photos.base
    assert splits["few"] == narrow(photos.base, photos.manifest)
    assert (len(splits["few"].train), splits["few"].valid) == (8, photos.base.valid)
    assert splits["other"].valid != photos.base.valid
    assert splits["other"].parts == photos.base.parts
    assert len(splits["flag"].train) == 10


def test_photos_are_read_once_for_each_size_and_forgotten_when_not_needed(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from fastdefect.jobs.series import photos as series_photos

    read: list[int] = []
    kept: list[int] = []

    def counted(config: Any, **kwargs: Any) -> Any:
        read.append(config.image_size)
        return original(config, **kwargs)

    original = series_photos.read_data
    monkeypatch.setattr(series_photos, "read_data", counted)
    monkeypatch.setattr(series_photos, "read_and_audit", None)  # parts aren't looked for again
    large = _with(config, "data", image_size=24)
    members = [Member("a", config), Member("b", large), Member("c", config), Member("d", large)]
    own = SeriesPhotos(config, photos.manifest, photos.base, (), photos.data_of(
        members[0], played.told.append).store)  # fmt: skip
    keep_for = own.keep_for

    def watched(members: Any) -> None:
        keep_for(members)
        kept.append(len(own._stores))

    monkeypatch.setattr(own, "keep_for", watched)
    _run(_create(tmp_path, config, members, own), members, own, played)
    assert read == [24]
    assert kept == [1, 1, 2, 1]
    assert [played.data[name].store[0].shape[0] for name in "abcd"] == [16, 24, 16, 24]


# ---- what was done before ----------------------------------------------------------------


def test_finished_members_are_kept_and_early_stopped_ones_are_finished(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = _members(config, "one", "two", "three")
    parent = _create(tmp_path, config, members, photos)
    played.ends = {"one": RunStatus.EARLY_STOPPING, "two": RunStatus.INTERRUPTED}
    stopped = _run(parent, members, photos, played)
    assert stopped.reason == parent.read_state()["status"] == RunStatus.INTERRUPTED
    assert [member.name for member in stopped.left] == ["two", "three"]
    assert played.begun == ["one", "two"]

    report = _run(parent, members, photos, played)
    assert report.reason == RunStatus.FINISHED
    assert (played.begun, played.resumed) == (["one", "two", "three"], ["two"])
    assert "1 of 3 trainings are finished and kept." in _texts(played)

    again = resume_series(parent, members, budget=Budget(None), log=Log(played.told.append))
    assert again.finished == report.finished
    assert (played.begun, played.resumed) == (["one", "two", "three"], ["two"])
    assert not list(parent.folder.glob("*/checkpoint.safetensors"))  # nobody goes on with them
    assert "nothing to train" in _texts(played)[-1]


def test_a_series_is_resumed_from_its_folder_without_looking_for_parts(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from fastdefect.jobs.series import photos as series_photos

    members = _members(config, "one", "two")
    parent = _create(tmp_path, config, members, photos)
    monkeypatch.setattr(series_photos, "read_and_audit", None)
    log = Log(played.told.append)
    assert resume_series(parent, members, budget=Budget(None), log=log).reason == RunStatus.FINISHED
    assert played.data["two"].split == photos.base


@pytest.mark.parametrize(
    "changed",
    [
        lambda config: Member("one", _with(config, "training", epochs=9)),
        lambda config: Member("one", config, split_seed=99),
        lambda config: Member("one", config, narrow=partial(limit_per_class, per_class=2, seed=0)),
    ],
)
@pytest.mark.parametrize("status", [RunStatus.FINISHED, RunStatus.INTERRUPTED])
def test_a_member_of_other_settings_or_photos_is_trained_anew(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path, changed: Any,
    status: str,
) -> None:  # fmt: skip
    members = _members(config, "one")
    parent = _create(tmp_path, config, members, photos)
    played.ends = {"one": status}
    _run(parent, members, photos, played)
    (parent.folder / "one" / "model.safetensors").touch()
    played.ends = {}
    others = [changed(config)]
    own = SeriesPhotos(config, photos.manifest, photos.base, (), None)  # type: ignore[arg-type]
    report = _run(parent, others, own, played)
    assert (played.begun, played.resumed) == (["one", "one"], [])
    assert any("trained again" in text for text in _texts(played))
    assert not (parent.folder / "one" / "model.safetensors").exists()
    assert report.finished[0].run.read_config() == others[0].config


def test_one_that_diverges_is_left_out_and_not_tried_again(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = _members(config, "one", "two", "three")
    parent = _create(tmp_path, config, members, photos)
    played.ends = {"two": DivergedError("Expected finite probabilities.", "Try a lower rate.")}
    report = _run(parent, members, photos, played)
    assert (report.reason, report.left) == (RunStatus.FINISHED, ())
    assert [each.member.name for each in report.finished] == ["one", "three"]
    assert report.diverged == (members[1],)
    assert not (parent.folder / "two" / "checkpoint.safetensors").exists()
    assert "two diverged and is left out. Try a lower rate." in _texts(played)
    played.ends = {}
    again = resume_series(parent, members, budget=Budget(None), log=Log(played.told.append))
    assert (again.finished, again.diverged) == (report.finished, report.diverged)
    more = [*members, *_members(config, "four")]
    assert [m.name for m in _run(parent, more, photos, played).diverged] == ["two"]
    assert played.begun == ["one", "two", "three", "four"]
    slower = [Member("two", _with(config, "training", learning_rate=1e-5))]
    assert _run(parent, slower, photos, played).diverged == ()
    assert played.begun[-1] == "two"


def test_one_that_stopped_before_its_first_batch_is_begun_again(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = _members(config, "one")
    parent = _create(tmp_path, config, members, photos)
    played.ends = {"one": KeyboardInterrupt()}
    assert _run(parent, members, photos, played).reason == RunStatus.INTERRUPTED
    (parent.folder / "one" / "checkpoint.safetensors").unlink()
    played.ends = {}
    assert _run(parent, members, photos, played).reason == RunStatus.FINISHED
    assert (played.begun, played.resumed) == (["one", "one"], [])


def test_changed_photos_are_not_resumed(config: RunConfig, played: Played, tmp_path: Path) -> None:
    folder = photo_folder(tmp_path / "photos", castings_of(16, 2), "part")
    own = _with(config, "data", data=folder)
    members = _members(own, "one")
    parent = _create(tmp_path / "runs", own, members, SeriesPhotos.read(own, played.told.append))
    name = read_csv(folder / "photos.csv")[0]["path"]
    (folder / name).write_bytes((folder / read_csv(folder / "photos.csv")[1]["path"]).read_bytes())
    with pytest.raises(DataError, match="1 changed"):
        resume_series(parent, members, budget=Budget(None), log=Log(played.told.append))
    larger = [Member("two", _with(own, "data", image_size=24))]
    with pytest.raises(DataError, match="have changed since the series began"):
        _run(parent, larger, _as_before(own, parent, played), played)
    assert parent.read_state()["status"] == "failed"


def _as_before(config: RunConfig, parent: Run, played: Played) -> SeriesPhotos:
    """The photos as they were read before one was changed."""
    read = SeriesPhotos.read(config, played.told.append)
    first = replace(read.manifest.photos[0], sha256="of old")
    manifest = replace(read.manifest, photos=(first, *read.manifest.photos[1:]))
    return SeriesPhotos(config, manifest, read.base, (), None)  # type: ignore[arg-type]


# ---- what ends it ------------------------------------------------------------------------


def test_an_error_is_noted_in_the_whole(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = _members(config, "one", "two")
    parent = _create(tmp_path, config, members, photos)
    played.ends = {"one": DataError("predictions are no numbers")}
    with pytest.raises(DataError):
        _run(parent, members, photos, played)
    state = parent.read_state()
    assert (state["status"], state["error"]) == ("failed", "predictions are no numbers")


def test_no_training_is_begun_that_the_budget_does_not_hold(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = _members(config, *"abcd")
    parent = _create(tmp_path, config, members, photos)
    played.seconds = 60.0
    report = _run(parent, members, photos, played, minutes=2.5)
    assert report.reason == parent.read_state()["status"] == RunStatus.OUT_OF_BUDGET
    assert [member.name for member in report.left] == ["c", "d"]
    assert report.seconds_left == pytest.approx(120)
    assert _run(parent, members, photos, played, minutes=2.5).reason == RunStatus.FINISHED
    assert played.begun == ["a", "b", "c", "d"]


def test_a_training_that_takes_longer_than_the_budget_stops_in_its_middle(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = _members(config, "a", "b")
    parent = _create(tmp_path, config, members, photos)
    played.seconds = 100.0  # which nobody knows before the first has ended
    report = _run(parent, members, photos, played, minutes=1)
    assert report.reason == parent.read_state()["status"] == RunStatus.OUT_OF_BUDGET
    assert played.now == pytest.approx(1060, abs=10)
    assert [member.name for member in report.left] == ["a", "b"]
    assert parent.member("a").read_state()["status"] == RunStatus.INTERRUPTED
    played.seconds = 40.0
    assert _run(parent, members, photos, played).reason == RunStatus.FINISHED
    assert (played.begun, played.resumed) == (["a", "b"], ["a"])


def test_ctrl_c_while_a_training_is_finishing_begins_no_other(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = _members(config, "a", "b")
    parent = _create(tmp_path, config, members, photos)
    played.interrupted_at_the_end = {"a"}
    report = _run(parent, members, photos, played)
    assert report.reason == parent.read_state()["status"] == RunStatus.INTERRUPTED
    assert [each.member.name for each in report.finished] == played.begun == ["a"]
    played.interrupted_at_the_end = {"b"}
    # Nothing is left to begin.
    assert _run(parent, members, photos, played).reason == RunStatus.FINISHED
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_time_of_a_killed_session_follows_from_its_epochs(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    members = _members(config, "a")
    parent = _create(tmp_path, config, members, photos)
    played.seconds, played.ends = 60.0, {"a": RunStatus.INTERRUPTED}
    _run(parent, members, photos, played)

    def killed(*args: Any) -> Any:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(series_members, "go_on", killed)
        _run(parent, members, photos, played)
    rows = [{"epoch": 1, "seconds": 50.0}, {"epoch": 2, "seconds": 45.0}]
    parent.member("a").write("history.csv", rows, ["epoch", "seconds"])
    assert [each.seconds for each in _run(parent, members, photos, played).finished] == [155.0]


def test_a_budget_that_reading_used_up_begins_nothing(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = _members(config, "a")
    parent = _create(tmp_path, config, members, photos)
    budget = Budget(1)
    played.now += 61
    report = run_series(Series(parent, members, photos, Log(played.told.append)), budget)
    assert (report.reason, report.seconds_left, played.begun) == (RunStatus.OUT_OF_BUDGET, None, [])


def test_what_is_left_is_estimated_by_epochs_photos_size_and_architecture(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    few = partial(limit_per_class, per_class=4, seed=1)
    members = [
        Member("a", config),
        Member("twice-the-epochs", _with(config, "training", epochs=4)),
        Member("twice-the-side", _with(config, "data", image_size=32)),
        Member("few", config, narrow=few),
        Member("arch", _with(config, "model", arch="resnet18")),
    ]
    parent = _create(tmp_path, config, members, photos)
    played.seconds = 60.0
    report = _run(parent, members, photos, played, minutes=1.5)
    assert [each.member.name for each in report.finished] == ["a"]
    train, valid = len(photos.base.train), len(photos.base.valid)
    smaller = (3 * 8 + valid + min(8, valid)) / (3 * train + valid + min(train, valid))
    assert report.seconds_left == pytest.approx(60 * (2 + 4 + smaller + 1))


def test_what_an_interrupted_one_has_behind_it_is_not_left(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = _members(config, "a", "b")
    parent = _create(tmp_path, config, members, photos)
    played.seconds, played.ends = 60.0, {"b": RunStatus.INTERRUPTED}
    first = _run(parent, members, photos, played)
    assert first.seconds_left == pytest.approx(0.0)  # as long as the other took, in full
    played.seconds = 20.0
    second = _run(parent, members, photos, played)
    assert [each.seconds for each in second.finished] == [60.0, 80.0]


# ---- weights -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "loaded", "weights", "told"),
    [
        ("auto", LoadedWeights("auto", True, 9), "auto", []),
        ("auto", LoadedWeights("auto", False, note="no network"), "none", ["Weights: no network."]),
        ("auto", LoadedWeights("none", False, note="none known"), "none", []),
        ("none", None, "none", []),
    ],
)
def test_weights_that_can_not_be_had_are_settled_once(
    asked: str, loaded: LoadedWeights | None, weights: str, told: list[str],
    config: RunConfig, played: Played, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(network, "build_backbone", lambda *_: (None, loaded))
    settled = settle_weights(_with(config, "model", weights=asked), played.told.append)
    assert settled == _with(config, "model", weights=weights)
    assert _texts(played) == told


# ---- what can't be a series --------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (lambda config: _members(config, "a", "A"), "unique names of members"),
        (lambda config: _members(config, "log.txt"), "without dots"),
        (lambda config: _members(config, "../a"), "without dots"),
        (lambda config: _members(_with(config, "data", parts="none"), "a"), "Expected equal"),
    ],
)
def test_members_that_are_none_are_a_bug(
    config: RunConfig, photos: SeriesPhotos, tmp_path: Path, members: Any, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        _create(tmp_path / "runs", config, members(config), photos)
    assert not (tmp_path / "runs").exists()


def test_a_network_that_can_not_be_built_is_an_error_before_anything_is_written(
    config: RunConfig, photos: SeriesPhotos, tmp_path: Path
) -> None:
    members = [Member("a", config), Member("b", _with(config, "model", arch="no_such_net"))]
    with pytest.raises(ModelError):
        _create(tmp_path / "runs", config, members, photos)
    assert not (tmp_path / "runs").exists()


# ---- among other runs --------------------------------------------------------------------


def test_a_series_is_listed_as_one_and_has_no_model(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = _members(config, "one", "two")
    parent = _create(tmp_path, config, members, photos)
    with pytest.raises(RunError, match="no single model") as error:
        parent.require_model()
    assert error.value.hint == "Give one of its trainings."
    _run(parent, members, photos, played)
    assert [run.name for run in list_runs(tmp_path)] == ["many"]
    latest = open_run(None, tmp_path)
    row = summarise(latest)
    assert (row["trainings"], row["folds"], row["valid"]) == (2, None, {})
    with pytest.raises(RunError, match="no single model") as error:
        latest.require_model()
    assert str(parent.folder / "one") in error.value.hint


def test_openings_of_the_test_by_members_are_counted_together(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = _members(config, "one", "two")
    parent = _create(tmp_path, config, members, photos)
    _run(parent, members, photos, played)
    assert [parent.member(name).note_opening("c", "a look") for name in ("one", "two")] == [1, 2]
    assert len(json.loads((parent.folder / "openings.json").read_text(encoding="utf-8"))) == 2


def test_plans_are_of_one_kind(config: RunConfig, photos: SeriesPhotos, tmp_path: Path) -> None:
    parent = _create(tmp_path, config, _members(config, "one"), photos)
    assert read_plan(parent, RunKind.LEARNING_CURVE) == {"names": ["one"]}
    training = create_run(tmp_path, "other", config, "fastdefect fit")
    with pytest.raises(RunError, match="kind learning curve, but .* kind training"):
        read_plan(training, RunKind.LEARNING_CURVE)
    stillborn = create_run(tmp_path, "third", config, "c", kind=RunKind.LEARNING_CURVE)
    with pytest.raises(RunError, match="before its first training"):
        read_plan(stillborn, RunKind.LEARNING_CURVE)
