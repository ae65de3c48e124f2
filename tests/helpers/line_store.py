"""A store with inspections whose decisions and answers a test names."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastdefect.inference.decision_rule import Verdict
from fastdefect.serving.records import Answered, Inspection, Model, New
from fastdefect.serving.store import Store
from helpers.stores import new_inspection

START = datetime(2026, 11, 2, 6, tzinfo=UTC)


class Line:
    """Adds inspections, one a minute, and answers of people. Its clock is that of the store."""

    def __init__(self, folder: Path) -> None:
        self.now = START
        self.store = Store.open(folder, clock=lambda: self.now)
        self.model("m1")

    def model(self, identity: str, name: str = "castings") -> None:
        """Let this model decide from now on."""
        self.identity, self.name = identity, name
        self.store.register(Model(identity, name, ("ok", "scratch"), ("ok",)))

    def inspect(
        self,
        decision: Verdict,
        n: int = 1,
        *,
        share: float = 0.1,
        chosen: bool = False,
        part: str | None = None,
    ) -> list[Inspection]:
        """Add inspections with a decision; ``look`` always goes to people."""
        if decision == "look":
            share, chosen = 1.0, True
        return self.store.add([self._new(decision, share, chosen, part) for _ in range(n)])

    def check(self, decision: Verdict, n: int, defects: int, share: float = 0.1) -> None:
        """Add inspections that go to people, of which so many are answered with defect."""
        for i, each in enumerate(self.inspect(decision, n, share=share, chosen=True)):
            self.answer(each, "defect" if i < defects else "OK")

    def answer(self, inspection: Inspection, answer: Answered, person: str = "Ada") -> None:
        """Answer an inspection, a minute later."""
        self.now += timedelta(minutes=1)
        self.store.answer(inspection.id, answer, None, person)

    def _new(self, decision: Verdict, share: float, chosen: bool, part: str | None) -> New:
        self.now += timedelta(minutes=1)
        return new_inspection(
            f"i{self.now.timestamp():.0f}",
            at=self.now,
            part=part,
            decision=decision,
            model=self.identity,
            bundle=self.name,
            share=share,
            chosen=chosen,
        )


@contextmanager
def line(folder: Path) -> Iterator[Line]:
    """An empty line whose store is ``folder``; closed after the block."""
    made = Line(folder)
    try:
        yield made
    finally:
        made.store.close()
