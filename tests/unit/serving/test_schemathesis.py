"""Requests that a fuzzer makes from the OpenAPI description: each answer is as described."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from helpers.serving import BRIGHT, DARK, GREY, Line, line
from hypothesis import HealthCheck, settings

pytestmark = pytest.mark.slow


@pytest.fixture
def described(tmp_path: Path) -> Iterator[Any]:
    with line(tmp_path, timeout=10, allowed_hosts=("testserver",)) as at:
        _some_work(at)
        yield schemathesis.openapi.from_asgi("/openapi.json", at.client.app)


def _some_work(at: Line) -> None:
    for brightness in (BRIGHT, GREY, DARK):
        at.inspect(brightness)


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_each_answer_is_as_described(case: Any) -> None:
    case.call_and_validate()
