"""Listeners of a job's events."""

from fastdefect.events import Event, Note, Progress, progress_only


def test_only_the_progress_is_passed_on() -> None:
    events: list[Event] = []
    listener = progress_only(events.append)
    for event in (Note("5 photos are new."), Progress("reading photos", 1, 2)):
        listener(event)
    assert events == [Progress("reading photos", 1, 2)]
