"""Photos in shards: as text for another computer, and of the right size."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.bundles import tiny_bundle

from fastdefect.data.reading.object_store import ObjectFile
from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.errors import RunError
from fastdefect.events import silent
from fastdefect.jobs.predicting.open_model import find_model
from fastdefect.jobs.predicting.shards import PhotoList, Shard, ShardWork, shard_size
from fastdefect.jobs.trained.names import Patterns
from fastdefect.jobs.trained.request import Request

_PHOTOS = (
    Candidate("day/a.png", Path("/data/day/a.png"), "a.png", label="ok"),
    Candidate("s3://b/é\\x\n.png", ObjectFile("s3://b/é\\x\n.png"), "é\\x\n.png", "7", view="top"),
    Candidate("c\\udcff.png", Path("/data/c\udcff.png"), product="axle", problem="gone"),
)


def test_a_shard_is_the_same_after_its_way_as_text() -> None:
    photos = PhotoList.of(_PHOTOS)
    first, second = photos.shards(2)
    assert (first.index, second.index) == (0, 1)
    sent = [Shard.from_text(each.as_text()) for each in (first, second)]
    assert sent == [first, second]
    assert [each for shard in sent for each in shard.candidates()] == list(_PHOTOS)


def test_a_path_holds_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (shard,) = PhotoList.of([Candidate("day/a.png", Path("day/a.png"))]).shards(5)
    (found,) = shard.candidates()
    assert (found.name, found.path) == ("day/a.png", tmp_path / "day/a.png")


@pytest.mark.parametrize(
    "change",
    [{"part": "8"}, {"view": "side"}, {"name": "s3://b/y.png"}, {"path": ObjectFile("s3://c/y")}],
)
def test_the_sum_of_a_list_changes_with_what_is_known_of_a_photo(change: dict[str, str]) -> None:
    other = [_PHOTOS[0], replace(_PHOTOS[1], **change), _PHOTOS[2]]
    sums = {PhotoList.of(each).sha256 for each in (_PHOTOS, other, _PHOTOS[::-1])}
    assert len(sums) == 3


@pytest.mark.parametrize(
    ("photos", "workers", "expected"),
    [(1, 1, 16), (640, 4, 40), (8000, 1, 2000), (1_000_000, 64, 2000), (20_000, 64, 79)],
)
def test_shards_are_small_enough_that_all_workers_have_some(
    photos: int, workers: int, expected: int
) -> None:
    assert shard_size(photos, workers) == expected


def test_work_is_sent_without_its_model_and_another_model_is_refused(tmp_path: Path) -> None:
    path = tiny_bundle(tmp_path / "m.fdb")
    source = find_model(str(path), Path("runs"), Request())
    identity = source.open(silent).identity
    work = ShardWork(source, Patterns(), identity)
    path.unlink()  # the work has the bundle itself
    assert pickle.loads(pickle.dumps(work))(Shard(0, ())).startswith(b"PAR1")
    with pytest.raises(RunError, match=r"m.fdb is another model on a worker than here"):
        replace(work, identity="other")(Shard(0, ()))
    with pytest.raises(RunError, match="Expected fastdefect 0 on every worker, but found"):
        ShardWork(source, Patterns(), identity, version="0")(Shard(0, ()))
