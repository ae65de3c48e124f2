"""Ctrl-C at a chosen place of a real training, with no signal: what ``StopOnRequest`` then does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fastai.callback.core import CancelFitException

from fastdefect.training.callbacks import StopOnRequest


@contextmanager
def interrupted_after(batches: int) -> Iterator[None]:
    """End after so many batches, validation's included."""
    seen = [0]

    def now(stop: StopOnRequest) -> bool:
        seen[0] += 1
        return seen[0] == batches

    with _interrupted(now):
        yield


@contextmanager
def interrupted_in_the_second_fit() -> Iterator[None]:
    """End after the first batch of the second training."""
    seen: list[StopOnRequest] = []

    def now(stop: StopOnRequest) -> bool:
        if stop not in seen:
            seen.append(stop)
        return len(seen) == 2

    with _interrupted(now):
        yield


@contextmanager
def _interrupted(now: Callable[[StopOnRequest], bool]) -> Iterator[None]:
    def after_batch(stop: StopOnRequest) -> None:
        if now(stop):
            stop.save_checkpoint()
            stop.stopped = True
            raise CancelFitException()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StopOnRequest, "after_batch", after_batch)
        yield
