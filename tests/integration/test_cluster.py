"""``predict`` with photos in an object store, and on a Ray cluster of two workers.

The store is moto's server on this computer, which is compatible with S3.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest
from helpers.bundles import photo_of, tiny_bundle, tiny_reference
from helpers.cli import invoke, start_process
from helpers.object_stores import local_s3, put_folder
from PIL import Image

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with ``m.fdb`` and ``day/``: 46 photos of 23 parts, and two that are no photos."""
    folder = tmp_path_factory.mktemp("cluster")
    tiny_bundle(folder / "m.fdb", reference=tiny_reference(), part_from=r"(\d+)_")
    for n in range(46):
        path = folder / "day" / ("ok" if n % 3 else "crack") / f"{n // 2:02}_{n:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo_of(25 + n if n % 9 == 0 else 170 + n)).save(path)
    (folder / "day/empty.jpg").write_bytes(b"")
    (folder / "day/text.png").write_text("no photo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def bucket(place: Path) -> Iterator[str]:
    """The URL of a bucket of S3 with the photos below ``day/``."""
    with local_s3() as url:
        put_folder(f"{url}/day", place / "day")
        yield url


def lines_of(path: str) -> Rows:
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [{**row, "milliseconds": None} for row in rows]


def data_set(out: str, what: str = "photos") -> Rows:
    """The rows of a local data set, in the order of its files."""
    table = pyarrow.dataset.dataset(f"{out}/{what}").to_table()
    return [{**row, "milliseconds": None} for row in table.to_pylist()]


def local(out: str, *options: str) -> Rows:
    """The rows of a prediction in one process."""
    result = invoke("predict", "m.fdb", *options, "--out", out, "--fail-on", "never")
    assert result.exit_code == 0, result.output + repr(result.exception)
    return lines_of(out)


def test_photos_in_s3_have_the_rows_of_those_on_a_disk(bucket: str) -> None:
    of_disk = local("disk.jsonl", "day")
    of_store = local("store.jsonl", f"{bucket}/day")
    assert [row["path"] for row in of_store] == [f"{bucket}/{row['path']}" for row in of_disk]
    assert [{**row, "path": 0} for row in of_store] == [{**row, "path": 0} for row in of_disk]
    assert {row["error"] for row in of_store} == {None, "empty file", "not an image"}
    photo = f"{bucket}/day/crack/00_00.png"
    (alone,) = local("alone.jsonl", photo)
    assert alone == next(row for row in of_store if row["path"] == photo)
    (gone,) = local("gone.jsonl", _table(f"{bucket}/day/none.png"))
    assert (gone["decision"], gone["error"]) == ("look", "no such file")


def _table(url: str) -> str:
    Path("list.csv").write_text(f"path\n{url}\n", encoding="utf-8")
    return "list.csv"


def test_a_bucket_that_is_missing_or_refuses_is_named(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = invoke("predict", "m.fdb", "s3://no-such-bucket/day")
    assert result.exit_code == 1
    assert "s3://no-such-bucket/day" in result.stderr


# ---- On a cluster


def on_cluster(*options: str, **environment: str) -> tuple[str, list[dict[str, Any]]]:
    """What a command with two workers writes on standard error, and its events."""
    command = ("predict", "m.fdb", *options, "--engine", "ray", "--workers", "2", "--json")
    process = start_process(*command, "--fail-on", "never", **environment)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr + stdout
    return stderr, [json.loads(line) for line in stdout.splitlines()]


@pytest.mark.slow
def test_two_workers_give_the_rows_of_one_process(place: Path) -> None:
    expected, parts = local("one.jsonl", "day"), local("parts.jsonl", "day", "--by", "part")
    stderr, events = on_cluster("day", "--out", "two", "--shard-photos", "7", "--by", "part")
    assert stderr == ""
    assert data_set("two") == expected
    assert data_set("two", "parts") == [{**row, "milliseconds": None} for row in parts]
    shown = [event for event in events if event["event"] == "photo"]
    assert [row["path"] for row in shown] == [row["path"] for row in expected]
    assert (events[-1]["photos"], events[-1]["unreadable"], events[-1]["file"]) == (48, 2, "two")
    assert any("2 workers on 1 host" in event.get("text", "") for event in events)


@pytest.mark.slow
def test_workers_read_and_write_at_urls(bucket: str) -> None:
    from s3fs import S3FileSystem

    expected = local("s3.jsonl", f"{bucket}/day")
    on_cluster(f"{bucket}/day", "--out", f"{bucket}/out")
    table = pyarrow.dataset.dataset("line-7/out/photos", filesystem=S3FileSystem()).to_table()
    assert [{**row, "milliseconds": None} for row in table.to_pylist()] == expected
    assert json.loads(S3FileSystem().cat_file("line-7/out/manifest.json"))["complete"]


def workers_of(process: int) -> list[int]:
    """The processes of Ray, below this one, that work on a shard."""
    found, mark = [], f"KILL_TEST={process}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title, variables = ((folder / name).read_bytes() for name in ("cmdline", "environ"))
        except OSError:  # of another user, or ended
            continue
        if title.startswith(b"ray::MapWorker(Map(_Worker)).submit") and mark in variables:
            found.append(int(folder.name))
    return found


def until(found: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError("nothing was found in time")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the workers in /proc")
def test_the_shard_of_a_killed_worker_is_done_again(place: Path, tmp_path: Path) -> None:
    """Photos of 16 megapixels: a worker needs seconds for a shard."""
    many, photo = tmp_path / "many", tmp_path / "large.png"
    many.mkdir()
    Image.fromarray(photo_of(30, 4000)).save(photo)
    for n in range(80):
        os.link(photo, many / f"{n:02}.png")
    options = (str(many), "--out", str(tmp_path / "out"), "--shard-photos", "40")
    process = start_process(
        *("predict", "m.fdb", *options, "--engine", "ray", "--workers", "2", "--json"),
        KILL_TEST=str(os.getpid()),
    )
    busy = until(lambda: workers_of(os.getpid()))[0]
    time.sleep(2)
    os.kill(busy, signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=400)
    assert process.returncode == 0, stderr + stdout
    rows = data_set(str(tmp_path / "out"))
    assert [row["path"] for row in rows] == [f"{many}/{n:02}.png" for n in range(80)]
    assert {row["decision"] for row in rows} == {"look"}
    texts = [json.loads(line).get("text", "") for line in stdout.splitlines()]
    assert len([text for text in texts if "A worker ended during shard" in text]) == 1
