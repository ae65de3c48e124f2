"""Progress with photos a second, in played time."""

from fastdefect.events import Progress
from fastdefect.jobs.predicting.meter import Meter


def _texts(total: int | None, before: int, steps: int) -> list[Progress]:
    events: list[Progress] = []
    now = [100.0]
    meter = Meter(events.append, total, before, clock=lambda: now[0])  # type: ignore[arg-type]
    for _ in range(steps):
        now[0] += 0.1
        meter.step()
    meter.close()
    return events


def test_the_rate_and_the_time_left_are_of_this_run() -> None:
    events = _texts(36_500, 400, 11)
    assert events[0] == Progress("deciding, 10.0 photos/s, 1 h 0 min left", 401, 36_500)
    assert len(events) < 8  # at most five a second, and the last
    assert (events[-1].done, events[-1].total) == (411, 411)


def test_without_a_total_there_is_no_time_left() -> None:
    assert _texts(None, 0, 3)[0] == Progress("deciding, 10.0 photos/s", 1, None)
