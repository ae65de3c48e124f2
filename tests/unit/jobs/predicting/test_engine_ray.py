"""The engine on Ray without a cluster: tests/integration/test_cluster.py has the others."""

import os
import sys

import pytest

from fastdefect.errors import FastdefectError
from fastdefect.events import Event, Note
from fastdefect.jobs.predicting import engine_ray
from fastdefect.jobs.predicting.engine_ray import RayEngine


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of the process, before Ray is imported."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    monkeypatch.setattr(os, "environ", found)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    return found


def test_a_cluster_of_this_computer_asks_for_a_token_and_sends_no_statistics(
    environment: dict[str, str],
) -> None:
    engine_ray._settle_environment(own=True)
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert environment["RAY_AUTH_MODE"] == "token"
    assert len(environment["RAY_AUTH_TOKEN"]) == 64


def test_what_the_user_has_set_counts(environment: dict[str, str]) -> None:
    environment |= {"RAY_AUTH_MODE": "disabled", "RAY_BACKEND_LOG_LEVEL": "info"}
    engine_ray._settle_environment(own=True)
    assert "RAY_AUTH_TOKEN" not in environment
    assert environment["RAY_BACKEND_LOG_LEVEL"] == "info"


def test_another_cluster_has_its_own_rules(environment: dict[str, str]) -> None:
    engine_ray._settle_environment(own=False)
    assert "RAY_AUTH_MODE" not in environment
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"


def test_what_a_worker_says_is_an_error_or_a_warning_here() -> None:
    events: list[Event] = []
    engine = RayEngine(2, 1, events.append)
    row = {"index": 3, "starts": 1, "host": "b", "content": b"rows", "message": "", "hint": ""}
    assert engine._taken(row) == (3, b"rows")
    assert events == []
    assert engine._taken(row | {"starts": 2}) == (3, b"rows")
    text = "A worker ended during shard 3, which was done again."
    assert events == [Note(text, "warning")]
    with pytest.raises(FastdefectError, match=r"On b: no disk\.") as found:
        engine._taken(row | {"message": "no disk.", "hint": "Find one."})
    assert found.value.hint == "Find one."
