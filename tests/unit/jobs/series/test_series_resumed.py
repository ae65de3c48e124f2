"""A series that is resumed: finished members are kept, the others trained."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.folders import castings_of, photo_folder
from helpers.played_series import Played, create, members_of, run_members, texts_of, with_section

from fastdefect.config import RunConfig
from fastdefect.data.splitting.subsample import limit_per_class
from fastdefect.errors import DataError, DivergedError
from fastdefect.files import read_csv
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    resume_series,
)
from fastdefect.jobs.training.log import Log
from fastdefect.run import Run, RunStatus

# ---- what was done before ----------------------------------------------------------------


def test_finished_members_are_kept_and_early_stopped_ones_are_finished(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = members_of(config, "one", "two", "three")
    parent = create(tmp_path, config, members, photos)
    played.ends = {"one": RunStatus.EARLY_STOPPING, "two": RunStatus.INTERRUPTED}
    stopped = run_members(parent, members, photos, played)
    assert stopped.reason == parent.read_state()["status"] == RunStatus.INTERRUPTED
    assert [member.name for member in stopped.left] == ["two", "three"]
    assert played.begun == ["one", "two"]
    (parent.folder / "one" / "checkpoint.safetensors").touch()  # as if killed before it was deleted

    report = run_members(parent, members, photos, played)
    assert report.reason == RunStatus.FINISHED
    assert (played.begun, played.resumed) == (["one", "two", "three"], ["two"])
    assert "1 of 3 trainings are finished and kept." in texts_of(played)
    (parent.folder / "three" / "checkpoint.safetensors").touch()

    again = resume_series(parent, members, budget=Budget(None), log=Log(played.told.append))
    assert again.finished == report.finished
    assert (played.begun, played.resumed) == (["one", "two", "three"], ["two"])
    assert not list(parent.folder.glob("*/checkpoint.safetensors"))  # nobody goes on with them
    assert "nothing to train" in texts_of(played)[-1]


def test_a_series_is_resumed_from_its_folder_without_looking_for_parts(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from fastdefect.jobs.series import photos as series_photos

    members = members_of(config, "one", "two")
    parent = create(tmp_path, config, members, photos)
    monkeypatch.setattr(series_photos, "read_and_audit", None)
    log = Log(played.told.append)
    assert resume_series(parent, members, budget=Budget(None), log=log).reason == RunStatus.FINISHED
    assert played.data["two"].split == photos.base


@pytest.mark.parametrize(
    "changed",
    [
        lambda config: Member("one", with_section(config, "training", epochs=9)),
        lambda config: Member("one", config, split_seed=99),
        lambda config: Member("one", config, narrow=partial(limit_per_class, per_class=2, seed=0)),
    ],
)
@pytest.mark.parametrize("status", [RunStatus.FINISHED, RunStatus.INTERRUPTED])
def test_a_member_of_other_settings_or_photos_is_trained_anew(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path, changed: Any,
    status: str,
) -> None:  # fmt: skip
    members = members_of(config, "one")
    parent = create(tmp_path, config, members, photos)
    played.ends = {"one": status}
    run_members(parent, members, photos, played)
    (parent.folder / "one" / "model.safetensors").touch()
    played.ends = {}
    others = [changed(config)]
    own = SeriesPhotos(config, photos.manifest, photos.base, (), None)  # type: ignore[arg-type]
    report = run_members(parent, others, own, played)
    assert (played.begun, played.resumed) == (["one", "one"], [])
    assert any("trained again" in text for text in texts_of(played))
    assert not (parent.folder / "one" / "model.safetensors").exists()
    assert report.finished[0].run.read_config() == others[0].config


def test_one_that_diverges_is_left_out_and_not_tried_again(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = members_of(config, "one", "two", "three")
    parent = create(tmp_path, config, members, photos)
    played.ends = {"two": DivergedError("Expected finite probabilities.", "Try a lower rate.")}
    report = run_members(parent, members, photos, played)
    assert (report.reason, report.left) == (RunStatus.FINISHED, ())
    assert [each.member.name for each in report.finished] == ["one", "three"]
    assert report.diverged == (members[1],)
    assert not (parent.folder / "two" / "checkpoint.safetensors").exists()
    assert "two diverged and is left out. Try a lower rate." in texts_of(played)
    played.ends = {}
    again = resume_series(parent, members, budget=Budget(None), log=Log(played.told.append))
    assert (again.finished, again.diverged) == (report.finished, report.diverged)
    more = [*members, *members_of(config, "four")]
    assert [m.name for m in run_members(parent, more, photos, played).diverged] == ["two"]
    assert played.begun == ["one", "two", "three", "four"]
    slower = [Member("two", with_section(config, "training", learning_rate=1e-5))]
    assert run_members(parent, slower, photos, played).diverged == ()
    assert played.begun[-1] == "two"


def test_one_that_stopped_before_its_first_batch_is_begun_again(
    config: RunConfig, photos: SeriesPhotos, played: Played, tmp_path: Path
) -> None:
    members = members_of(config, "one")
    parent = create(tmp_path, config, members, photos)
    played.ends = {"one": KeyboardInterrupt()}
    assert run_members(parent, members, photos, played).reason == RunStatus.INTERRUPTED
    (parent.folder / "one" / "checkpoint.safetensors").unlink()
    played.ends = {}
    assert run_members(parent, members, photos, played).reason == RunStatus.FINISHED
    assert (played.begun, played.resumed) == (["one", "one"], [])


def test_changed_photos_are_not_resumed(config: RunConfig, played: Played, tmp_path: Path) -> None:
    folder = photo_folder(tmp_path / "photos", castings_of(16, 2), "part")
    own = with_section(config, "data", data=folder)
    members = members_of(own, "one")
    parent = create(tmp_path / "runs", own, members, SeriesPhotos.read(own, played.told.append))
    name = read_csv(folder / "photos.csv")[0]["path"]
    (folder / name).write_bytes((folder / read_csv(folder / "photos.csv")[1]["path"]).read_bytes())
    with pytest.raises(DataError, match="1 changed"):
        resume_series(parent, members, budget=Budget(None), log=Log(played.told.append))
    larger = [Member("two", with_section(own, "data", image_size=24))]
    with pytest.raises(DataError, match="have changed since the series began"):
        run_members(parent, larger, _as_before(own, parent, played), played)
    assert parent.read_state()["status"] == "failed"


def _as_before(config: RunConfig, parent: Run, played: Played) -> SeriesPhotos:
    """The photos as they were read before one was changed."""
    read = SeriesPhotos.read(config, played.told.append)
    first = replace(read.manifest.photos[0], sha256="of old")
    manifest = replace(read.manifest, photos=(first, *read.manifest.photos[1:]))
    return SeriesPhotos(config, manifest, read.base, (), None)  # type: ignore[arg-type]
