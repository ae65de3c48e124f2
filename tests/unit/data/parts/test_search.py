"""Groups of photos of one part: on rendered parts, and the rule of joining by hand."""

import itertools
from functools import cache

import cv2
import numpy as np
import pytest

from fastdefect.data.parts.keypoints import Keypoints, find_keypoints
from fastdefect.data.parts.search import Link, _merge_groups, find_same_parts
from fastdefect.sample.render import photograph, render_part

PARTS, SHOTS = 15, 3


@cache
def _rendered() -> tuple[Keypoints, ...]:
    """Three shots of each part; each third one is turned over."""
    photos = []
    for k in range(PARTS):
        part = render_part(300 + k, size=224, defect=None)
        for shot in range(SHOTS):
            pixels = photograph(part, 1000 + SHOTS * k + shot).pixels
            photos.append(
                find_keypoints(np.ascontiguousarray(pixels[:, ::-1]) if shot == 2 else pixels)
            )
    return tuple(photos)


def _precision_and_recall(group: tuple[int, ...]) -> tuple[float, float]:
    pairs = list(itertools.combinations(range(len(group)), 2))
    found = {(a, b) for a, b in pairs if group[a] == group[b]}
    true = {(a, b) for a, b in pairs if a // SHOTS == b // SHOTS}
    return len(found & true) / max(len(found), 1), len(found & true) / len(true)


@pytest.mark.slow
def test_parts_are_found_among_parts_of_one_design() -> None:
    found = find_same_parts(_rendered())
    precision, recall = _precision_and_recall(found.group)
    assert precision >= 0.95
    assert recall >= 0.85  # fifteen parts are a small set: two missed shots make 0.91
    assert all(found.group[link.one] == found.group[link.other] for link in found.links)
    assert any(link.mirrored for link in found.links)
    assert [link.evidence for link in found.links] == sorted(
        (link.evidence for link in found.links), reverse=True
    )
    assert found == find_same_parts(_rendered())


@pytest.mark.slow
def test_the_order_of_the_photos_hardly_matters() -> None:
    order = np.random.default_rng(5).permutation(PARTS * SHOTS)
    shuffled = find_same_parts([_rendered()[i] for i in order]).group
    group = [0] * len(order)
    for place, i in enumerate(order):
        group[i] = shuffled[place]
    precision, recall = _precision_and_recall(tuple(group))
    assert precision >= 0.95
    assert recall >= 0.85


def test_only_photos_of_large_groups_search_again() -> None:
    pixels = photograph(render_part(7, size=160, defect=None), 1).pixels
    turns = [cv2.getRotationMatrix2D((80, 80), 20 * k, 1.0) for k in range(5)]
    shots = [find_keypoints(cv2.warpAffine(pixels, turn, (160, 160))) for turn in turns]
    others = [
        find_keypoints(photograph(render_part(70 + k, size=160, defect=None), k).pixels)
        for k in range(6)
    ]
    for count in (3, 5):
        again: list[int] = []
        found = find_same_parts(
            [*shots[:count], *others],
            lambda stage, done, total, again=again: (
                again.append(total) if stage == "comparing groups" else None
            ),
        )
        assert len(set(found.group[:count])) == 1
        assert again == ([2, 2] if count == 5 else [])


def test_few_and_empty_photos() -> None:
    blank = find_keypoints(np.zeros((64, 64, 3), np.uint8))
    assert find_same_parts([]).group == ()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    assert find_same_parts([find_keypoints(noise)]).group == (0,)
    assert len(set(find_same_parts([blank, blank, blank]).group)) == 3
    assert find_same_parts([blank, blank]).links == ()


# ---- the rule of joining, by hand ------------------------------------------------------------


def _links(**evidence: float) -> dict[tuple[int, int], Link]:
    """Links by names such as ``_0_1``."""
    pairs = {tuple(map(int, name.split("_")[1:])): value for name, value in evidence.items()}
    return {(a, b): Link(a, b, value, False, False) for (a, b), value in pairs.items()}


@pytest.mark.parametrize(
    ("links", "capacity", "expected"),
    [
        (_links(_0_1=2.0), set(), [0, 0, 2, 3]),
        (_links(_0_1=-2.0), set(), [0, 1, 2, 3]),
        # Two pairs and one false link between them, of four pairs: the others speak against it.
        (_links(_0_1=5.0, _2_3=5.0, _1_2=4.0), {0, 1, 2, 3}, [0, 0, 2, 2]),
        # Nobody had capacity to look at the others: then they say nothing, and the link holds.
        (_links(_0_1=5.0, _2_3=5.0, _1_2=4.0), set(), [0, 0, 0, 0]),
        # No single pair counts for more than 5, either way: 5 - 2 - 2 - 2 is negative.
        (_links(_0_1=50.0, _2_3=50.0, _1_2=40.0), {0, 1, 2, 3}, [0, 0, 2, 2]),
        # Two of three links are enough to join a third photo.
        (_links(_0_1=5.0, _0_2=3.0, _1_2=-1.0), {0, 1, 2}, [0, 0, 0, 3]),
    ],
)
def test_groups_join_where_both_agree(
    links: dict[tuple[int, int], Link], capacity: set[int], expected: list[int]
) -> None:
    assert _merge_groups(links, range(4), range(4), capacity) == expected


def test_groups_are_judged_by_those_who_speak_for_them() -> None:
    links = _links(_0_2=1.0)
    assert _merge_groups(links, [0, 0, 2, 2], [0, 2], {0, 2}) == [0, 0, 0, 0]
    assert _merge_groups(links, [0, 0, 2, 2], [0, 1, 2, 3], {0, 1, 2, 3}) == [0, 0, 2, 2]
