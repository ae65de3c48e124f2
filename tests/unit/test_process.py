"""How threads wait: set once, and never against the user."""

import subprocess
import sys

import pytest

from fastdefect.process import SPINS, wait_briefly


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"GOMP_SPINCOUNT": SPINS}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
)
def test_what_the_user_said_stays(before: dict[str, str], after: dict[str, str]) -> None:
    wait_briefly(before)
    assert before == after


def test_it_is_set_before_torch_is_there() -> None:
    code = (
        "import sys, os, fastdefect; assert 'torch' not in sys.modules; "
        "print(os.environ['GOMP_SPINCOUNT'])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={}
    )
    assert told.stdout.strip() == SPINS
