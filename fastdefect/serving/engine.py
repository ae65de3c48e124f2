"""The engine: accepts requests, decides on their photos in threads, and stores what it decided.

Photos that arrive together are decided at the same time, one in each thread, and what is decided
together is stored in one transaction. A decision is answered only after it is stored.
"""

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from queue import Empty, SimpleQueue
from random import SystemRandom
from threading import Condition, Thread
from typing import NamedTuple

from fastdefect.data.reading.gate import PixelGate
from fastdefect.data.reading.view_input import without_view
from fastdefect.errors import FastdefectError, StoreError
from fastdefect.inference.baseline import Sample
from fastdefect.inference.scorer import Scorer
from fastdefect.inference.stream import fastest_workers
from fastdefect.serving.photo_work import Sent, decide_on, missing_views, product_of
from fastdefect.serving.records import Inspection, Model, New, Photo
from fastdefect.serving.review import choose
from fastdefect.serving.settings import Settings
from fastdefect.serving.store import Store

_MOST_AT_ONCE = 64  # inspections of a transaction
_LONGEST_WAIT = 30  # seconds, of Retry-After


class QueueFullError(Exception):
    """``waiting`` photos are in work; ``more`` would be above ``most``, the limit."""

    def __init__(self, waiting: int, more: int, most: int, retry_after: int) -> None:
        super().__init__(f"{waiting} photos are in work")
        self.waiting, self.more, self.most = waiting, more, most
        self.retry_after = retry_after  # seconds


class KeyUsedError(Exception):
    """The key of a request is that of an earlier one with other photos or another part."""


class StoppingError(Exception):
    """The engine stops and accepts nothing more."""


@dataclass(frozen=True)
class Request:
    """Photos of one part. Requests with the same ``key`` are one request that was sent again."""

    photos: tuple[Sent, ...]
    part: str | None = None
    key: str | None = None

    def digest(self) -> str:
        """The sha256 of photos, part, products and views; the names of the photos do not count."""
        shown = tuple((photo.product, photo.view) for photo in self.photos)
        named = (self.part, *shown) if any(map(any, shown)) else self.part
        found = sha256(repr(named).encode("utf-8", "backslashreplace"))
        for photo in self.photos:
            found.update(sha256(photo.data).digest())
        return found.hexdigest()


class Loaded(NamedTuple):
    """A bundle that is ready to decide, and what the store keeps of it.

    ``baseline``: the photos of its validation, if the bundle has them.
    """

    scorer: Scorer
    model: Model
    baseline: Sample | None = None


@dataclass(eq=False)
class _Job:
    """A request in work. All its photos are decided by ``using``."""

    request: Request
    digest: str
    using: Loaded
    at: datetime
    future: "Future[Inspection]" = field(default_factory=Future)
    photos: "list[Future[Photo]]" = field(default_factory=list)
    undecided: int = 0

    def __post_init__(self) -> None:
        # A client that leaves can't cancel a request that others may wait for.
        self.future.set_running_or_notify_cancel()


def _without_photos(error: Exception) -> Exception:
    """A caught error; without a traceback if it is an expected one, which no log shows.

    The frames of a traceback refer to the request, and the request to its error: the photos would
    stay in memory until Python searches for such circles.
    """
    found: BaseException | None = error
    while found is not None and isinstance(error, FastdefectError):
        found.__traceback__ = None
        found = found.__context__
    return error


def _ignore(stored: Sequence[Inspection]) -> None:
    pass


class Engine:
    """Decides on photos with the model that is loaded. Its methods may be called by any thread."""

    def __init__(
        self,
        using: Loaded,
        store: Store,
        settings: Settings,
        on_stored: Callable[[Sequence[Inspection]], None] = _ignore,
    ) -> None:
        """``on_stored`` gets each batch of new inspections, before its clients do."""
        self._store, self._settings, self._on_stored = store, settings, on_stored
        self._using = using
        store.register(using.model)
        self._gate, self._random = PixelGate(), SystemRandom()
        self._changed = Condition()  # guards the next four
        self._in_work, self._closing = 0, False
        self._by_key: dict[str, _Job] = {}
        self._seconds = 0.05  # that a photo takes, a moving average
        self._failure: StoreError | None = None  # of the last attempt to store
        workers = settings.threads or fastest_workers(using.scorer)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="decide")
        self._decided: SimpleQueue[_Job | None] = SimpleQueue()
        self._writer = Thread(target=self._write, name="store", daemon=True)
        self._writer.start()

    @property
    def loaded(self) -> Loaded:
        """The model that decides now."""
        return self._using

    def missing_views(self, inspection: Inspection) -> list[str]:
        """The views that ``inspection`` lacks; none if another model decided on it."""
        using = self._using
        if using.model.identity != inspection.model:
            return []
        return list(missing_views(using.scorer, [photo.view for photo in inspection.photos]))

    def without_view(self, inspection: Inspection) -> int:
        """The photos whose view the network takes, but does not know; as ``missing_views``."""
        using = self._using
        if using.model.identity != inspection.model:
            return 0
        return without_view(using.scorer.view_input, [photo.view for photo in inspection.photos])

    @property
    def in_work(self) -> int:
        """The photos that are accepted and not answered."""
        return self._in_work

    @property
    def gate(self) -> PixelGate:
        """The limit on decoded pixels, for others that decode."""
        return self._gate

    def trouble(self) -> str | None:
        """Why this engine can't do its work now; None if it can.

        After a write that failed, a small one shows whether the next may succeed.
        """
        if self._closing:
            return "The server stops."
        if (failure := self._failure) is None:
            return None
        try:
            self._store.probe()
        except StoreError as error:
            return f"Requests can't be stored. {error.message}"
        if self._failure is failure:  # no other write failed meanwhile
            self._failure = None
        return None

    def swap(self, using: Loaded) -> None:
        """Decide on the requests from now on with another model; those in work keep theirs."""
        self._store.register(using.model)
        self._using = using

    def submit(self, request: Request) -> "Future[Inspection]":
        """Accept ``request``; the future has the stored decision, and can't be cancelled.

        Or it has ``QueueFullError``, ``KeyUsedError``, ``StoppingError``, ``UnreadablePhoto`` for
        the first photo that can't be read, or the error of the store. Nothing is stored then.
        """
        job = _Job(request, request.digest(), self._using, datetime.now(UTC))
        if (same := self._reserve(job)) is not job:
            if same.digest != job.digest:
                job.future.set_exception(KeyUsedError())
                return job.future
            return same.future
        try:
            if earlier := self._earlier(job):
                self._leave(job)
                job.future.set_result(earlier)
                return job.future
            self._admit(job)
        except Exception as error:  # noqa: BLE001 - each is the answer to this request
            self._leave(job)
            job.future.set_exception(_without_photos(error))
            return job.future
        self._start(job)
        return job.future

    def close(self) -> None:
        """Accept nothing more, and return when all that was accepted is answered."""
        with self._changed:
            self._closing = True
            self._changed.wait_for(lambda: not self._in_work)
        self._decided.put(None)
        self._writer.join()
        self._pool.shutdown()

    def _reserve(self, job: _Job) -> _Job:
        """The job that has the key of ``job``: itself, or one in work."""
        key = job.request.key
        with self._changed:
            return job if key is None else self._by_key.setdefault(key, job)

    def _earlier(self, job: _Job) -> Inspection | None:
        """The answer to an earlier request with the same key.

        One that ends while this looks is in the store: a job leaves ``_by_key`` after it is stored.
        """
        found = None if job.request.key is None else self._store.by_key(job.request.key)
        if found is None:
            return None
        inspection, digest = found
        if digest != job.digest:
            raise KeyUsedError
        return inspection

    def _admit(self, job: _Job) -> None:
        n = len(job.request.photos)
        with self._changed:
            if self._closing:
                raise StoppingError
            if self._in_work + n > self._settings.queue:
                wait = min(_LONGEST_WAIT, max(1, round(self._in_work * self._seconds)))
                raise QueueFullError(self._in_work, n, self._settings.queue, wait)
            self._in_work += n

    def _start(self, job: _Job) -> None:
        job.undecided = len(job.request.photos)
        job.photos = [
            self._pool.submit(
                decide_on,
                job.using.scorer,
                sent,
                self._gate,
                self._settings.max_megapixels,
            )
            for sent in job.request.photos
        ]
        for photo in job.photos:
            photo.add_done_callback(lambda _: self._one_decided(job))

    def _one_decided(self, job: _Job) -> None:
        with self._changed:
            job.undecided -= 1
            last = not job.undecided
        if last:
            self._decided.put(job)

    def _write(self) -> None:
        """Store what is decided; in a thread of its own."""
        while (first := self._decided.get()) is not None:
            self._keep(self._batch(first))
            del first  # with its photos, while nothing more is decided

    def _batch(self, first: _Job) -> list[_Job]:
        batch = [first]
        with suppress(Empty):
            while len(batch) < _MOST_AT_ONCE and (job := self._decided.get_nowait()):
                batch.append(job)
        return batch

    def _keep(self, batch: list[_Job]) -> None:
        news: list[tuple[_Job, New]] = []
        for job in batch:
            try:
                news.append((job, self._new(job)))
            except Exception as error:  # noqa: BLE001 - each is the answer to this request
                self._fail(job, error)
        if news and not self._stored(news) and len(news) > 1:
            for each in news:  # one that can't be stored must not fail the others
                self._stored([each], last=True)

    def _stored(self, news: list[tuple[_Job, New]], *, last: bool = False) -> bool:
        """Store and answer; without success only the ``last`` attempt answers."""
        try:
            inspections = self._store.add([new for _, new in news])
        except Exception as error:  # noqa: BLE001 - each is the answer to this request
            self._failure = error if isinstance(error, StoreError) else self._failure
            if last or len(news) == 1:
                for job, _ in news:
                    self._fail(job, error)
            return False
        self._failure = None
        self._on_stored(inspections)
        for (job, _), inspection in zip(news, inspections, strict=True):
            self._finish(job)
            job.future.set_result(inspection)
        return True

    def _new(self, job: _Job) -> New:
        """Raises what the decision on the first unreadable photo raised."""
        photos = tuple(photo.result() for photo in job.photos)
        scorer, sent = job.using.scorer, job.request.photos
        views = [photo.view for photo in photos]
        part = scorer.judge.decide_part(photos, views, product_of(photos))
        self._seconds += 0.1 * (
            sum(p.milliseconds for p in photos) / 1000 / len(photos) - self._seconds
        )
        settings, model = self._settings, job.using.model
        shares = (settings.check_ok, settings.check_reject)
        chosen = choose(part.decision, part.unlike, part.probability, shares, self._random)
        return New(
            id=secrets.token_hex(16),
            at=job.at,
            part=job.request.part,
            key=job.request.key,
            digest=job.digest,
            model=model.identity,
            bundle=model.name,
            photos=photos,
            contents=tuple(each.data for each in sent),
            **vars(part),
            **chosen._asdict(),
        )

    def _fail(self, job: _Job, error: Exception) -> None:
        self._finish(job)
        job.future.set_exception(_without_photos(error))

    def _finish(self, job: _Job) -> None:
        job.photos.clear()  # they refer to the job
        with self._changed:
            self._in_work -= len(job.request.photos)
            self._changed.notify_all()
        self._leave(job)

    def _leave(self, job: _Job) -> None:
        with self._changed:
            if job.request.key is not None:
                del self._by_key[job.request.key]
