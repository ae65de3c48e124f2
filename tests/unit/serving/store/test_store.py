import math
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.stores import (
    MODEL,
    NOON,
    Clock,
    new_inspection,
    new_look,
    photo_of_line,
    sha256_of,
)

from fastdefect.serving.records import Day
from fastdefect.serving.store import Store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store.open(tmp_path / "line", clock=clock) as opened:
        opened.register(MODEL)
        yield opened


def ids(store: Store) -> list[str]:
    return [each.id for each in store.queue(100)]


def test_what_is_added_is_read_as_it_was(tmp_path: Path) -> None:
    contents = (b"first photo", b"second photo")
    photos = (
        photo_of_line(contents[0], likeness=None, distance=None),
        photo_of_line(contents[1], decision="look", unlike=True, defect_class="crack"),
    )
    new = new_look("a", part="7'; DROP TABLE photos", photos=photos, contents=contents, key="k")
    with Store.open(tmp_path / "line") as store:
        store.register(MODEL)
        store.register(MODEL)
        added = store.add([new])
        assert added == [new.numbered(1)]
    with Store.open(tmp_path / "line") as store:
        assert store.get("a") == added[0]
        assert store.by_key("k") == (added[0], "digest of a")
        assert store.model("m1") == MODEL
        assert [store.photo(photo.sha256) for photo in photos] == list(contents)
        assert store.photo_bytes() == sum(map(len, contents))


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.get("a") is None
    assert store.by_key("k") is None
    assert store.model("m") is None
    assert store.photo("0" * 64) is None
    assert store.photo_path("0" * 64) is None
    with pytest.raises(KeyError):
        store.answer("a", "OK", None, "Ann")


@pytest.mark.parametrize("name", ["../../line.sqlite3", "", "0" * 63 + "/", "A" * 64, "0" * 65])
def test_a_photo_is_never_a_path(store: Store, name: str) -> None:
    assert store.photo(name) is None
    assert store.photo_path(name) is None


def test_a_probability_that_is_not_a_number_stays_so(store: Store) -> None:
    strange = {"probability": math.nan, "probabilities": {"ok": math.nan, "crack": 0.5}}
    store.add([new_look("a", probability=math.nan, of_photos=strange)])
    found = store.get("a")
    assert found is not None
    assert math.isnan(found.probability)
    assert math.isnan(found.photos[0].probability)
    assert math.isnan(found.photos[0].probabilities["ok"])
    assert found.photos[0].probabilities["crack"] == 0.5


def test_a_batch_is_stored_whole_or_not_at_all(store: Store, tmp_path: Path) -> None:
    store.add([new_inspection("a")])
    with pytest.raises(Exception, match="UNIQUE"):
        store.add([new_inspection("b"), new_inspection("a", contents=[b"another"])])
    assert store.get("b") is None
    assert store.photo(sha256_of(b"photo of b")) is None
    assert store.photo(sha256_of(b"photo of a")) == b"photo of a"
    assert list((tmp_path / "line" / "photos" / "moving").iterdir()) == []
    assert [each.number for each in store.add([new_inspection("c")])] == [2]


def test_an_inspection_of_a_model_that_is_not_registered_is_a_mistake(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        store.add([new_inspection("a", model="another")])
    assert store.get("a") is None


def test_the_same_photo_is_kept_once(store: Store) -> None:
    store.add([new_inspection("a", contents=[b"same", b"same"])])
    store.add([new_inspection("b", contents=[b"same"])])
    assert store.photo_bytes() == 4
    assert store.photo(sha256_of(b"same")) == b"same"


def test_the_latest_come_in_pages_newest_first(store: Store) -> None:
    store.add([new_inspection(f"{i}", decision="reject" if i % 3 == 0 else "OK") for i in range(9)])
    page = store.latest(2)
    assert [each.id for each in page] == ["8", "7"]
    assert [each.id for each in store.latest(2, before=page[-1].number)] == ["6", "5"]
    assert [each.id for each in store.latest(9, decision="reject")] == ["6", "3", "0"]
    assert store.latest(9, before=1) == []


def test_the_queue_has_what_is_chosen_and_not_answered(store: Store) -> None:
    store.add(
        [
            new_look("a", priority=0.2),
            new_look("b", priority=0.9),
            new_inspection("not chosen", priority=1.0),
            new_inspection("check", chosen=True, priority=0.5),
            new_look("d", priority=0.9),
        ]
    )
    assert ids(store) == ["b", "d", "check", "a"]
    assert [each.id for each in store.queue(1)] == ["b"]
    store.answer("b", "defect", "crack", "Ann")
    store.answer("not chosen", "OK", None, "Ann")
    assert ids(store) == ["d", "check", "a"]
    assert store.waiting() == 3


def test_the_last_answer_counts_and_undo_brings_the_one_before(store: Store, clock: Clock) -> None:
    store.add([new_look("a"), new_look("b")])
    first = store.answer("a", "OK", "ok", "Ann", seconds=2.5)
    clock.moves(minutes=1)
    store.answer("a", "defect", "crack", "Bob")
    assert (first.at, first.seconds) == (NOON, 2.5)
    assert next(store.audit_rows()).answer == "defect"
    undone = store.undo("Bob")
    assert undone is not None
    assert undone.undone
    assert undone.person == "Bob"
    assert next(store.audit_rows()).answer == "OK"
    assert ids(store) == ["b"]
    assert store.undo("Bob") is None
    assert store.undo("Ann") is not None
    assert ids(store) == ["a", "b"]
    assert [(each.person, each.undone) for each in store.answers_of("a")] == [
        ("Ann", True),
        ("Bob", True),
    ]


@pytest.mark.parametrize(("minutes", "undone"), [(60, True), (61, False), (-300, True)])
def test_only_a_recent_answer_is_undone(
    store: Store, clock: Clock, minutes: int, undone: bool
) -> None:
    store.add([new_look("a")])
    store.answer("a", "OK", None, "Ann")
    clock.moves(minutes=minutes)
    assert (store.undo("Ann") is not None) is undone
    assert store.waiting() == int(undone)


def test_the_counts_of_a_day(store: Store) -> None:
    yesterday = NOON - timedelta(days=1)
    store.add(
        [
            new_inspection("old", at=yesterday),
            new_look("old look", at=yesterday),
            new_inspection("escape"),
            new_inspection("good"),
            new_inspection("overkill", decision="reject"),
            new_inspection("reject", decision="reject"),
            new_look("unlike", unlike=True),
            new_look("look"),
        ]
    )
    for name, answer in (
        ("old", "defect"),
        ("escape", "defect"),
        ("good", "OK"),
        ("overkill", "OK"),
        ("look", "defect"),
    ):
        store.answer(name, answer, None, "Ann")  # type: ignore[arg-type]
    assert store.since(NOON) == Day(6, 2, 2, 2, 1, 4, 1, 1, 2)
    assert store.since(yesterday, NOON) == Day(2, 1, 1, 0, 0, 1, 1, 0, 2)
    assert store.since(NOON + timedelta(days=1)) == Day(0, 0, 0, 0, 0, 0, 0, 0, 2)


def test_a_clock_that_is_set_back_changes_no_order_and_no_day(store: Store, clock: Clock) -> None:
    tomorrow = NOON + timedelta(days=1)
    store.add([new_look("a", at=tomorrow, priority=0.5)])
    store.add([new_look("b", at=NOON, priority=0.5)])
    assert [each.id for each in store.latest(2)] == ["b", "a"]
    assert ids(store) == ["a", "b"]
    assert store.since(NOON, tomorrow).total == 1
    assert store.since(tomorrow).total == 1
    clock.now = tomorrow
    store.answer("a", "OK", None, "Ann")
    clock.now = NOON
    store.answer("a", "defect", None, "Ann")
    assert next(store.audit_rows()).answer == "defect"
    undone = store.undo("Ann")
    assert undone is not None
    assert undone.answer == "defect"


def test_a_part_counts_with_its_last_inspection(store: Store, clock: Clock) -> None:
    later = NOON + timedelta(hours=1)
    store.add(
        [
            new_look("a", part="7"),
            new_inspection("b"),
            new_inspection("c"),
            new_inspection("d", part="7", at=later, decision="reject"),
        ]
    )
    clock.now = later
    store.answer("a", "defect", "crack", "Ann")
    store.answer("a", "OK", None, "Bob")
    store.answer("a", "OK", None, "Ann")
    assert [(s.number, s.part, s.decision) for s in store.audit_rows()] == [
        (2, None, "OK"),
        (3, None, "OK"),
        (4, "7", "reject"),
    ]
    before = list(store.audit_rows(until=later))
    assert [s.number for s in before] == [1, 2, 3]
    assert before[0].said == (("Bob", "OK"), ("Ann", "OK"))
    assert before[0].answer == "OK"
    assert list(store.audit_rows(since=later + timedelta(seconds=1))) == []


def test_a_part_that_is_inspected_again_after_its_answer_counts_again(
    store: Store, clock: Clock
) -> None:
    store.add([new_look("a", part="7")])
    store.answer("a", "defect", None, "Ann")
    clock.now = NOON + timedelta(minutes=1)
    store.add([new_inspection("b", part="7", at=clock.now)])
    assert [s.number for s in store.audit_rows()] == [1, 2]
    store.undo("Ann")
    assert [s.number for s in store.audit_rows()] == [2]


def test_answered_inspections_come_with_the_answers_that_count(store: Store) -> None:
    store.add([new_look("a"), new_look("b"), new_look("c"), new_look("d")])
    store.answer("c", "OK", None, "Ann")
    store.answer("a", "defect", "burr", "Ann")
    store.answer("a", "defect", None, "Bob")
    store.answer("d", "OK", None, "Cid")
    store.undo("Cid")
    found = [(i.id, [a.person for a in answers]) for i, answers in store.answered()]
    assert found == [("a", ["Ann", "Bob"]), ("c", ["Ann"])]
    assert list(store.answered(NOON + timedelta(seconds=1))) == []


def test_threads_read_while_others_write(store: Store) -> None:
    def write(i: int) -> None:
        store.add([new_look(f"{i}-{j}", key=f"{i}-{j}") for j in range(3)])
        store.answer(f"{i}-0", "OK", None, "Ann")

    def read(_: int) -> bool:
        day = store.since(NOON)
        return day.waiting == day.total - day.answered and len(store.latest(100)) % 3 == 0

    with ThreadPoolExecutor(8) as threads:
        written = [threads.submit(write, i) for i in range(12)]
        agreed = list(threads.map(read, range(60)))
        for each in written:
            each.result()
    assert all(agreed)
    assert store.since(NOON).total == 36
    assert store.waiting() == 24
    assert [each.number for each in store.latest(100)] == list(range(36, 0, -1))


def test_a_reader_beside_the_server_sees_what_was_stored(store: Store, tmp_path: Path) -> None:
    with Store.open(tmp_path / "line", read_only=True) as reader:
        assert reader.latest(1) == []
        store.add([new_look("a")])
        assert [each.id for each in reader.queue(9)] == ["a"]
        assert reader.photo(sha256_of(b"photo of a")) == b"photo of a"
        with pytest.raises(ValueError, match="opened to read"):
            reader.answer("a", "OK", None, "Ann")


def test_a_list_that_is_not_read_to_its_end_locks_nothing(store: Store) -> None:
    store.add([new_look("a"), new_look("b")])
    assert next(store.audit_rows()).number == 1
    store.add([new_look("c")])
    assert store.waiting() == 3


def test_many_answers_are_read_in_batches(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastdefect.serving.store.reports._BATCH", 2)
    store.add([new_look(f"{i}", contents=[b"same"], part=f"{i % 3}") for i in range(6)])
    for i in range(5):
        store.answer(f"{i}", "OK", None, "Ann")
    assert [i.number for i, _ in store.answered()] == [1, 2, 3, 4, 5]
    assert [s.number for s in store.audit_rows()] == [4, 5, 6]


def test_a_backup_that_is_restored_has_a_log_again(tmp_path: Path) -> None:
    """``VACUUM INTO`` writes another journal mode, in which a reader blocks the writer."""
    with Store.open(tmp_path / "line"):
        pass
    restored = tmp_path / "restored"
    restored.mkdir()
    with closing(sqlite3.connect(tmp_path / "line/line.sqlite3")) as database:
        database.execute("VACUUM INTO ?", (str(restored / "line.sqlite3"),))
    (tmp_path / "line/photos").rename(restored / "photos")
    with Store.open(restored), closing(sqlite3.connect(restored / "line.sqlite3")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
