"""Joining photos into parts: what must hold whatever the evidence says."""

from collections.abc import Iterable
from functools import cache
from random import Random

import numpy as np
import pytest
from helpers.examples import examples
from helpers.shots import mirrored, moved, relit, shots
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.parts.keypoints import Keypoints, find_keypoints
from fastdefect.data.parts.search import Link, _merge_groups, find_same_parts

Links = dict[tuple[int, int], Link]
Evidences = tuple[int, Links, set[int]]


@st.composite
def evidences(draw: st.DrawFn) -> Evidences:
    """Some photos, what is known of some pairs (no two alike) and who had capacity."""
    n = draw(st.integers(1, 9))
    pairs = [(a, b) for a in range(n) for b in range(a + 1, n)]
    known = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    values = st.integers(-80, 80).map(lambda tenths: tenths / 10 + 0.05)
    found = draw(st.lists(values, unique=True, min_size=len(known), max_size=len(known)))
    links = {
        (a, b): Link(a, b, value, False, False) for (a, b), value in zip(known, found, strict=True)
    }
    return n, links, draw(st.sets(st.integers(0, n - 1)))


def partition(group: Iterable[int]) -> set[frozenset[int]]:
    members: dict[int, set[int]] = {}
    for photo, number in enumerate(group):
        members.setdefault(number, set()).add(photo)
    return {frozenset(one) for one in members.values()}


@examples(80)
@given(evidences())
def test_photos_of_one_group_are_joined_by_links_that_speak_for_it(case: Evidences) -> None:
    n, links, capacity = case
    for group in partition(_merge_groups(links, range(n), range(n), capacity)):
        reached = {min(group)}
        for _ in group:
            for (a, b), link in links.items():
                if link.evidence > 0 and a in group and b in group and reached & {a, b}:
                    reached |= {a, b}
        assert reached == group


@examples(80)
@given(evidences())
def test_a_photo_that_no_link_speaks_for_stays_alone(case: Evidences) -> None:
    n, links, capacity = case
    liked = {i for pair, link in links.items() if link.evidence > 0 for i in pair}
    groups = partition(_merge_groups(links, range(n), range(n), capacity))
    assert {frozenset({i}) for i in set(range(n)) - liked} <= groups


@examples(80)
@given(evidences(), st.randoms(use_true_random=False))
def test_the_photos_order_doesnt_matter(case: Evidences, random: Random) -> None:
    n, links, capacity = case
    place = list(range(n))
    random.shuffle(place)
    moved_links = {}
    for (a, b), link in links.items():
        one, other = sorted((place[a], place[b]))
        moved_links[one, other] = Link(one, other, link.evidence, False, False)
    groups = partition(_merge_groups(links, range(n), range(n), capacity))
    after = partition(_merge_groups(moved_links, range(n), range(n), {place[i] for i in capacity}))
    assert after == {frozenset(place[i] for i in group) for group in groups}


@examples(80)
@given(evidences(), st.integers(1, 3))
def test_groups_that_are_given_are_never_split(case: Evidences, apart: int) -> None:
    n, links, capacity = case
    given_groups = [i % apart for i in range(n)]
    representatives = [i for i in range(n) if i < apart]
    after = partition(_merge_groups(links, given_groups, representatives, capacity))
    for group in partition(given_groups):
        assert any(group <= larger for larger in after)


@cache
def photos() -> tuple[Keypoints, ...]:
    """Two shots and a turned copy of each of six parts; one part is turned over in between."""
    found = []
    for part in range(6):
        first, second = shots(part, 2, 160)
        copy = relit(moved(first, 40 * part + 20, 0.95, (3, -4)), 0.9, 1.2)
        found += [first, mirrored(second) if part == 3 else second, copy]
    return tuple(find_keypoints(one) for one in found)


@cache
def groups_found() -> set[frozenset[int]]:
    return partition(find_same_parts(photos()).group)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_the_search_finds_the_same_groups_in_any_order(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(photos()))
    group = find_same_parts([photos()[i] for i in order]).group
    found = {frozenset(int(order[i]) for i in one) for one in partition(group)}
    assert found == groups_found()
    assert max(map(len, found)) > 1
