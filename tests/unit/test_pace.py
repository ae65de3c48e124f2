"""The time left, with a clock of the test."""

from fastdefect.pace import Pace


def test_the_time_left_follows_from_the_steps_since_the_start_of_the_task() -> None:
    now = 100.0
    pace = Pace(lambda: now)
    assert pace.seconds_left("reading", 5, 50) is None  # the first report has no rate
    now = 101.0
    assert pace.seconds_left("reading", 6, 50) is None  # too early
    now = 110.0
    assert pace.seconds_left("reading", 25, 50) == 12.5  # 20 steps in 10 s, 25 more
    assert pace.seconds_left("reading", 50, 50) == 0
    assert pace.seconds_left("reading", 60, None) is None


def test_another_task_and_a_task_that_begins_again_have_rates_of_their_own() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    pace.seconds_left("reading", 0, 10)
    now = 100.0
    assert pace.seconds_left("searching", 1, 10) is None
    now = 104.0
    assert pace.seconds_left("searching", 3, 10) == 14  # 2 steps in 4 s, 7 more
    assert pace.seconds_left("searching", 1, 10) is None
