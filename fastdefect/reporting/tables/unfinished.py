"""What an unfinished series of trainings still has to do, as a line."""

from collections.abc import Sequence

from fastdefect.text import first


def left_line(done: int, left: Sequence[str], seconds: float | None) -> str:
    """How many trainings are ``done``, the names of those ``left`` and about how long they take."""
    told = f"{done} of {done + len(left)} trainings are done; left"
    if seconds is None:
        return f"{told}: {first(left)}."
    return f"{told}, about {max(1, round(seconds / 60))} min: {first(left)}."
