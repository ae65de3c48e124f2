"""A store against a model of it in plain lists: the queue, the answers, undo, retention."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from helpers.stores import MODEL, NOON, Clock, new_inspection, sha256_of
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from fastdefect.serving.records import Answered, New
from fastdefect.serving.store import Store
from fastdefect.serving.store.store import UNDO

PEOPLE = st.sampled_from(["Ann", "Bob"])
ANSWERS: st.SearchStrategy[Answered] = st.sampled_from(["OK", "defect"])
PICK = st.integers(0, 1000)


@dataclass
class Expected:
    """An inspection, the answers on it as (order, person, answer), and whether it is deleted."""

    new: New
    number: int
    answers: list[tuple[int, str, str]] = field(default_factory=list)
    gone: bool = False

    @property
    def answer(self) -> str | None:
        return self.answers[-1][2] if self.answers else None

    @property
    def waits(self) -> bool:
        return self.new.chosen and not self.answers and not self.gone


class Line(RuleBasedStateMachine):
    """Random calls; after each of them the store says what the lists say."""

    @initialize()
    def opens(self) -> None:
        self.folder = TemporaryDirectory()
        self.clock = Clock()
        self.expected: list[Expected] = []
        self.said: list[tuple[int, str, int]] = []  # (order, person, inspection)
        self.times: dict[int, float] = {}
        self.seen: dict[int, int] = {}  # by order, the last inspection when it was given
        self.minutes = 0.0
        self.open()

    def open(self) -> None:
        self.store = Store.open(Path(self.folder.name) / "line", clock=self.clock)
        self.store.register(MODEL)

    @rule(
        of=st.lists(
            st.tuples(
                st.sampled_from(["OK", "look", "reject"]),
                st.booleans(),
                st.sampled_from([0.0, 0.5, 1.0]),
                st.sampled_from([None, "part 7", "part 8"]),
            ),
            min_size=1,
            max_size=3,
        )
    )
    def adds(self, of: list[tuple[str, bool, float, str | None]]) -> None:
        batch = [
            new_inspection(
                f"{len(self.expected) + i}",
                decision=decision,
                chosen=chosen,
                priority=priority,
                part=part,
                at=self.clock.now,
            )
            for i, (decision, chosen, priority, part) in enumerate(of)
        ]
        for new, added in zip(batch, self.store.add(batch), strict=True):
            self.expected.append(Expected(new, added.number))

    @rule(pick=PICK, answer=ANSWERS, person=PEOPLE)
    def answers(self, pick: int, answer: Answered, person: str) -> None:
        if self.expected:
            pick %= len(self.expected)
            order = self.store.answer(f"{pick}", answer, None, person).number
            self.expected[pick].answers.append((order, person, answer))
            self.said.append((order, person, pick))
            self.times[order] = self.minutes
            self.seen[order] = self.expected[-1].number

    @rule(person=PEOPLE)
    def undoes(self, person: str) -> None:
        last = next((each for each in reversed(self.said) if each[1] == person), None)
        undone = self.store.undo(person)
        if last is None or timedelta(minutes=self.minutes - self.times[last[0]]) > UNDO:
            assert undone is None
            return
        assert undone is not None
        assert (undone.number, undone.inspection) == (last[0], f"{last[2]}")
        self.said.remove(last)
        of = self.expected[last[2]].answers
        of[:] = [each for each in of if each[0] != last[0]]

    @rule(minutes=st.sampled_from([1, 50, -30]))
    def time_passes(self, minutes: int) -> None:
        self.minutes += minutes
        self.clock.moves(minutes=minutes)

    @rule(files=st.integers(0, 5))
    def retires(self, files: int) -> None:
        sizes = [len(each.new.contents[0]) for each in self.expected if not each.gone]
        self.store.retire(None, sum(sizes[:files]) / 1e9)
        for each in self.expected:
            each.gone |= self.store.photo(each.new.photos[0].sha256) is None
        kept = [each for each in self.expected if not each.gone]
        assert self.store.photo_bytes() == sum(len(each.new.contents[0]) for each in kept)

    @rule()
    def restarts(self) -> None:
        self.store.close()
        self.open()

    @invariant()
    def the_queue_is_what_waits(self) -> None:
        waits = [each for each in self.expected if each.waits]
        order = sorted(waits, key=lambda each: (-each.new.priority, each.number))
        assert [each.id for each in self.store.queue(1000)] == [each.new.id for each in order]
        assert self.store.waiting() == len(order)

    @invariant()
    def the_counts_are_those_of_the_answers(self) -> None:
        day = self.store.since(NOON - timedelta(days=9))
        pairs = [(each.new.decision, each.answer) for each in self.expected]
        assert day.total == len(pairs)
        assert day.answered == sum(answer is not None for _, answer in pairs)
        assert day.escapes == pairs.count(("OK", "defect"))
        assert day.overkills == pairs.count(("reject", "OK"))

    def is_replaced(self, one: Expected) -> bool:
        """Whether its part was inspected again before any answer that counts."""
        later = [
            each.number
            for each in self.expected
            if each.number > one.number
            and one.new.part is not None
            and each.new.part == one.new.part
        ]
        return any(
            all(self.seen[order] >= number for order, _, _ in one.answers) for number in later
        )

    @invariant()
    def each_part_has_its_last_inspection_and_those_answered_before_the_next(self) -> None:
        counting = [each for each in self.expected if not self.is_replaced(each)]
        found = {stratum.number: stratum for stratum in self.store.audit_rows()}
        assert found.keys() == {each.number for each in counting}
        for each in counting:
            assert found[each.number].answer == each.answer
            said = {person: (order, answer) for order, person, answer in each.answers}
            by_order = sorted(said.items(), key=lambda pair: pair[1][0])
            assert found[each.number].said == tuple((who, what) for who, (_, what) in by_order)

    @invariant()
    def photos_are_whole(self) -> None:
        for each in self.expected:
            content = self.store.photo(sha256_of(each.new.contents[0]))
            assert content == (None if each.gone else each.new.contents[0])

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    with patch.object(os, "fsync", lambda _: None):
        yield


def test_a_store_is_like_plain_lists() -> None:
    # To find a shorter example takes minutes: the slow test does that.
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    few = settings(max_examples=5, stateful_step_count=20, deadline=None, phases=phases)
    run_state_machine_as_test(Line, settings=few)


@pytest.mark.slow
def test_a_store_is_like_plain_lists_for_long() -> None:
    many = settings(max_examples=60, stateful_step_count=50, deadline=None)
    run_state_machine_as_test(Line, settings=many)
