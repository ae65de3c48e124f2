"""Decisions on many photos, in order: files are read and decoded while the network runs."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

import numpy as np

from fastdefect.aliases import Pixels
from fastdefect.data.reading.damage import UnreadablePhoto
from fastdefect.data.reading.frame import Framed, TileBox, squares_at_once
from fastdefect.data.reading.gate import PixelGate
from fastdefect.data.reading.images import pixel_count, read_bytes
from fastdefect.data.reading.object_store import ObjectFile, Place
from fastdefect.inference.judge import Decision
from fastdefect.inference.outputs import Outputs, joined
from fastdefect.inference.scorer import Scorer

T = TypeVar("T")
_BATCH = 16  # photos, for a network that takes batches
_FEW_CORES, _TRIAL = 4, 0.3  # seconds
_FETCHES = 16  # files of an object store at the same time: each one is waited for


@dataclass(frozen=True)
class Decided(Generic[T]):
    """The decision on a photo, or why it can't be read."""

    item: T
    decision: Decision | None
    error: str = ""


def _unknown(_: object) -> None:
    """The product or view of a photo that is not known."""


def decide_all(
    scorer: Scorer,
    items: Iterable[T],
    path_of: Callable[[T], Place],
    *,
    product_of: Callable[[T], str | None] = _unknown,
    view_of: Callable[[T], str | None] = _unknown,
    threads: int | None = None,
    whole_batches: bool = False,
) -> Iterator[Decided[T]]:
    """Decide on each of ``items``, in their order; memory does not grow with their number.

    ``path_of``, ``product_of`` and ``view_of`` give the file, the product and the view of an item.

    ``threads`` read and decode; None is the fastest number (``fastest_workers``). If the network
    is concurrent, each thread also runs it, so that a photo never waits for others; else this
    thread runs it in batches. This thread decides on whole batches in both cases: it would
    otherwise interrupt the others for each photo. Files of an object store are fetched by other
    threads, which mostly wait.

    With ``whole_batches`` a photo has the same digits in a batch of any size; a few photos then
    take the time of a whole batch.
    """
    workers = threads or fastest_workers(scorer)
    read = _Reader(scorer)
    # Enough that no worker waits for a slow photo before it, few enough to hold in memory.
    at_once = _at_once(scorer)
    ahead = 2 * at_once + 4 * workers
    with ThreadPoolExecutor(workers) as pool, ThreadPoolExecutor(_FETCHES) as fetching:
        waiting: deque[tuple[T, Future[_Read | str]]] = deque()
        source = iter(items)
        try:
            while True:
                for item in islice(source, ahead - len(waiting)):
                    place, fetched = path_of(item), None
                    if isinstance(place, ObjectFile):
                        fetched = fetching.submit(read_bytes, place)
                    waiting.append((item, pool.submit(read, place, fetched, view_of(item))))
                if not waiting:
                    return
                front = [waiting.popleft() for _ in range(min(at_once, len(waiting)))]
                done = [(item, task.result()) for item, task in front]
                yield from _settled(scorer, done, product_of, whole_batches)
        finally:
            fetching.shutdown(wait=False, cancel_futures=True)
            pool.shutdown(wait=False, cancel_futures=True)


def fastest_workers(scorer: Scorer) -> int:
    """The number of threads that decides on the most photos a second: the cores, or half of them.

    Of logical cores that share a physical one, using both can be slower. A trial of a moment with
    grey photos decides. With few cores, or a network that takes batches, there is no trial.
    """
    cores = os.cpu_count() or 1
    if not scorer.concurrent or cores < _FEW_CORES:
        return cores
    return max((cores, cores // 2), key=lambda workers: _photos_per_second(scorer, workers))


def _photos_per_second(scorer: Scorer, workers: int) -> float:
    grey = scorer.frame.grey[None]
    deadline = time.perf_counter() + _TRIAL

    def count() -> int:
        done = 0
        while time.perf_counter() < deadline:
            scorer.outputs(grey, [None])
            done += 1
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        done = sum(task.result() for task in [pool.submit(count) for _ in range(workers)])
    return done / (time.perf_counter() - started)


@dataclass(frozen=True)
class _Read:
    """The decoded photo, or what a concurrent network gives for it, and the milliseconds."""

    found: Framed | Outputs
    milliseconds: float
    boxes: tuple[TileBox, ...]
    view: str | None


class _Reader:
    """Reads photos in several threads; whatever is wrong with a file becomes a text."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer, self._gate = scorer, PixelGate()

    def __call__(self, path: Place, fetched: Future[bytes] | None, view: str | None) -> _Read | str:
        """``fetched`` are the bytes of the file, if they come from elsewhere."""
        started = time.perf_counter()
        try:
            photo = self._decoded(path, fetched)
        except UnreadablePhoto as error:
            return error.reason
        scorer = self._scorer
        found = scorer.outputs(photo.pixels[None], [view]) if scorer.concurrent else photo
        return _Read(found, (time.perf_counter() - started) * 1000, photo.boxes, view)

    def _decoded(self, path: Place, fetched: Future[bytes] | None) -> Framed:
        data = read_bytes(path) if fetched is None else fetched.result()
        with self._gate.hold(pixel_count(data)):
            return self._scorer.decoded(data, str(path))


def _settled(
    scorer: Scorer,
    done: list[tuple[T, _Read | str]],
    product_of: Callable[[T], str | None],
    whole_batches: bool,
) -> Iterator[Decided[T]]:
    readable = [(item, read) for item, read in done if not isinstance(read, str)]
    products = [product_of(item) for item, _ in readable]
    reads = [read for _, read in readable]
    decisions = iter(_decided(scorer, reads, products, whole_batches))
    for item, read in done:
        if isinstance(read, str):
            yield Decided(item, None, read)
        else:
            yield Decided(item, next(decisions))


def _decided(
    scorer: Scorer, batch: list[_Read], products: list[str | None], whole_batches: bool
) -> list[Decision]:
    """Decide on a batch, all pixels or all outputs; the time of a network on pixels is shared."""
    if not batch:
        return []
    started, share = time.perf_counter(), 0.0
    outputs = [each.found for each in batch if isinstance(each.found, Outputs)]
    pixels = [each.found.pixels for each in batch if isinstance(each.found, Framed)]
    if pixels:
        stacked, views = np.stack(pixels), [each.view for each in batch]
        if whole_batches and scorer.frame.tiles == 1:  # photos in tiles are computed one by one
            missing = _at_once(scorer) - len(stacked)
            stacked, views = _filled(stacked, missing), views + [None] * missing
        outputs.append(_first(scorer.outputs(stacked, views), len(pixels)))
        share = (time.perf_counter() - started) * 1000 / len(batch)
    milliseconds = [each.milliseconds + share for each in batch]
    boxes = [each.boxes for each in batch]
    return scorer.judge.decide(joined(outputs), milliseconds, products, boxes)


def _at_once(scorer: Scorer) -> int:
    """The number of photos of a whole batch."""
    return squares_at_once(_BATCH, scorer.frame.size)


def _filled(pixels: Pixels, missing: int) -> Pixels:
    """A whole batch: ``pixels`` (n, h, w, 3), and the last photo again for each ``missing`` one.

    The last digits of what a network gives depend on the size of the batch. So they would else
    differ if a prediction is continued, or if a file among the photos can't be read.
    """
    return np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])


def _first(found: Outputs, n: int) -> Outputs:
    return Outputs._make(None if each is None else each[:n] for each in found)
