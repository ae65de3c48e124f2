import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.stores import MODEL, new_inspection, new_look, sha256_of

from fastdefect.errors import StoreError, StoreFullError
from fastdefect.serving.store import Store, schema
from fastdefect.serving.store import store as module


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "line") as opened:
        opened.register(MODEL)
        opened.add([new_look("a")])
        yield opened


def nothing_is_left_of(store: Store, tmp_path: Path, *names: str) -> bool:
    return (
        all(store.get(name) is None for name in names)
        and all(store.photo(sha256_of(f"photo of {name}".encode())) is None for name in names)
        and not list((tmp_path / "line" / "photos" / "moving").iterdir())
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_for_photos(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write_bytes = Path.write_bytes

    def half(path: Path, content: bytes) -> int:
        write_bytes(path, content[:3])
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", half)
        with pytest.raises(StoreFullError, match="the disk is full") as caught:
            store.add([new_inspection("b")])
    assert str(tmp_path / "line") in caught.value.message
    assert nothing_is_left_of(store, tmp_path, "b")
    assert store.add([new_inspection("b")])[0].number == 2


def test_a_photo_that_cannot_be_synced(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", broken)
        with pytest.raises(StoreError, match="Input/output error"):
            store.add([new_inspection("b"), new_inspection("c")])
    assert nothing_is_left_of(store, tmp_path, "b", "c")


def limit(store: Store, pages: int) -> None:
    """As if the disk had space for no more pages; SQLite then raises what it does on a full one."""
    writer: Any = store._writer
    writer.execute(f"PRAGMA max_page_count = {pages}")


def test_a_disk_that_is_full_for_the_database(store: Store, tmp_path: Path) -> None:
    limit(store, 1)
    long = "part " * 5000
    with pytest.raises(StoreFullError, match="the disk is full"):
        store.add([new_inspection("b"), new_inspection("c", part=long)])
    assert nothing_is_left_of(store, tmp_path, "b", "c")
    with pytest.raises(StoreFullError):
        store.answer("a", "OK", "ok " * 5000, "Ann")
    assert store.answers_of("a") == []
    assert store.waiting() == 1
    limit(store, 100_000)
    store.add([new_inspection("b"), new_inspection("c", part=long)])
    store.answer("a", "OK", None, "Ann")
    assert store.waiting() == 0


def test_a_database_that_is_locked_is_an_error(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "wait_for_others", lambda *_: None)
    writer: Any = store._writer
    writer.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(tmp_path / "line" / "line.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.answer("a", "OK", None, "Ann")
    other.close()
    store.answer("a", "OK", None, "Ann")


def test_a_probe_fails_as_long_as_a_write_would(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (store.photo_bytes(), store.latest(9))
    store.probe()
    limit(store, 1)
    with pytest.raises(StoreFullError, match="the disk is full"):
        store.probe()
    limit(store, 100_000)
    other = sqlite3.connect(tmp_path / "line" / "line.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    with pytest.raises(StoreError, match="locked"):
        store.probe()
    other.close()
    store.probe()
    assert (store.photo_bytes(), store.latest(9)) == before
    assert nothing_is_left_of(store, tmp_path)


def test_a_database_that_is_deleted_or_replaced_takes_no_rows(store: Store, tmp_path: Path) -> None:
    """The open file could still be written, but nobody would find the rows again."""
    database = tmp_path / "line" / "line.sqlite3"
    content = database.read_bytes()
    database.unlink()
    with pytest.raises(StoreError, match="No such file"):
        store.add([new_inspection("b")])
    database.write_bytes(content)
    for write in (lambda: store.add([new_inspection("b")]), store.probe):
        with pytest.raises(StoreError, match="it is another file"):
            write()
    assert nothing_is_left_of(store, tmp_path, "b")
