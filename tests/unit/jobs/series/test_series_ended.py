"""What ends a series: an error, its budget, Ctrl-C."""

import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.played_series import Played, create, members_of, run_members, with_section

from fastdefect.config import RunConfig
from fastdefect.data.splitting.subsample import limit_per_class
from fastdefect.errors import DataError
from fastdefect.jobs.series import members as series_members
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    Series,
    run_series,
)
from fastdefect.jobs.training.log import Log
from fastdefect.run import RunStatus

# ---- what ends it ------------------------------------------------------------------------


def test_an_error_is_noted_in_the_whole(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = members_of(config, "one", "two")
    parent = create(tmp_path, config, members, photos)
    played.ends = {"one": DataError("predictions are no numbers")}
    with pytest.raises(DataError):
        run_members(parent, members, photos, played)
    state = parent.read_state()
    assert (state["status"], state["error"]) == ("failed", "predictions are no numbers")


def test_no_training_is_begun_that_the_budget_does_not_hold(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = members_of(config, *"abcd")
    parent = create(tmp_path, config, members, photos)
    played.seconds = 60.0
    report = run_members(parent, members, photos, played, minutes=2.5)
    assert report.reason == parent.read_state()["status"] == RunStatus.OUT_OF_BUDGET
    assert [member.name for member in report.left] == ["c", "d"]
    assert report.seconds_left == pytest.approx(120)
    assert run_members(parent, members, photos, played, minutes=2.5).reason == RunStatus.FINISHED
    assert played.begun == ["a", "b", "c", "d"]


def test_a_training_that_takes_longer_than_the_budget_stops_in_its_middle(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = members_of(config, "a", "b")
    parent = create(tmp_path, config, members, photos)
    played.seconds = 100.0  # which nobody knows before the first has ended
    report = run_members(parent, members, photos, played, minutes=1)
    assert report.reason == parent.read_state()["status"] == RunStatus.OUT_OF_BUDGET
    assert played.now == pytest.approx(1060, abs=10)
    assert [member.name for member in report.left] == ["a", "b"]
    assert parent.member("a").read_state()["status"] == RunStatus.INTERRUPTED
    played.seconds = 40.0
    assert run_members(parent, members, photos, played).reason == RunStatus.FINISHED
    assert (played.begun, played.resumed) == (["a", "b"], ["a"])


def test_ctrl_c_while_a_training_is_finishing_begins_no_other(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = members_of(config, "a", "b")
    parent = create(tmp_path, config, members, photos)
    played.interrupted_at_the_end = {"a"}
    report = run_members(parent, members, photos, played)
    assert report.reason == parent.read_state()["status"] == RunStatus.INTERRUPTED
    assert [each.member.name for each in report.finished] == played.begun == ["a"]
    played.interrupted_at_the_end = {"b"}
    # Nothing is left to begin.
    assert run_members(parent, members, photos, played).reason == RunStatus.FINISHED
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_time_of_a_killed_session_follows_from_its_epochs(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    members = members_of(config, "a")
    parent = create(tmp_path, config, members, photos)
    played.seconds, played.ends = 60.0, {"a": RunStatus.INTERRUPTED}
    run_members(parent, members, photos, played)

    def killed(*args: Any) -> Any:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(series_members, "go_on", killed)
        run_members(parent, members, photos, played)
    rows = [{"epoch": 1, "seconds": 50.0}, {"epoch": 2, "seconds": 45.0}]
    parent.member("a").write("history.csv", rows, ["epoch", "seconds"])
    assert [each.seconds for each in run_members(parent, members, photos, played).finished] == [
        155.0
    ]


def test_a_budget_that_reading_used_up_begins_nothing(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = members_of(config, "a")
    parent = create(tmp_path, config, members, photos)
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
        Member("twice-the-epochs", with_section(config, "training", epochs=4)),
        Member("twice-the-side", with_section(config, "data", image_size=32)),
        Member("few", config, narrow=few),
        Member("arch", with_section(config, "model", arch="resnet18")),
    ]
    parent = create(tmp_path, config, members, photos)
    played.seconds = 60.0
    report = run_members(parent, members, photos, played, minutes=1.5)
    assert [each.member.name for each in report.finished] == ["a"]
    train, valid = len(photos.base.train), len(photos.base.valid)
    smaller = (3 * 8 + valid + min(8, valid)) / (3 * train + valid + min(train, valid))
    assert report.seconds_left == pytest.approx(60 * (2 + 4 + smaller + 1))


def test_what_an_interrupted_one_has_behind_it_is_not_left(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = members_of(config, "a", "b")
    parent = create(tmp_path, config, members, photos)
    played.seconds, played.ends = 60.0, {"b": RunStatus.INTERRUPTED}
    first = run_members(parent, members, photos, played)
    assert first.seconds_left == pytest.approx(0.0)  # as long as the other took, in full
    played.seconds = 20.0
    second = run_members(parent, members, photos, played)
    assert [each.seconds for each in second.finished] == [60.0, 80.0]
