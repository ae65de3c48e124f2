"""Decisions on many photos, in order: files are read and decoded while the network runs."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from fastdefect.aliases import Pixels
from fastdefect.data.reading.damage import UnreadablePhoto
from fastdefect.data.reading.gate import PixelGate
from fastdefect.data.reading.images import pixel_count, read_bytes
from fastdefect.inference.judge import Decision
from fastdefect.inference.scorer import Scorer

T = TypeVar("T")
_BATCH = 16  # photos, for a network that takes batches
_FEW_CORES, _TRIAL = 4, 0.3  # seconds


@dataclass(frozen=True)
class Decided(Generic[T]):
    """The decision on a photo, or why it can't be read."""

    item: T
    decision: Decision | None
    error: str = ""


def decide_all(
    scorer: Scorer, items: Iterable[T], path_of: Callable[[T], Path], *, threads: int | None = None
) -> Iterator[Decided[T]]:
    """Decide on each of ``items``, in their order; memory does not grow with their number.

    ``threads`` read and decode; None is the fastest number (``fastest_workers``). If the network
    is concurrent, each thread also runs it, so that a photo never waits for others; else this
    thread runs it in batches.
    """
    workers = threads or fastest_workers(scorer)
    read = _Reader(scorer)
    batch = 1 if scorer.concurrent else _BATCH
    work = read.decide if scorer.concurrent else read.pixels
    # Enough that no worker waits for a slow photo before it, few enough to hold in memory.
    ahead = 2 * batch + 4 * workers
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[T, Future[Decision | _Input | str]]] = deque()
        source = iter(items)
        try:
            while True:
                for item in islice(source, ahead - len(waiting)):
                    waiting.append((item, pool.submit(work, path_of(item))))
                if not waiting:
                    return
                front = [waiting.popleft() for _ in range(min(batch, len(waiting)))]
                yield from _settled(scorer, [(item, task.result()) for item, task in front])
        finally:
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
    grey = np.full((1, scorer.image_size, scorer.image_size, 3), 128, np.uint8)
    deadline = time.perf_counter() + _TRIAL

    def count() -> int:
        done = 0
        while time.perf_counter() < deadline:
            scorer.network(grey)
            done += 1
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        done = sum(task.result() for task in [pool.submit(count) for _ in range(workers)])
    return done / (time.perf_counter() - started)


@dataclass(frozen=True)
class _Input:
    """A decoded photo, and the milliseconds that it took."""

    pixels: Pixels
    milliseconds: float


class _Reader:
    """Reads photos in several threads; whatever is wrong with a file becomes a text."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer, self._gate = scorer, PixelGate()

    def decide(self, path: Path) -> Decision | str:
        started = time.perf_counter()
        try:
            return self._scorer.decide(self._decoded(path), started)
        except UnreadablePhoto as error:
            return error.reason

    def pixels(self, path: Path) -> _Input | str:
        started = time.perf_counter()
        try:
            decoded = self._decoded(path)
        except UnreadablePhoto as error:
            return error.reason
        return _Input(decoded, (time.perf_counter() - started) * 1000)

    def _decoded(self, path: Path) -> Pixels:
        data = read_bytes(path)
        with self._gate.hold(pixel_count(data)):
            return self._scorer.decoded(data, str(path))


def _settled(scorer: Scorer, done: list[tuple[T, Decision | _Input | str]]) -> Iterator[Decided[T]]:
    inputs = [found for _, found in done if isinstance(found, _Input)]
    decisions = iter(_decided(scorer, inputs))
    for item, found in done:
        if isinstance(found, str):
            yield Decided(item, None, found)
        else:
            yield Decided(item, next(decisions) if isinstance(found, _Input) else found)


def _decided(scorer: Scorer, inputs: list[_Input]) -> list[Decision]:
    """Decide on a batch; its time is shared equally."""
    if not inputs:
        return []
    started = time.perf_counter()
    y_prob, features = scorer.network(np.stack([each.pixels for each in inputs]))
    share = (time.perf_counter() - started) * 1000 / len(inputs)
    return scorer.judge.decide(y_prob, features, [each.milliseconds + share for each in inputs])
