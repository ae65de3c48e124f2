"""What is refused when a store is opened, and what a kill left behind."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.stores import MODEL, new_inspection, new_look, photo_of_line, sha256_of

from fastdefect.errors import StoreError
from fastdefect.inference.judge import DecidingTile
from fastdefect.serving.store import Store
from fastdefect.serving.store.photo_files import PhotoFiles
from fastdefect.serving.store.schema import DATABASE

CONTENT = b"photo of a"
SHA256 = sha256_of(CONTENT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with one inspection, closed."""
    with Store.open(tmp_path / "line") as store:
        store.register(MODEL)
        store.add([new_look("a")])
    return tmp_path / "line"


def refused(folder: Path, *, read_only: bool = False) -> StoreError:
    with pytest.raises(StoreError) as caught:
        Store.open(folder, read_only=read_only)
    return caught.value


def test_a_folder_with_other_files_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    error = refused(tmp_path)
    assert "holiday.jpg" in error.message
    assert str(tmp_path) in error.message
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_an_empty_volume_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    with Store.open(tmp_path) as store:
        assert store.waiting() == 0


@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
def test_a_start_that_was_killed_while_it_made_the_store_is_repeated(
    tmp_path: Path, suffix: str
) -> None:
    (tmp_path / f".{DATABASE}.new").write_bytes(b"half of a database")
    (tmp_path / f".{DATABASE}.new{suffix}").write_bytes(b"of SQLite")
    with Store.open(tmp_path) as store:
        assert store.waiting() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["line.sqlite3", "lock", "photos"]


def test_only_a_store_is_opened_to_read(tmp_path: Path) -> None:
    assert "expected a store" in refused(tmp_path / "line", read_only=True).message
    assert not (tmp_path / "line").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "line").write_text("")
    assert str(tmp_path / "line") in refused(tmp_path / "line").message


def test_a_second_server_is_refused_until_the_first_ends(folder: Path) -> None:
    with Store.open(folder):
        assert "another process uses this store" in refused(folder).message
    with Store.open(folder) as store:
        assert store.waiting() == 1


def changed(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / DATABASE)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_newer_store_is_refused(folder: Path) -> None:
    changed(folder, "PRAGMA user_version = 2")
    error = refused(folder)
    assert "version 1, but it has version 2" in error.message
    assert "newer" in error.hint


def test_the_database_of_another_program_is_refused(folder: Path) -> None:
    changed(folder, "PRAGMA application_id = 7")
    assert "another program" in refused(folder).message


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused(folder: Path, read_only: bool) -> None:
    (folder / DATABASE).write_bytes(b"x" * 5000)
    error = refused(folder, read_only=read_only)
    assert "damaged" in error.message
    assert "backup" in error.hint


def test_a_damaged_page_is_found(folder: Path) -> None:
    pages = bytearray((folder / DATABASE).read_bytes())
    pages[4096 * 4 : 4096 * 12] = os.urandom(4096 * 8)
    (folder / DATABASE).write_bytes(pages)
    assert "damaged" in refused(folder).message


def test_a_photo_that_was_changed_on_disk_is_not_returned(folder: Path) -> None:
    (folder / "photos" / SHA256[:2] / SHA256).write_bytes(b"other bytes")
    with Store.open(folder) as store, pytest.raises(StoreError, match="other bytes") as caught:
        store.photo(SHA256)
    assert SHA256 in caught.value.message


def test_a_photo_that_was_deleted_by_hand_is_none(folder: Path) -> None:
    (folder / "photos" / SHA256[:2] / SHA256).unlink()
    with Store.open(folder) as store:
        assert store.photo(SHA256) is None


# ---- what a kill leaves: the same as if the process stopped at that line ------------------


def moving(folder: Path) -> list[str]:
    return [path.name for path in (folder / "photos" / "moving").iterdir()]


def test_a_kill_before_the_commit_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(folder) as store, monkeypatch.context() as patched:
        patched.setattr(PhotoFiles, "discard", lambda *_: None)
        with pytest.raises(sqlite3.IntegrityError):
            store.add([new_inspection("b"), new_inspection("a")])
    assert moving(folder) == [sha256_of(b"photo of b")]
    with Store.open(folder) as store:
        assert store.photo(sha256_of(b"photo of b")) is None
    assert moving(folder) == []


def test_a_kill_after_the_commit_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = sha256_of(b"photo of b")
    with Store.open(folder) as store, monkeypatch.context() as patched:
        patched.setattr(PhotoFiles, "accept", lambda *_: None)
        store.add([new_inspection("b")])
        assert store.photo(sha256) == b"photo of b"
        # The same photo again does not touch the only copy.
        store.add([new_inspection("c", contents=[b"photo of b"])])
        assert store.photo(sha256) == b"photo of b"
    assert moving(folder) == [sha256]
    with Store.open(folder, read_only=True) as reader:
        assert reader.photo(sha256) == b"photo of b"
    with Store.open(folder) as store:
        assert store.photo(sha256) == b"photo of b"
    assert moving(folder) == []


def test_a_kill_before_photos_are_forgotten_keeps_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(folder) as store, monkeypatch.context() as patched:
        patched.setattr("fastdefect.serving.store.retention.forget", _killed)
        with pytest.raises(KeyboardInterrupt):
            store.retire(None, 0)
        assert store.photo(SHA256) == CONTENT
    with Store.open(folder) as store:
        assert store.photo(SHA256) == CONTENT
        assert store.waiting() == 1
    assert moving(folder) == []


def test_a_kill_after_photos_are_forgotten_deletes_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(folder) as store, monkeypatch.context() as patched:
        patched.setattr(PhotoFiles, "discard", _killed)
        with pytest.raises(KeyboardInterrupt):
            store.retire(None, 0)
    assert moving(folder) == [SHA256]
    with Store.open(folder) as store:
        assert store.photo(SHA256) is None
        assert store.waiting() == 0
    assert moving(folder) == []


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_store_of_an_earlier_version_is_read_and_completed(folder: Path) -> None:
    """Its photos have no half of a joint model; an opened store keeps those of new ones."""
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        database.execute("ALTER TABLE photos DROP COLUMN rejected_by")
    with Store.open(folder, read_only=True) as store:
        (before,) = store.get("a").photos
        assert before.rejected_by is None
    photo = photo_of_line(CONTENT, decision="reject", rejected_by="memory")
    with Store.open(folder) as store:
        assert store.get("a").photos == (before,)
        store.add([replace(new_inspection("b", contents=[CONTENT]), photos=(photo,))])
        assert store.get("b").photos == (photo,)


def test_a_store_of_before_tiles_is_read_and_then_keeps_tiles(folder: Path) -> None:
    database = sqlite3.connect(folder / DATABASE)
    database.execute("ALTER TABLE photos DROP COLUMN tile")
    database.commit()
    database.close()
    with Store.open(folder, read_only=True) as store:
        assert [photo.tile for photo in store.latest(1)[0].photos] == [None]
    tile = DecidingTile(10, 0, 12, 12, float("nan"), None)
    with Store.open(folder) as store:
        store.add([new_look("b", of_photos={"tile": tile})])
        new, old = store.latest(2)
    assert [photo.tile for photo in old.photos] == [None]
    (found,) = (photo.tile for photo in new.photos)
    assert found is not None
    assert (found.x, found.width, found.distance) == (10, 12, None)
    assert found.probability != found.probability  # NaN


def test_a_store_of_before_views_is_read_and_then_keeps_views(folder: Path) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        for column in ("view", "product"):
            database.execute(f"ALTER TABLE photos DROP COLUMN {column}")
    with Store.open(folder, read_only=True) as store:
        assert [(each.view, each.product) for each in store.latest(1)[0].photos] == [(None, None)]
    with Store.open(folder) as store:
        store.add([new_look("b", of_photos={"view": "top", "product": "cover"})])
        new, old = store.latest(2)
    assert [(each.view, each.product) for each in old.photos] == [(None, None)]
    assert [(each.view, each.product) for each in new.photos] == [("top", "cover")]
