"""Cohen's kappa by hand, and the coverage of its interval."""

import json
import math

import numpy as np
import pytest

from fastdefect.evaluation.statistics import agreement as module
from fastdefect.evaluation.statistics.agreement import Agreement, agreement


def pairs(both_ok: int, second: int, first: int, both: int) -> list[tuple[bool, bool]]:
    return [
        *[(False, False)] * both_ok,
        *[(False, True)] * second,
        *[(True, False)] * first,
        *[(True, True)] * both,
    ]


def known(both_ok: int, second: int, first: int, both: int) -> Agreement:
    found = agreement(pairs(both_ok, second, first, both))
    assert found is not None
    return found


def test_kappa_by_hand() -> None:
    # Cohen's table: observed 0.7; by chance 0.6 * 0.5 + 0.4 * 0.5 = 0.5.
    found = known(20, 10, 5, 15)
    assert found.kappa == pytest.approx((0.7 - 0.5) / 0.5)
    assert (found.parts, found.differ) == (50, 15)
    assert found.interval[0] < found.kappa < found.interval[1]


def test_persons_who_never_differ_still_have_an_interval() -> None:
    found = known(15, 0, 0, 10)
    assert found.kappa == 1
    assert 0.5 < found.interval[0] < 0.99


def test_kappa_is_undefined_if_all_answers_are_equal() -> None:
    found = known(30, 0, 0, 0)
    assert math.isnan(found.kappa)
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["kappa"] is None


def test_fewer_than_twenty_parts_have_no_kappa() -> None:
    assert agreement(pairs(10, 1, 1, 7)) is None
    assert agreement(pairs(10, 1, 1, 8)) is not None


def test_the_interval_holds_with_few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DRAWS", 500)
    rng, shares = np.random.default_rng(0), np.array([0.6, 0.06, 0.04, 0.3])
    chance = 0.34 * 0.36 + 0.66 * 0.64
    truth, hits = (0.9 - chance) / (1 - chance), 0
    for _ in range(200):
        low, high = known(*map(int, rng.multinomial(30, shares))).interval
        hits += low <= truth <= high
    assert hits / 200 >= 0.92
