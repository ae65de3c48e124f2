"""The waiting of threads: set once, unless the user set it."""

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
def test_a_setting_of_the_user_is_kept(before: dict[str, str], after: dict[str, str]) -> None:
    wait_briefly(before)
    assert before == after


def test_it_is_set_before_torch_is_imported() -> None:
    code = (
        "import sys, os, fastdefect; assert 'torch' not in sys.modules; "
        "print(os.environ['GOMP_SPINCOUNT'])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={}
    )
    assert told.stdout.strip() == SPINS
