"""Requests that a fuzzer makes from the OpenAPI description: each answer is as described."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from helpers.serving import BRIGHT, DARK, GREY, line
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

EXAMPLES = 15  # of each route and mode


@pytest.mark.slow
def test_each_answer_is_as_described(tmp_path: Path) -> None:
    import schemathesis  # not at each start of the suite: it takes a while
    from schemathesis.generation import GenerationMode

    tried = []
    with line(tmp_path, timeout=10, allowed_hosts=("testserver",)) as at:
        for brightness in (BRIGHT, GREY, DARK):
            at.inspect(brightness)
        schema = schemathesis.openapi.from_asgi("/openapi.json", at.client.app)
        for found in schema.get_all_operations():
            operation = found.ok()
            for mode in GenerationMode:
                try_route(operation, mode)
            tried.append(operation.label)
    assert len(tried) == 13, tried


def try_route(operation: Any, mode: Any) -> None:
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def run(case: Any) -> None:
        # Bytes that are no photo fit the description, too.
        photos = operation.label == "POST /inspect"
        case.call_and_validate(excluded_checks=[positive_data_acceptance] if photos else [])

    # A route without parameters has no wrong requests.
    with suppress(Unsatisfiable):
        run()
