"""Several trainings on the same photos: what is kept, repeated, resumed, left undone.

The trainings are played: what is tested is which are begun, on what, and what is told.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.played_series import (
    Played,
    create,
    members_of,
    run_members,
    texts_of,
    with_section,
)

from fastdefect.config import RunConfig
from fastdefect.data.splitting.split import Split, read_split
from fastdefect.data.splitting.subsample import limit_per_class
from fastdefect.errors import ModelError, RunError
from fastdefect.events import EpochDone, Progress
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    read_plan,
)
from fastdefect.jobs.training import network
from fastdefect.jobs.training.network import settle_weights
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.run_registry import create_run, list_runs, open_run, summarise
from fastdefect.training.backbones import LoadedWeights

# ---- all goes well -----------------------------------------------------------------------


def test_each_member_is_a_run_in_the_parents_folder(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = [
        *members_of(config, "one"),
        Member("two", with_section(config, "training", epochs=5)),
    ]
    parent = create(tmp_path, config, members, photos)
    report = run_members(parent, members, photos, played)
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
    members = members_of(config, "one", "two")
    run_members(create(tmp_path, config, members, photos), members, photos, played)
    texts = texts_of(played)
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
    other = with_section(config, "training", seed=8)
    narrow = partial(limit_per_class, per_class=4, seed=1)
    members = [
        Member("whole", config),
        Member("few", config, narrow=narrow),
        Member("other", other),
        Member("same", other, split_seed=7),
        Member("flag", with_section(config, "data", photos_per_class=5)),
    ]
    run_members(create(tmp_path, config, members, photos), members, photos, played)
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
    large = with_section(config, "data", image_size=24)
    members = [Member("a", config), Member("b", large), Member("c", config), Member("d", large)]
    own = SeriesPhotos(config, photos.manifest, photos.base, (), photos.data_of(
        members[0], played.told.append).store)  # fmt: skip
    keep_for = own.keep_for

    def watched(members: Any) -> None:
        keep_for(members)
        kept.append(len(own._stores))

    monkeypatch.setattr(own, "keep_for", watched)
    run_members(create(tmp_path, config, members, own), members, own, played)
    assert read == [24]
    assert kept == [1, 1, 2, 1]
    assert [played.data[name].store[0].shape[0] for name in "abcd"] == [16, 24, 16, 24]


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
    settled = settle_weights(with_section(config, "model", weights=asked), played.told.append)
    assert settled == with_section(config, "model", weights=weights)
    assert texts_of(played) == told


# ---- what can't be a series --------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (lambda config: members_of(config, "a", "A"), "unique names of members"),
        (lambda config: members_of(config, "log.txt"), "without dots"),
        (lambda config: members_of(config, "../a"), "without dots"),
        (
            lambda config: members_of(with_section(config, "data", parts="none"), "a"),
            "Expected equal",
        ),
    ],
)
def test_members_that_are_none_are_a_bug(
    config: RunConfig, photos: SeriesPhotos, tmp_path: Path, members: Any, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        create(tmp_path / "runs", config, members(config), photos)
    assert not (tmp_path / "runs").exists()


def test_a_network_that_can_not_be_built_is_an_error_before_anything_is_written(
    config: RunConfig, photos: SeriesPhotos, tmp_path: Path
) -> None:
    members = [Member("a", config), Member("b", with_section(config, "model", arch="no_such_net"))]
    with pytest.raises(ModelError):
        create(tmp_path / "runs", config, members, photos)
    assert not (tmp_path / "runs").exists()


# ---- among other runs --------------------------------------------------------------------


def test_a_series_is_listed_as_one_and_has_no_model(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = members_of(config, "one", "two")
    parent = create(tmp_path, config, members, photos)
    with pytest.raises(RunError, match="no single model") as error:
        parent.require_model()
    assert error.value.hint == "Give one of its trainings."
    run_members(parent, members, photos, played)
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
    members = members_of(config, "one", "two")
    parent = create(tmp_path, config, members, photos)
    run_members(parent, members, photos, played)
    assert [parent.member(name).note_opening("c", "a look") for name in ("one", "two")] == [1, 2]
    assert len(json.loads((parent.folder / "openings.json").read_text(encoding="utf-8"))) == 2


def test_plans_are_of_one_kind(config: RunConfig, photos: SeriesPhotos, tmp_path: Path) -> None:
    parent = create(tmp_path, config, members_of(config, "one"), photos)
    assert read_plan(parent, RunKind.LEARNING_CURVE) == {"names": ["one"]}
    training = create_run(tmp_path, "other", config, "fastdefect fit")
    with pytest.raises(RunError, match="kind learning curve, but .* kind training"):
        read_plan(training, RunKind.LEARNING_CURVE)
    stillborn = create_run(tmp_path, "third", config, "c", kind=RunKind.LEARNING_CURVE)
    with pytest.raises(RunError, match="before its first training"):
        read_plan(stillborn, RunKind.LEARNING_CURVE)
