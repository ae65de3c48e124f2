"""The waiting of threads: set once, unless the user set it."""

import subprocess
import sys
import time

import pytest

from fastdefect.process import SPINS, finished_in_order, wait_briefly


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


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order_and_few_wait(threads: int) -> None:
    began: list[int] = []

    def work(item: int) -> int:
        began.append(item)
        time.sleep(0.001 * (item % 3))
        return item * item

    with finished_in_order(work, range(100), threads) as results:
        assert next(results) == 0
        assert len(began) <= 8 * threads + 1
        assert list(results) == [i * i for i in range(1, 100)]


def test_an_error_ends_the_work_without_waiting_for_the_rest() -> None:
    began: list[int] = []

    def work(item: int) -> int:
        began.append(item)
        if item == 3:
            raise KeyboardInterrupt
        return item

    with (
        pytest.raises(KeyboardInterrupt),
        finished_in_order(work, range(1000), 2) as results,
    ):
        list(results)
    assert len(began) < 50
