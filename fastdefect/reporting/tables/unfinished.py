"""The remaining trainings of an unfinished series, as a line."""

from collections.abc import Sequence

from fastdefect.text import first


def left_line(done: int, left: Sequence[str], seconds: float | None) -> str:
    """The number of trainings ``done``, the names of the remaining ones and their time."""
    text = f"{done} of {done + len(left)} trainings are done; remaining"
    if seconds is None:
        return f"{text}: {first(left)}."
    return f"{text}, about {max(1, round(seconds / 60))} min: {first(left)}."
