"""The way in to a store."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Self

from fastdefect.errors import StoreError
from fastdefect.inference.decision_rule import Verdict
from fastdefect.serving.records import (
    Answer,
    Answered,
    AuditRow,
    Day,
    DecidedPhoto,
    Inspection,
    Model,
    New,
    Retired,
)
from fastdefect.serving.store import reports, retention, rows, schema, writes
from fastdefect.serving.store.failures import store_errors
from fastdefect.serving.store.folder import expect_store, locked_folder
from fastdefect.serving.store.photo_files import PhotoFiles

UNDO = timedelta(hours=1)
_PATIENCE = 1.0  # seconds of a probe


def _now() -> datetime:
    return datetime.now(UTC)


class Store:
    """The inspections, photos and answers of a line, in one folder.

    What a method has returned is on the disk: it survives a kill and a power failure. Every method
    may be called from any thread; writes take turns. Methods raise ``StoreError`` for what a user
    can repair, ``StoreFullError`` if the disk is full; then nothing of the call is stored.
    """

    def __init__(
        self, folder: Path, lock: BinaryIO | None, clock: Callable[[], datetime] = _now
    ) -> None:
        self._folder = folder
        self._lock = lock  # None: opened to read
        self._clock = clock
        self._files = PhotoFiles(folder / "photos")
        self._turn = threading.RLock()
        self._writer = None if lock is None else schema.connect(folder, read_only=False)
        self._database = schema.file_of(folder)
        self._idle: list[sqlite3.Connection] = []

    @classmethod
    def open(
        cls, folder: Path, *, read_only: bool = False, clock: Callable[[], datetime] = _now
    ) -> Self:
        """Open the store in ``folder``, and create it if there is none.

        ``read_only`` is for commands beside a running server: it creates nothing.
        """
        with store_errors(folder):
            lock = None if read_only else locked_folder(folder)
            try:
                expect_store(folder, create=not read_only)
                store = cls(folder, lock, clock)
            except BaseException:
                if lock is not None:
                    lock.close()
                raise
            try:
                store._begin()
            except BaseException:
                store.close()
                raise
        return store

    def _begin(self) -> None:
        with self._reading() as connection:
            schema.check(connection, self._folder)
            complete = schema.is_complete(connection)
        if self._lock is not None:
            if not complete:
                with self._writing() as connection:
                    schema.complete(connection)
            self._files.create()
            self._files.settle(self._has_file)

    def register(self, model: Model) -> None:
        """Keep a model, once; the inspections that it decides refer to it."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO models VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                rows.model_row(model),
            )

    def add(self, new: Sequence[New]) -> list[Inspection]:
        """Keep inspections and the bytes of their photos: all of them, or none.

        Raises ``sqlite3.IntegrityError`` for an id or a key that is there already, or a model that
        was not registered.
        """
        contents = [
            (photo.sha256, content)
            for each in new
            for photo, content in zip(each.photos, each.contents, strict=True)
        ]
        with self._turn, store_errors(self._folder):
            prepared = self._files.prepare(contents)
            try:
                with self._writing() as connection:
                    added = [writes.insert(connection, each) for each in new]
            except BaseException:
                self._files.discard(prepared)
                raise
            self._files.accept(prepared)
        return added

    def by_key(self, key: str) -> tuple[Inspection, str] | None:
        """The inspection of a client's key, and the digest of the request."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT number, digest FROM inspections WHERE key = ?", (key,)
            ).fetchone()
            if row is None:
                return None
            query = "SELECT * FROM inspections WHERE number = ?"
            return rows.inspections(connection, query, (row["number"],))[0], row["digest"]

    def get(self, inspection: str) -> Inspection | None:
        """The inspection with this id."""
        found = self._inspections("WHERE id = ?", inspection)
        return found[0] if found else None

    def latest(
        self, n: int, before: int | None = None, decision: Verdict | None = None
    ) -> list[Inspection]:
        """The last ``n`` inspections, the newest first, of those before a number."""
        conditions = ["TRUE"]
        values: list[object] = []
        if before is not None:
            conditions, values = [*conditions, "number < ?"], [*values, before]
        if decision is not None:
            conditions, values = [*conditions, "decision = ?"], [*values, decision]
        where = " AND ".join(conditions)
        return self._inspections(f"WHERE {where} ORDER BY number DESC LIMIT ?", *values, n)

    def queue(self, limit: int, first: str | None = None) -> list[Inspection]:
        """The inspections that wait for an answer, the most urgent first.

        The inspection with the id ``first`` comes before them, if it waits.
        """
        found = self._inspections(f"WHERE {schema.WAITING} AND id = ?", first) if first else []
        others = self._inspections(
            f"WHERE {schema.WAITING} ORDER BY priority DESC, number LIMIT ?", limit
        )
        return [*found, *(each for each in others if each.id != first)][:limit]

    def waiting(self) -> int:
        """The number of inspections that wait for an answer."""
        with self._reading() as connection:
            return reports.waiting(connection)

    def since(self, at: datetime, until: datetime | None = None) -> Day:
        """Counts of the inspections from ``at`` up to ``until``, by the clock."""
        with self._reading() as connection:
            return reports.day(connection, at, until)

    def parts(self, model: str, since: datetime) -> int:
        """The number of parts that the model with this identity decided since then."""
        with self._reading() as connection:
            return reports.parts(connection, model, since)

    def decided(self, model: str, since: datetime) -> list[DecidedPhoto]:
        """The photos that the model with this identity decided since then, by number."""
        with self._reading() as connection:
            return reports.decided(connection, model, since)

    def audit_rows(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[AuditRow]:
        """What an audit needs of the period: one row for each part, its last inspection.

        A part that is inspected again after an answer counts again.
        Inspections without a part are parts of their own. In the order of their numbers.
        """
        with self._reading() as connection:
            yield from reports.audit_rows(connection, since, until)

    def answered(self, since: datetime | None = None) -> Iterator[tuple[Inspection, list[Answer]]]:
        """The inspections from ``since`` with an answer that counts, and those answers.

        In the order of their numbers.
        """
        with self._reading() as connection:
            yield from reports.answered(connection, since)

    def model(self, identity: str) -> Model | None:
        """The model with this identity."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT * FROM models WHERE identity = ?", (identity,)
            ).fetchone()
            return None if row is None else rows.model_of(row)

    def answer(
        self,
        inspection: str,
        answer: Answered,
        label: str | None,
        person: str,
        seconds: float | None = None,
    ) -> Answer:
        """Keep the answer of a person. ``KeyError`` if no inspection has this id.

        The last answer counts; the earlier ones stay.
        """
        with self._writing() as connection:
            number = writes.number_of(connection, inspection)
            at = rows.microseconds(self._clock())
            row = connection.execute(
                "INSERT INTO answers (inspection, answer, label, person, at, seconds, seen) VALUES "
                "(?, ?, ?, ?, ?, ?, (SELECT max(number) FROM inspections)) RETURNING number",
                (number, answer, label, person, at, seconds),
            ).fetchone()
            writes.refresh(connection, number)
        return Answer(row[0], inspection, answer, label, person, rows.time_of(at), seconds)

    def undo(self, person: str) -> Answer | None:
        """Take back the last answer of a person that counts, if it is at most an hour old.

        None if there is no such answer.
        """
        with self._writing() as connection:
            row = connection.execute(
                f"{rows.ANSWERS} WHERE person = ? AND undone = 0 ORDER BY answers.number DESC",
                (person,),
            ).fetchone()
            if row is None or self._clock() - rows.time_of(row["at"]) > UNDO:
                return None
            connection.execute("UPDATE answers SET undone = 1 WHERE number = ?", (row["number"],))
            writes.refresh(connection, row["inspection"])
            row = connection.execute(
                f"{rows.ANSWERS} WHERE answers.number = ?", (row["number"],)
            ).fetchone()
        return rows.answer_of(row)

    def answers_of(self, inspection: str) -> list[Answer]:
        """All answers on an inspection, the oldest first, also those that were undone."""
        with self._reading() as connection:
            found = connection.execute(
                f"{rows.ANSWERS} WHERE inspections.id = ? ORDER BY answers.number", (inspection,)
            )
            return [rows.answer_of(row) for row in found]

    def photo(self, sha256: str) -> bytes | None:
        """The bytes of a photo; None if there is no such photo, or it was deleted."""
        with store_errors(self._folder):
            return self._files.read(sha256)

    def photo_path(self, sha256: str) -> Path | None:
        """The file of a photo, to be read only; None as ``photo``."""
        return self._files.path(sha256)

    def photo_bytes(self) -> int:
        """The bytes of all photos together."""
        with self._reading() as connection:
            return reports.photo_bytes(connection)

    def retire(
        self, days: float | None, gigabytes: float | None, now: datetime | None = None
    ) -> Retired:
        """Delete photo files that are older than ``days`` or above ``gigabytes``, oldest first.

        Photos that were chosen for people or answered are deleted only for ``gigabytes``, and last.
        Rows stay; what waits in the queue without its photos leaves it. None is no limit.
        """
        oldest = None if days is None else (now or self._clock()) - timedelta(days=days)
        total = Retired(0, 0, 0)
        while True:
            with self._turn, store_errors(self._folder):
                with self._reading() as connection:
                    leaving = retention.next_files(connection, oldest, gigabytes)
                if not leaving:
                    return total
                self._files.withdraw(file.sha256 for file in leaving)
                with self._writing() as connection:
                    retention.forget(connection, leaving)
                self._files.discard(file.sha256 for file in leaving)
            total = retention.counted(total, leaving)

    def probe(self) -> None:
        """Write a photo and rows, and take them back; raises what ``add`` raises if it can't.

        It does not wait for another program that keeps the database locked.
        """
        if not self._turn.acquire(timeout=_PATIENCE):
            raise StoreError(f"{self._folder}: a write takes long.", "Look at the disk.")
        try:
            with store_errors(self._folder):
                self._files.probe()
            with self._writing(_PATIENCE) as connection:
                writes.probe(connection)
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close the database and free the lock. No other method may run or follow."""
        while self._idle:
            self._idle.pop().close()
        if self._writer is not None:
            self._writer.close()
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _inspections(self, where: str, *values: object) -> list[Inspection]:
        with self._reading() as connection:
            return rows.inspections(connection, f"SELECT * FROM inspections {where}", values)

    def _has_file(self, sha256: str) -> bool:
        with self._reading() as connection:
            query = "SELECT 1 FROM files WHERE sha256 = ?"
            return connection.execute(query, (sha256,)).fetchone() is not None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that no other thread uses meanwhile; all reads in the block agree."""
        with store_errors(self._folder):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = schema.connect(self._folder, read_only=self._lock is None)
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)

    @contextmanager
    def _writing(self, patience: float = schema.PATIENCE) -> Iterator[sqlite3.Connection]:
        """A transaction: it is on the disk after the block, or the database is unchanged."""
        if self._writer is None:
            raise ValueError("The store was opened to read")
        with self._turn, store_errors(self._folder):
            schema.expect_same(self._folder, self._database)
            schema.wait_for_others(self._writer, patience)
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
