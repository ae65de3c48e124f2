from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.stores import MODEL, NOON, Clock, new_inspection, new_look, sha256_of

from fastdefect.serving.records import Retired
from fastdefect.serving.store import Store

SIZE = 1000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "line", clock=Clock()) as opened:
        opened.register(MODEL)
        yield opened


def content(name: str) -> bytes:
    return name.ljust(SIZE).encode()


def add(store: Store, name: str, days_ago: float, *, look: bool = False) -> None:
    at = NOON - timedelta(days=days_ago)
    new = new_look if look else new_inspection
    store.add([new(name, at=at, contents=[content(name)])])


def there(store: Store, *names: str) -> list[str]:
    return [name for name in names if store.photo(sha256_of(content(name))) is not None]


def test_old_photos_are_deleted_but_not_those_for_people(store: Store) -> None:
    for name in ("old", "answered", "undone"):
        add(store, name, 31)
    add(store, "look", 31, look=True)
    add(store, "new", 29)
    store.answer("answered", "OK", None, "Ann")
    store.answer("undone", "OK", None, "Bob")
    store.undo("Bob")
    assert store.retire(30, None) == Retired(1, SIZE, 0)
    assert there(store, "old", "answered", "undone", "look", "new") == [
        "answered",
        "undone",
        "look",
        "new",
    ]
    assert store.get("old") is not None
    assert store.photo_bytes() == 4 * SIZE
    assert store.retire(30, None) == Retired(0, 0, 0)


def test_above_the_limit_the_oldest_go_first_and_those_for_people_last(store: Store) -> None:
    add(store, "look", 9, look=True)
    add(store, "a", 8)
    add(store, "b", 7)
    add(store, "look 2", 6, look=True)
    assert store.retire(None, 3 * SIZE / 1e9) == Retired(1, SIZE, 0)
    assert there(store, "look", "a", "b", "look 2") == ["look", "b", "look 2"]
    assert store.retire(None, SIZE / 1e9) == Retired(2, 2 * SIZE, 1)
    assert there(store, "look", "a", "b", "look 2") == ["look 2"]
    assert [each.id for each in store.queue(9)] == ["look 2"]
    assert store.since(NOON - timedelta(days=99)).waiting == 1


def test_a_photo_is_as_old_as_its_last_inspection(store: Store) -> None:
    add(store, "a", 40)
    store.add([new_inspection("again", at=NOON, contents=[content("a")])])
    assert store.retire(30, None).files == 0
    store.add([new_inspection("old clock", at=NOON - timedelta(days=40), contents=[content("b")])])
    assert store.retire(30, None).files == 1


def test_a_deleted_photo_can_come_again(store: Store) -> None:
    add(store, "a", 40)
    store.retire(30, None)
    store.add([new_look("again", at=NOON, contents=[content("a")])])
    assert there(store, "a") == ["a"]
    assert [each.id for each in store.queue(9)] == ["again"]


def test_no_limit_deletes_nothing(store: Store) -> None:
    add(store, "a", 4000)
    assert store.retire(None, None) == Retired(0, 0, 0)


def test_many_batches(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastdefect.serving.store.retention._BATCH", 2)
    old = NOON - timedelta(days=40)
    store.add([new_inspection(f"{i}", at=old, contents=[content(f"{i}")]) for i in range(5)])
    assert store.retire(30, 1) == Retired(5, 5 * SIZE, 0)
    assert store.photo_bytes() == 0
