import gc
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.bundles import tiny_bundle
from helpers.serving import BRIGHT, DARK, GREY, banded_bundle, png

from fastdefect.aliases import Pixels
from fastdefect.config import PartRule
from fastdefect.data.reading.damage import UnreadablePhoto
from fastdefect.errors import StoreFullError
from fastdefect.inference.card import Rule
from fastdefect.inference.outputs import Outputs
from fastdefect.jobs.serve import load
from fastdefect.serving.engine import (
    Engine,
    KeyUsedError,
    Loaded,
    QueueFullError,
    Request,
    StoppingError,
)
from fastdefect.serving.photo_work import Sent
from fastdefect.serving.records import Inspection, New
from fastdefect.serving.settings import Settings
from fastdefect.serving.store import Store

SECONDS = 20.0


def request(*brightness: int, part: str | None = None, key: str | None = None) -> Request:
    return Request(tuple(Sent(f"{each}.png", png(each)) for each in brightness), part, key)


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return load(banded_bundle(tmp_path / "tiny.fdb"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "line") as opened:
        yield opened


class Held:
    """A network that waits until it is let go."""

    def __init__(self, loaded: Loaded) -> None:
        self._network = loaded.scorer.network
        self.go, self.calls = threading.Event(), 0
        self.loaded = loaded._replace(scorer=replace(loaded.scorer, network=self))

    def __call__(self, pixels: Pixels) -> Outputs:
        self.calls += 1
        assert self.go.wait(SECONDS)
        return self._network(pixels)


def engine_of(loaded: Loaded, store: Store, tmp_path: Path, **settings: Any) -> Engine:
    given = Settings(**{"store": tmp_path / "line", "threads": 2, **settings})
    return Engine(loaded, store, given)


def test_a_decision_is_stored_before_it_is_answered(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    with closing(engine_of(loaded, store, tmp_path)) as engine:
        found = engine.submit(request(BRIGHT, DARK, part="17")).result(SECONDS)
        assert store.get(found.id) == found
    assert (found.decision, found.part, found.bundle) == ("reject", "17", "tiny.fdb")
    assert [photo.decision for photo in found.photos] == ["OK", "reject"]
    assert store.photo(found.photos[1].sha256) == png(DARK)


def test_look_goes_to_people_and_of_the_others_the_share(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    with closing(engine_of(loaded, store, tmp_path, check_ok=1, check_reject=0)) as engine:
        found = [engine.submit(request(each)).result(SECONDS) for each in (BRIGHT, GREY, DARK)]
    assert [(each.decision, each.chosen, each.share) for each in found] == [
        ("OK", True, 1.0),
        ("look", True, 1.0),
        ("reject", False, 0.0),
    ]


def test_a_request_with_an_unreadable_photo_fails_alone_and_stores_nothing(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    bad = Request((Sent("a.png", png(DARK)), Sent("b.png", b"no photo")))
    with closing(engine_of(loaded, store, tmp_path)) as engine:
        failed, fine = engine.submit(bad), engine.submit(request(BRIGHT))
        with pytest.raises(UnreadablePhoto, match="b.png"):
            failed.result(SECONDS)
        assert fine.result(SECONDS).decision == "OK"
        assert engine.in_work == 0
    assert len(store.latest(9)) == 1
    assert not [each for each in (tmp_path / "line" / "photos").rglob("*") if each.is_file()][1:]


def test_the_same_key_has_the_same_answer_in_work_and_later(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    held = Held(loaded)
    with closing(engine_of(held.loaded, store, tmp_path)) as engine:
        first, second = (engine.submit(request(DARK, key="a")) for _ in range(2))
        other = engine.submit(request(BRIGHT, key="a"))
        with pytest.raises(KeyUsedError):
            other.result(SECONDS)
        held.go.set()
        assert first.result(SECONDS) == second.result(SECONDS)
        assert engine.submit(request(DARK, key="a")).result(SECONDS) == first.result()
        with pytest.raises(KeyUsedError):
            engine.submit(request(DARK, part="2", key="a")).result(SECONDS)
    assert held.calls == 1
    assert len(store.latest(9)) == 1


def test_a_key_survives_a_new_start(loaded: Loaded, tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        with (
            Store.open(tmp_path / "line") as store,
            closing(engine_of(loaded, store, tmp_path)) as engine,
        ):
            found.append(engine.submit(request(DARK, key="a")).result(SECONDS))
    assert found[0] == found[1]


def test_a_key_whose_request_failed_can_be_used_again(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    with closing(engine_of(loaded, store, tmp_path)) as engine:
        cut = Request((Sent("a.png", png(DARK)[:40]),), None, "a")
        with pytest.raises(UnreadablePhoto):
            engine.submit(cut).result(SECONDS)
        assert engine.submit(request(DARK, key="a")).result(SECONDS).decision == "reject"


def test_above_the_limit_of_photos_a_request_is_refused_at_once(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    held = Held(loaded)
    with closing(engine_of(held.loaded, store, tmp_path, queue=3)) as engine:
        waiting = engine.submit(request(DARK, DARK))
        with pytest.raises(QueueFullError) as refused:
            engine.submit(request(BRIGHT, BRIGHT)).result(0)
        assert refused.value.waiting == 2
        assert refused.value.retry_after >= 1
        fits = engine.submit(request(BRIGHT))
        held.go.set()
        assert waiting.result(SECONDS).decision == "reject"
        assert fits.result(SECONDS).decision == "OK"
        assert engine.submit(request(GREY, GREY, GREY)).result(SECONDS).decision == "look"


def test_close_answers_what_was_accepted_and_refuses_the_rest(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    held = Held(loaded)
    engine = engine_of(held.loaded, store, tmp_path)
    waiting = engine.submit(request(DARK))
    closer = threading.Thread(target=engine.close)
    closer.start()
    deadline = time.monotonic() + SECONDS
    while engine.trouble() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    with pytest.raises(StoppingError):
        engine.submit(request(BRIGHT)).result(0)
    held.go.set()
    closer.join(SECONDS)
    assert waiting.result(0).decision == "reject"


def test_a_swap_loses_nothing_and_each_decision_names_its_bundle(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    other = load(banded_bundle(tmp_path / "other.fdb", threshold=0.0001))
    held = Held(loaded)
    with closing(engine_of(held.loaded, store, tmp_path)) as engine:
        before = engine.submit(request(BRIGHT))
        engine.swap(other)
        after = engine.submit(request(BRIGHT))
        assert after.result(SECONDS).bundle == "other.fdb"
        held.go.set()
        assert before.result(SECONDS).bundle == "tiny.fdb"
    # The other bundle passes nothing.
    assert (before.result().decision, after.result().decision) == ("OK", "look")
    assert after.result().model == other.model.identity


class Disk:
    """A store that can be full, and that can hold up the first batch."""

    def __init__(self, store: Store, *, full: bool = False, held: bool = False) -> None:
        self.store, self.full, self.batches = store, full, list[int]()
        self.register, self.by_key = store.register, store.by_key
        self.began, self.go = threading.Event(), threading.Event()
        if not held:
            self.go.set()

    def probe(self) -> None:
        if self.full:
            raise StoreFullError("line: the disk is full.", "Free space.")
        self.store.probe()

    def add(self, new: Sequence[New]) -> list[Inspection]:
        self.began.set()
        assert self.go.wait(SECONDS)
        self.batches.append(len(new))
        if self.full:
            raise StoreFullError("line: the disk is full.", "Free space.")
        if any(each.part == "bad" for each in new):
            raise ValueError("bad")
        return self.store.add(new)


def asked_at_once(engine: Engine, disk: Disk, parts: Sequence[str]) -> list[Future[Inspection]]:
    """Requests of which the first is being stored while the others are decided."""
    first = engine.submit(request(BRIGHT))
    assert disk.began.wait(SECONDS)
    others = [engine.submit(request(BRIGHT, part=part)) for part in parts]
    deadline = time.monotonic() + SECONDS
    while engine._decided.qsize() < len(parts) and time.monotonic() < deadline:
        time.sleep(0.001)
    disk.go.set()
    return [first, *others]


def test_a_full_disk_fails_the_requests_and_the_engine_is_ready_again_after_it(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    disk: Any = Disk(store, full=True)
    with closing(engine_of(loaded, disk, tmp_path)) as engine:
        with pytest.raises(StoreFullError):
            engine.submit(request(DARK, key="a")).result(SECONDS)
        assert "the disk is full" in str(engine.trouble())
        disk.full = False
        assert engine.trouble() is None  # a small write works
        assert engine.submit(request(DARK, key="a")).result(SECONDS).decision == "reject"
        assert engine.trouble() is None
    assert not list((tmp_path / "line" / "photos" / "moving").iterdir())


def test_what_is_decided_together_is_stored_together(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    disk: Any = Disk(store, held=True)
    with closing(engine_of(loaded, disk, tmp_path)) as engine:
        asked = asked_at_once(engine, disk, list("12345678"))
        numbers = [each.result(SECONDS).number for each in asked]
    assert len(set(numbers)) == 9
    assert disk.batches == [1, 8]


def test_one_that_can_not_be_stored_does_not_fail_the_others(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    disk: Any = Disk(store, held=True)
    with closing(engine_of(loaded, disk, tmp_path)) as engine:
        asked = asked_at_once(engine, disk, ["1", "bad", "2"])
        with pytest.raises(ValueError, match="bad"):
            asked[2].result(SECONDS)
        assert [asked[i].result(SECONDS).part for i in (0, 1, 3)] == [None, "1", "2"]
    assert sorted(each.part or "" for each in store.latest(9)) == ["", "1", "2"]


@pytest.mark.parametrize("content", [png(DARK), b"no photo"])
def test_the_photos_are_freed_when_they_are_answered(
    loaded: Loaded, store: Store, tmp_path: Path, content: bytes
) -> None:
    gc.disable()  # which would hide references in circles
    try:
        with closing(engine_of(loaded, store, tmp_path)) as engine:
            sent = Sent("", content)
            freed = weakref.ref(sent)
            engine.submit(Request((sent,))).exception(SECONDS)
            del sent
            deadline = time.monotonic() + SECONDS
            while freed() is not None and time.monotonic() < deadline:
                time.sleep(0.001)
            assert freed() is None
    finally:
        gc.enable()


def test_it_is_ready_again_when_rows_can_be_written_again(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    """A database without a free page: files can be written, but rows can't."""
    writer: Any = store._writer
    with closing(engine_of(loaded, store, tmp_path)) as engine:
        writer.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StoreFullError):
            engine.submit(request(DARK, part="part" * 5000)).result(SECONDS)
        assert "the disk is full" in str(engine.trouble())
        writer.execute("PRAGMA max_page_count = 100000")
        assert engine.trouble() is None
        assert engine.submit(request(DARK)).result(SECONDS).decision == "reject"


@pytest.mark.parametrize(("part_rule", "decision"), [("mean", "look"), ("worst", "reject")])
def test_a_rule_for_parts_decides_on_all_photos_together(
    tmp_path: Path, store: Store, part_rule: PartRule, decision: str
) -> None:
    rule = Rule(
        views="none", temperature=1.0, threshold=0.3, high=0.8, rule="band", part_rule=part_rule
    )
    using = load(tiny_bundle(tmp_path / "parts.fdb", rule=rule))
    with closing(Engine(using, store, Settings(tmp_path / "line", threads=1))) as engine:
        found = engine.submit(request(BRIGHT, DARK, part="17")).result(SECONDS)
    scores = [photo.probability for photo in found.photos]
    expected = max(scores) if part_rule == "worst" else sum(scores) / 2
    assert found.decision == decision
    assert found.probability == pytest.approx(expected)
    assert [photo.decision for photo in found.photos] == ["OK", "reject"]
