import math
from random import Random

import pytest

from fastdefect.inference.decision_rule import Verdict
from fastdefect.serving.review import Choice, choose

SHARES = (0.02, 0.1)


def chosen(decision: Verdict, n: int = 8000, *, unlike: bool = False) -> list[Choice]:
    random = Random(3)
    return [choose(decision, unlike, 0.1, SHARES, random) for _ in range(n)]


@pytest.mark.parametrize(("decision", "share"), [("OK", 0.02), ("reject", 0.1)])
def test_the_random_share_of_the_others_goes_to_people(decision: Verdict, share: float) -> None:
    found = chosen(decision)
    assert {each.share for each in found} == {share}
    n = sum(each.chosen for each in found)
    assert abs(n - share * len(found)) < 4 * math.sqrt(share * len(found))


def test_a_check_is_anywhere_in_the_queue_whatever_was_decided() -> None:
    for decision in ("OK", "reject"):
        places = [each.priority for each in chosen(decision) if each.chosen]
        assert 0.45 < sum(places) / len(places) < 0.55
        assert min(places) < 0.05
        assert max(places) > 0.95


def test_every_look_goes_to_people_the_uncertain_and_unlike_first() -> None:
    random = Random(3)
    order = [
        choose("look", unlike, p, SHARES, random).priority
        for unlike, p in ((True, 0.0), (False, 0.5), (False, 0.7), (False, 0.2), (False, 0.99))
    ]
    assert min(order[:2]) > order[2] > order[3] > order[4]
    assert all((each.share, each.chosen) == (1.0, True) for each in chosen("look", 100))
    assert all(0 <= each.priority <= 1 for each in chosen("look", 100, unlike=True))


def test_what_could_not_be_computed_is_most_uncertain() -> None:
    assert choose("look", False, math.nan, SHARES, Random(1)).priority > 0.97


@pytest.mark.parametrize(("share", "expected"), [(0.0, False), (1.0, True)])
def test_no_share_and_all_of_them(share: float, expected: bool) -> None:
    random = Random(1)
    found = {choose("OK", False, 0.1, (share, 0.5), random).chosen for _ in range(1000)}
    assert found == {expected}
