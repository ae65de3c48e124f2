import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.cli import invoke
from helpers.folders import castings_of, photo_folder
from helpers.made_runs import made_run
from helpers.stores import MODEL, NOON, new_inspection, new_look, sha256_of

from fastdefect.config import DataConfig
from fastdefect.data.load import list_data
from fastdefect.errors import DataError, StoreError, UsageError
from fastdefect.events import Event, Note, silent
from fastdefect.files import read_csv, write_csv
from fastdefect.jobs.queue_export import Asked, queue_export
from fastdefect.jobs.queueing.labelled import Reason
from fastdefect.machine import MachineError
from fastdefect.run import Run
from fastdefect.serving.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "line") as opened:
        opened.register(replace(MODEL, classes=("defect", "good"), good=("good",)))
        yield opened


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run on 8 photos of 4 parts, with its photos."""
    data = photo_folder(tmp_path / "data", castings_of(4, 2), "part")
    sides = ("train", "train", "valid", "test")
    rows = [
        {
            "path": path,
            "label": label,
            "part": part,
            "split": sides[int(part.removeprefix("part "))],
            "sha256": sha256_of((data / path).read_bytes()),
            "given_part": part,
        }
        for path, label, part in castings_of(4, 2)
    ]
    return made_run(
        tmp_path / "runs", "first", rows, dict.fromkeys([r["path"] for r in rows], 0.5), data=data
    )


def answered(store: Store, *names: str) -> None:
    """Each name becomes an inspection that Ann answered: OK if it begins with good."""
    store.add([new_look(name, part=f"part of {name}") for name in names])
    for name in names:
        store.answer(name, "OK" if name.startswith("good") else "defect", None, "Ann")


def asked(tmp_path: Path, **more: object) -> Asked:
    return Asked(tmp_path / "line", tmp_path / "set", **more)  # type: ignore[arg-type]


def test_answered_photos_become_a_set_that_is_read(store: Store, tmp_path: Path) -> None:
    answered(store, "good 1", "bad 1")
    store.add([new_look("nobody"), new_inspection("good 2", chosen=True, share=0.02)])
    store.answer("good 2", "OK", None, "Ann")
    exported = queue_export(asked(tmp_path), on_event=silent)
    rows = read_csv(tmp_path / "set" / "photos.csv")
    assert [(r["label"], r["part"], r["chosen_by"], r["model"]) for r in rows] == [
        ("good", "part of good 1", "look", "castings.fdb"),
        ("defect", "part of bad 1", "look", "castings.fdb"),
        ("good", "good 2", "check", "castings.fdb"),
    ]
    assert "split" not in rows[0]
    assert [(tmp_path / "set" / r["path"]).read_bytes() for r in rows] == [
        b"photo of good 1",
        b"photo of bad 1",
        b"photo of good 2",
    ]
    report = json.loads((tmp_path / "set" / "queue-export.json").read_text())
    assert report == exported.as_json()
    assert report["by_label"] == {"defect": 1, "good": 2}
    assert report["by_choice"] == {"check": 1, "look": 2}
    listing = list_data(DataConfig(data=tmp_path / "set"))
    assert listing.layout == "csv"
    assert listing.classes == ("defect", "good")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_views_and_products_of_the_line_are_columns_that_fit_reads(
    store: Store, tmp_path: Path
) -> None:
    of_photos = {"view": "top", "product": "cover"}
    store.add([new_look("good 1", of_photos=of_photos), new_look("bad 1")])
    for name, answer in (("good 1", "OK"), ("bad 1", "defect")):
        store.answer(name, answer, None, "Ann")  # type: ignore[arg-type]
    queue_export(asked(tmp_path), on_event=silent)
    rows = read_csv(tmp_path / "set" / "photos.csv")
    assert [(row["view"], row["product"]) for row in rows] == [("top", "cover"), ("", "")]
    entries = list_data(DataConfig(data=tmp_path / "set")).entries
    columns = {each.label: dict(each.columns) for each in entries}
    assert [columns["good"][name] for name in ("view", "product")] == ["top", "cover"]
    assert not columns["defect"].keys() & {"view", "product"}


def test_the_views_of_the_run_are_in_the_set(store: Store, run: Run, tmp_path: Path) -> None:
    rows = read_csv(run.path("split.csv"))
    viewed = [{**row, "view": f"cam {number % 2}"} for number, row in enumerate(rows)]
    write_csv(run.path("split.csv"), viewed, list(viewed[0]))
    answered(store, "good 1")
    queue_export(asked(tmp_path, run=run), on_event=silent)
    found = read_csv(tmp_path / "set" / "photos.csv")
    assert {row["path"]: row["view"] for row in found[:-1]} == {
        row["path"]: row["view"] for row in viewed
    }
    assert (found[-1]["view"], "product" in found[-1]) == ("", False)


def test_what_has_no_label_is_listed_with_the_reason(store: Store, tmp_path: Path) -> None:
    answered(store, "good 1", "bad 1")
    store.answer("bad 1", "OK", None, "Bob")
    store.add([new_look("two", contents=[b"1", b"2"]), new_look("gone"), new_look("harmed")])
    for name in ("two", "gone", "harmed"):
        store.answer(name, "defect", None, "Ann")
    for name, content in (("gone", None), ("harmed", b"other bytes")):
        path = store.photo_path(sha256_of(f"photo of {name}".encode()))
        assert path is not None
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    events: list[Event] = []
    exported = queue_export(asked(tmp_path), on_event=events.append)
    assert len(exported.photos) == 1
    assert {
        (e["inspection"], e["reason"].partition(" ")[0]) for e in exported.as_json()["left_out"]
    } == {
        ("bad 1", "people"),
        ("two", "a"),
        ("gone", "the"),
        ("harmed", "the"),
    }
    texts = [event.text for event in events if isinstance(event, Note)]
    assert any("2 photos left out: a defective part with several photos" in text for text in texts)
    assert any("deleted (retention)" in text for text in texts)


def test_since_is_a_time_of_inspections(store: Store, tmp_path: Path) -> None:
    store.add([new_look("old"), new_look("new", at=NOON + timedelta(days=1))])
    for name in ("old", "new"):
        store.answer(name, "OK", None, "Ann")
    exported = queue_export(asked(tmp_path, since=NOON + timedelta(hours=1)), on_event=silent)
    assert [each.inspection.id for each in exported.photos] == ["new"]


def test_the_photos_of_a_run_come_with_their_sides(store: Store, run: Run, tmp_path: Path) -> None:
    answered(store, "good 1", "bad 1")
    known = (tmp_path / "data" / "good" / "1-0.png").read_bytes()
    store.add([new_look("known", contents=[known])])
    store.answer("known", "defect", None, "Ann")
    exported = queue_export(asked(tmp_path, run=run), on_event=silent)
    assert exported.of_run == 8
    rows = read_csv(tmp_path / "set" / "photos.csv")
    assert [(r["path"], r["label"], r["part"], r["split"]) for r in rows[::3]] == [
        ("defect/0-0.png", "defect", "part 0", "train"),
        ("good/1-1.png", "good", "part 1", "train"),
        ("good/3-0.png", "good", "part 3", "test"),
        (f"line/00000002-{sha256_of(b'photo of bad 1')[:12]}.png", "defect", "part of bad 1", ""),
    ]
    assert (tmp_path / "set" / "good" / "1-0.png").read_bytes() == known
    assert [e["inspection"] for e in exported.as_json()["left_out"]] == ["known"]
    assert len(list_data(DataConfig(data=tmp_path / "set")).entries) == 10


def test_a_run_without_its_photos_is_an_error(store: Store, run: Run, tmp_path: Path) -> None:
    answered(store, "good 1")
    (tmp_path / "data" / "good" / "3-0.png").unlink()
    with pytest.raises(DataError, match="missing"):
        queue_export(asked(tmp_path, run=run), on_event=silent)
    assert not (tmp_path / "set").exists()


def test_nothing_to_export_is_an_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no photo has a label") as caught:
        queue_export(asked(tmp_path), on_event=silent)
    assert "queue" in caught.value.hint
    assert not (tmp_path / "set").exists()


def test_a_folder_with_files_stays_as_it_is(store: Store, tmp_path: Path) -> None:
    answered(store, "good 1")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="new or empty folder"):
        queue_export(asked(tmp_path), on_event=silent)
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["mine.txt"]


def test_photos_on_another_disk_are_copied(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    answered(store, "good 1")
    queue_export(asked(tmp_path), on_event=silent)
    [photo] = (tmp_path / "set" / "line").iterdir()
    assert photo.read_bytes() == b"photo of good 1"


def test_a_set_that_cannot_be_written_leaves_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", full)
    monkeypatch.setattr("shutil.copyfile", full)
    answered(store, "good 1")
    with pytest.raises(MachineError, match="the disk is full"):
        queue_export(asked(tmp_path), on_event=silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["line"]


def in_moving(store: Store, name: str) -> None:
    """Move the photo of an inspection, as the retention of a server does before it deletes it."""
    path = store.photo_path(sha256_of(f"photo of {name}".encode()))
    assert path is not None
    path.rename(path.parents[1] / "moving" / path.name)


def gone(store: Store, name: str) -> None:
    path = store.photo_path(sha256_of(f"photo of {name}".encode()))
    assert path is not None
    path.unlink()


@pytest.mark.parametrize(("change", "kept"), [(in_moving, 2), (gone, 1)])
def test_a_photo_that_a_server_moves_or_deletes_meanwhile_fails_nothing(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Store, str], None],
    kept: int,
) -> None:
    answered(store, "good 1", "bad 1")
    find = Store.photo_path

    def then_changed(self: Store, sha256: str) -> Path | None:
        found = find(self, sha256)
        if sha256 == sha256_of(b"photo of good 1"):
            monkeypatch.undo()
            change(store, "good 1")
        return found

    monkeypatch.setattr(Store, "photo_path", then_changed)
    exported = queue_export(asked(tmp_path), on_event=silent)
    rows = read_csv(tmp_path / "set" / "photos.csv")
    assert len(rows) == len(exported.photos) == kept
    assert all((tmp_path / "set" / row["path"]).is_file() for row in rows)
    reasons = [each["reason"] for each in exported.as_json()["left_out"]]
    assert reasons == [Reason.GONE] * (2 - kept)


def test_a_failed_export_leaves_no_folder(store: Store, tmp_path: Path) -> None:
    answered(store, "good 1")
    gone(store, "good 1")
    out = tmp_path / "sets" / "of today"
    with pytest.raises(DataError, match="1 photo left out: the photo was deleted"):
        queue_export(Asked(tmp_path / "line", out), on_event=silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["line"]


def test_no_store_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="expected a store"):
        queue_export(asked(tmp_path), on_event=silent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "name", "suffix"),
    [
        ("image/tiff", "", ".tiff"),
        ("image/png", "a.jpg", ".jpg"),
        ("application/octet-stream", "a.exe", ".jpg"),
    ],
)
def test_the_suffix_is_one_that_is_read(
    store: Store, tmp_path: Path, kind: str, name: str, suffix: str
) -> None:
    store.add([new_look("a", of_photos={"kind": kind, "name": name})])
    store.answer("a", "OK", None, "Ann")
    queue_export(asked(tmp_path), on_event=silent)
    assert Path(read_csv(tmp_path / "set" / "photos.csv")[0]["path"]).suffix == suffix


def test_the_command(store: Store, tmp_path: Path) -> None:
    answered(store, "good 1", "bad 1")
    arguments = ["queue", "export", tmp_path / "line", "--out", tmp_path / "set"]
    result = invoke(*arguments, "--since", "2026-01-01", "--json")
    assert result.exit_code == 0, result.output
    event = json.loads(result.stdout.splitlines()[-1])
    assert (event["event"], event["photos"], event["parts"]) == ("queue-export", 2, 2)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "set-2" in result.stderr
