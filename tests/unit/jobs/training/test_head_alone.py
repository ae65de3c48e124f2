"""Settings that a head alone has no use for, and commands that have none for it."""

from typing import Any

import pytest

from fastdefect.config_resolve import resolve
from fastdefect.errors import UsageError
from fastdefect.jobs.training.head_alone import check_head_alone, refuse_head_alone


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"head": "mlp"}, "--head is mlp"),
        ({"recipe": "legacy"}, "--recipe legacy"),
        ({"members": 3}, "--tune head --members 3"),
    ],
)
def test_a_head_alone_is_linear_and_single(flags: dict[str, Any], said: str) -> None:
    check_head_alone(resolve(flags))
    check_head_alone(resolve({"tune": "head", "recipe": "steady"}))
    with pytest.raises(UsageError, match=said):
        check_head_alone(resolve({"tune": "head", **flags}))


def test_commands_that_train_the_whole_network_refuse_a_head_alone() -> None:
    refuse_head_alone(resolve({}))
    with pytest.raises(UsageError, match="trains the whole network"):
        refuse_head_alone(resolve({"tune": "head"}))
