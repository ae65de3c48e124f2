"""What is left of a series, in a line."""

import pytest

from fastdefect.reporting.tables.unfinished import left_line


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "3 of 5 trainings are done; remaining: a, b."),
        (600.0, "3 of 5 trainings are done; remaining, about 10 min: a, b."),
        (20.0, "3 of 5 trainings are done; remaining, about 1 min: a, b."),
    ],
)
def test_what_is_left_and_for_how_long(seconds: float | None, told: str) -> None:
    assert left_line(3, ["a", "b"], seconds) == told


def test_of_many_the_first_are_named() -> None:
    told = left_line(0, [f"m{i}" for i in range(40)], None)
    assert told.startswith("0 of 40 trainings are done; remaining: m0, m1")
    assert len(told) < 120
