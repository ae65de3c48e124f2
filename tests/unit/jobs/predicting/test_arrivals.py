"""When a file of a watched folder is complete, in played time."""

from fastdefect.jobs.predicting.arrivals import PATIENCE, SETTLED, Arrivals

OLD, NEW = (10, 1), (20, 2)


def test_a_file_is_complete_when_it_has_not_changed_for_half_a_second() -> None:
    arrivals = Arrivals({})
    arrivals.seen("a", (10, 1), 0)
    arrivals.seen("a", (20, 2), 0.4)
    assert arrivals.ready(0.4 + 0.9 * SETTLED) == []
    arrivals.seen("a", (20, 2), 0.8)
    assert arrivals.ready(0.4 + SETTLED) == ["a"]
    assert arrivals.settle("a", (20, 2), readable=True, now=1)
    arrivals.seen("a", (20, 2), 9)
    assert not arrivals.waiting


def test_a_file_that_is_written_again_after_its_decision_is_new() -> None:
    arrivals = Arrivals({"a": OLD})
    arrivals.listed({"a": OLD}, 0, complete=True)
    assert not arrivals.waiting
    arrivals.seen("a", NEW, 1)
    assert arrivals.ready(2) == ["a"]


def test_a_file_that_changes_while_it_is_read_is_decided_again() -> None:
    arrivals = Arrivals({})
    arrivals.seen("a", OLD, 0)
    assert not arrivals.settle("a", NEW, readable=True, now=1)
    assert arrivals.ready(1) == []
    assert arrivals.settle("a", NEW, readable=True, now=2)


def test_a_half_written_file_has_ten_seconds_and_is_tried_once_a_second() -> None:
    arrivals = Arrivals({})
    arrivals.seen("a", OLD, 0)
    assert not arrivals.settle("a", OLD, readable=False, now=1)
    assert arrivals.ready(1.5) == []
    assert arrivals.ready(2) == ["a"]
    assert arrivals.settle("a", OLD, readable=False, now=PATIENCE)


def test_an_empty_file_is_unreadable_only_after_ten_seconds() -> None:
    arrivals = Arrivals({})
    arrivals.seen("a", (0, 1), 0)
    assert arrivals.ready(PATIENCE - 1) == []
    assert arrivals.ready(PATIENCE) == ["a"]


def test_a_file_that_is_gone_before_its_decision_has_none() -> None:
    arrivals = Arrivals({})
    arrivals.listed({"a": OLD, "b": OLD, "c": OLD}, 0, complete=True)
    arrivals.listed({"b": OLD, "c": OLD}, 1, complete=True)
    assert arrivals.ready(1) == ["b", "c"]
    assert not arrivals.settle("b", None, readable=False, now=1)
    assert arrivals.settle("c", None, readable=True, now=1)  # moved away after it was read


def test_files_that_are_gone_are_forgotten_but_not_those_of_a_share_that_is_away() -> None:
    arrivals = Arrivals({"a": OLD, "b": OLD})
    arrivals.listed({}, 0, complete=True)
    arrivals.listed({"b": OLD}, 0, complete=False)
    arrivals.listed({"a": OLD, "b": OLD}, 1, complete=True)
    assert not arrivals.waiting
    arrivals.listed({"b": OLD}, 2, complete=True)
    arrivals.listed({"a": OLD, "b": OLD}, 3, complete=True)
    assert arrivals.waiting == ("a",)
