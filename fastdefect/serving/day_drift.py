"""Whether today's photos are like those that the model was measured on, for the page.

A day is tested at 25 parts, 50, 100, and so on. Each test may raise a false alarm with half the
probability of the one before, so that all of a day together do so with at most ``ALPHA``
(the union bound). A test at each look at the page would alarm sooner or later on any day.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

import numpy as np

from fastdefect.evaluation.drift_findings import ALPHA, Finding, find_drift
from fastdefect.inference.baseline import Sample
from fastdefect.serving.engine import Loaded
from fastdefect.serving.records import DecidedPhoto
from fastdefect.serving.store import Store

FIRST = 25  # parts


@dataclass(frozen=True)
class DayFinding:
    """The last test of a day. ``p_value`` is corrected for all tests of the day.

    It is None if the day or the baseline has too few parts. ``drifted`` names the quantities of
    this test, or of an earlier one of the day, with a p-value up to ``ALPHA``.
    """

    parts: int
    p_value: float | None
    drifted: tuple[str, ...]


class DayDrift:
    """Tests the photos of a day; its methods may be called by any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = Lock()
        self._day: tuple[str, datetime] | None = None
        self._look = -1
        self._tested: DayFinding | None = None

    def of(self, loaded: Loaded, since: datetime) -> DayFinding | None:
        """The last test of the photos that this model decided since then.

        None before the first. It is tested here if it is time; while another thread does it, the
        result is that of the test before.
        """
        day = (loaded.model.identity, since)
        if loaded.baseline is None:
            return None
        if not self._turn.acquire(blocking=False):
            return self._tested if self._day == day else None
        try:
            if day != self._day:
                self._day, self._look, self._tested = day, -1, None
            total = self._store.parts(loaded.model.identity, since)
            look = math.floor(math.log2(total / FIRST)) if total >= FIRST else -1
            if look > self._look:
                photos = self._store.decided(loaded.model.identity, since)
                self._tested = after_look(photos, loaded, look, self._tested)
                self._look = look
            return self._tested
        finally:
            self._turn.release()


def after_look(
    photos: list[DecidedPhoto], loaded: Loaded, look: int, before: DayFinding | None
) -> DayFinding | None:
    """The test number ``look`` (from 0) of a day; None without a photo or a baseline."""
    if not photos or loaded.baseline is None:
        return before
    weight = 2 ** (look + 1)
    sample = sample_of(photos, loaded.model.good)
    (findings,) = find_drift(loaded.baseline, [sample], alpha=ALPHA / weight)
    known = [each for each in findings if each.p_value is not None]
    p_value = min((min(1.0, weight * _p(each)) for each in known), default=None)
    drifted = tuple(each.name for each in known if weight * _p(each) <= ALPHA)
    if before is not None:
        drifted = tuple(dict.fromkeys((*before.drifted, *drifted)))
        p_value = min((p for p in (before.p_value, p_value) if p is not None), default=None)
    return DayFinding(sample.n_parts, p_value, drifted)


def _p(finding: Finding) -> float:
    return 1.0 if finding.p_value is None else finding.p_value


def sample_of(photos: list[DecidedPhoto], good: tuple[str, ...]) -> Sample:
    """Photos as a sample; a photo without a named part counts with those of its inspection."""
    return Sample(
        np.array([each.part for each in photos]),
        np.array([each.label in good for each in photos]),
        np.array([each.probability for each in photos]),
        np.array([math.nan if each.distance is None else each.distance for each in photos]),
    )
