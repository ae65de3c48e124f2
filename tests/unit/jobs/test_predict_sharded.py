"""A result in shards: the rows of one process, each shard once, whatever happens between."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest
from helpers.bundles import photo_of, tiny_bundle
from helpers.object_stores import put_folder
from PIL import Image

from fastdefect.config import Unit
from fastdefect.data.reading.object_store import list_objects, read_object
from fastdefect.data.reading.unlabelled import Sources
from fastdefect.errors import DataError, UsageError
from fastdefect.events import Event, Note, silent
from fastdefect.jobs.predict import Output, Predicted, predict
from fastdefect.jobs.predict_sharded import ShardedOutput, check_sharded, predict_sharded
from fastdefect.jobs.predicting.open_model import find_model
from fastdefect.jobs.predicting.rows import Row
from fastdefect.jobs.predicting.shards import Shard, ShardWork
from fastdefect.jobs.trained.request import Request


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten photos of five parts, whose parts lie in several shards of four; one is damaged."""
    monkeypatch.chdir(tmp_path)
    tiny_bundle(tmp_path / "m.fdb", part_from=r"(\d)\.png")
    (tmp_path / "day").mkdir()
    for number in range(10):
        photo = photo_of(30 if number % 5 == 0 else 230 + number)
        Image.fromarray(photo).save(tmp_path / f"day/{number:02}-{number % 5}.png")
    (tmp_path / "day/07-2.png").write_text("no photo")
    return tmp_path / "day"


def backwards(shards: Sequence[Shard], work: ShardWork) -> Iterator[tuple[int, bytes]]:
    """An engine whose last shard is the first to be ready."""
    for shard in reversed(shards):
        yield shard.index, work(shard)


class _Killed:
    """An engine that ends after some shards."""

    def __init__(self, after: int, error: type[BaseException] = RuntimeError) -> None:
        self._after, self._error = after, error

    def __call__(self, shards: Sequence[Shard], work: ShardWork) -> Iterator[tuple[int, bytes]]:
        for shard in shards[: self._after]:
            yield shard.index, work(shard)
        raise self._error


def sharded(
    out: str, engine: Any = backwards, photos: str = "day", size: int | None = 4, **of: Any
) -> tuple[Predicted, list[Row], list[Event]]:
    """The result, the new rows in the order of the calls, and the events."""
    source = find_model("m.fdb", Path("runs"), Request())
    rows: list[Row] = []
    events: list[Event] = []
    found = predict_sharded(
        source,
        source.open(silent),
        Sources.of([photos]),
        ShardedOutput(out, Output(**of), size),
        engine,
        on_event=events.append,
        on_row=rows.append,
    )
    return found, rows, events


def local(out: str, by: Unit, photos: str = "day") -> list[dict[str, Any]]:
    """The rows of a prediction in this process."""
    scorer = find_model("m.fdb", Path("runs"), Request()).open(silent)
    predict(scorer, Sources.of([photos]), Output(Path(out), by=by), on_event=silent)
    return without_times([json.loads(line) for line in Path(out).read_text().splitlines()])


def without_times(rows: Sequence[Row]) -> list[Row]:
    return [{**row, "milliseconds": None} for row in rows]


def in_files(out: str, what: str = "photos") -> list[Row]:
    return without_times(pyarrow.dataset.dataset(f"{out}/{what}").to_table().to_pylist())


def manifest_of(out: str) -> dict[str, Any]:
    return dict(json.loads(Path(out, "manifest.json").read_text()))


def test_the_rows_are_those_of_one_process_in_its_order(day: Path) -> None:
    found, rows, _ = sharded("out", by="photo")
    assert in_files("out") == local("r.jsonl", "photo") == without_times(rows)
    assert found.tally.as_json() == {
        **{"photos": 10, "OK": 7, "look": 1, "reject": 2, "unlike": 0, "unreadable": 1}
    }
    assert (found.file, found.resumed) == ("out", 0)
    manifest = manifest_of("out")
    assert manifest["complete"]
    assert [each["rows"] for each in manifest["shards"]] == [4, 4, 2]
    assert [each["errors"] for each in manifest["shards"]] == [0, 1, 0]
    assert (manifest["errors"], manifest["photos"]["count"]) == (1, 10)
    assert list(manifest["columns"]) == list(rows[0])
    assert manifest["columns"]["p_crack"] == "double"


def test_a_part_in_several_shards_has_one_row_as_in_one_process(day: Path) -> None:
    found, _, _ = sharded("out", by="part")
    assert in_files("out", "parts") == [
        {**row, "milliseconds": None} for row in local("r.jsonl", "part")
    ]
    assert len(in_files("out")) == 10
    assert manifest_of("out")["parts"]["rows"] == 5
    assert found.parts is not None
    assert found.parts.decisions == {"OK": 3, "look": 1, "reject": 1}


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_killed_prediction_goes_on_with_the_missing_shards(day: Path, after: int) -> None:
    with pytest.raises(RuntimeError):
        sharded("out", _Killed(after))
    assert not manifest_of("out")["complete"]
    done: list[int] = []

    def noted(shards: Sequence[Shard], work: ShardWork) -> Iterator[tuple[int, bytes]]:
        done.extend(each.index for each in shards)
        return backwards(shards, work)

    found, rows, _ = sharded("out", noted, size=None, resume=True)
    assert done == list(range(after, 3))
    assert in_files("out") == local("r.jsonl", "photo")
    assert (found.resumed, found.tally.total, len(rows)) == (4 * after, 10, 10 - 4 * after)


def test_shards_without_an_entry_are_done_again(day: Path) -> None:
    """A process that was killed between the file and the manifest."""
    with pytest.raises(RuntimeError):
        sharded("out", _Killed(2))
    manifest = manifest_of("out")
    manifest["shards"].pop()
    Path("out/manifest.json").write_text(json.dumps(manifest))
    sharded("out", resume=True)
    assert in_files("out") == local("r.jsonl", "photo")


def test_a_changed_shard_is_done_again_with_a_warning(day: Path) -> None:
    with pytest.raises(RuntimeError):
        sharded("out", _Killed(2))
    Path("out/photos/part-00000.parquet").write_bytes(b"other")
    found, _, events = sharded("out", resume=True)
    assert found.resumed == 4
    text = "out/photos/part-00000.parquet is gone or was changed: it is done again."
    assert Note(text, "warning") in events
    assert in_files("out") == local("r.jsonl", "photo")


def test_after_ctrl_c_the_shards_are_kept(day: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        sharded("out", _Killed(1, KeyboardInterrupt))
    assert len(manifest_of("out")["shards"]) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 5}, r"another --shard-photos \(4, now 5\)\."),
        ({"part_from": "x"}, r"another --part-from \(none, now x\)\."),
        ({"by": "part"}, r"another --by \(photo, now part\)\."),
        ({"photos": "day/00-0.png"}, r"another number of photos \(10, now 1\)\."),
        ({"photos": "./day"}, r"another list of photos \("),
        ({"bundle": "x"}, r"another model or operating point \("),
    ],
)
def test_what_has_changed_is_refused_with_the_reason(
    day: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(RuntimeError):
        sharded("out", _Killed(1), by="photo")
    before = Path("out/manifest.json").read_bytes()
    if pattern := change.pop("bundle", None):
        tiny_bundle(day.parent / "m.fdb", part_from=pattern)
    with pytest.raises(DataError, match="--out out was begun with " + message):
        sharded("out", resume=True, **{"by": "photo"} | change)
    assert Path("out/manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("made", "resume", "message"),
    [
        ("finished", False, "this data set has a result already"),
        ("finished", True, "is finished, so there is nothing to continue"),
        ("begun", False, "has the shards of a prediction that was not finished"),
        ("other", True, "expected an empty folder or none, but it has files without a manifest"),
        ("damaged", True, "out/manifest.json is damaged at shards: Input should be"),
        ("newer", True, "out/manifest.json is damaged at schema_version: Input should be 1"),
    ],
)
def test_a_folder_with_something_else_is_refused(
    day: Path, made: str, resume: bool, message: str
) -> None:
    if made == "other":
        Path("out").mkdir()
        Path("out/notes.txt").touch()
    else:
        sharded("out")
        changes = {"begun": {"complete": False}, "damaged": {"shards": 1}}
        changed = {"newer": {"schema_version": 2}, **changes}.get(made, {})
        Path("out/manifest.json").write_text(json.dumps(manifest_of("out") | changed))
    with pytest.raises(DataError, match=message):
        check_sharded(ShardedOutput("out", Output(resume=resume)))


def test_a_place_that_is_no_folder_is_refused(day: Path) -> None:
    for out, message in (("m.fdb", "but it is a file"), ("none/out", "but there is no none")):
        with pytest.raises(UsageError, match=f"--out {out}: expected a folder .*{message}"):
            check_sharded(ShardedOutput(out, Output()))


def test_without_photos_nothing_is_written(day: Path) -> None:
    Path("empty").mkdir()
    with pytest.raises(DataError, match="Expected photos, but found none"):
        sharded("out", photos="empty")
    assert not Path("out").exists()


def test_photos_and_result_can_be_at_urls(day: Path) -> None:
    put_folder("memory://sharded/day", day)
    sharded("memory://sharded/out", photos="memory://sharded/day", by="part")
    files = [*(f"photos/part-{i:05}.parquet" for i in range(3)), "parts/part-00000.parquet"]
    assert sorted(list_objects("memory://sharded/out")) == sorted([*files, "manifest.json"])
    content = read_object("memory://sharded/out/photos/part-00001.parquet")
    assert content is not None
    table = pyarrow.parquet.read_table(pyarrow.BufferReader(content))
    own = local("r.jsonl", "photo", "memory://sharded/day")
    assert without_times(table.to_pylist()) == own[4:8]
    decisions = [row["decision"] for row in local("d.jsonl", "photo")]
    assert [row["decision"] for row in own] == decisions


def test_a_file_that_a_worker_does_not_have_ends_the_prediction(day: Path) -> None:
    """Else all photos of another computer would be unreadable."""

    def elsewhere(shards: Sequence[Shard], work: ShardWork) -> Iterator[tuple[int, bytes]]:
        for shard in shards:
            moved = tuple(each.replace(str(day), "/nowhere") for each in shard.photos)
            yield shard.index, work(replace(shard, photos=moved))

    with pytest.raises(DataError, match=r"00-0.png is there on this computer, but not on a worker"):
        sharded("out", elsewhere)
    assert manifest_of("out")["shards"] == []
