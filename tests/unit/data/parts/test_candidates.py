"""Shortlists: mates and mirrored mates are on them."""

import numpy as np
import pytest

from fastdefect.data.parts.candidates import LISTED, MIRRORED, shortlists
from fastdefect.data.parts.keypoints import Keypoints, find_keypoints
from fastdefect.sample.render import photograph, render_part

PARTS = 12


def _shots(parts: int) -> list[np.ndarray]:
    """Two photos of each part, one after the other; every second one is turned over."""
    photos = []
    for k in range(parts):
        part = render_part(k, size=192, defect=None)
        photos.append(photograph(part, 2 * k).pixels)
        other = photograph(part, 2 * k + 1).pixels
        photos.append(np.ascontiguousarray(other[:, ::-1]) if k % 2 else other)
    return photos


@pytest.mark.slow
def test_mates_are_listed_in_their_hand() -> None:
    photos = [find_keypoints(shot) for shot in _shots(PARTS)]
    lists = shortlists(photos)
    plain = [2 * k + 1 in lists[2 * k].plain[:5] for k in range(0, PARTS, 2)]
    mirrored = [2 * k + 1 in lists[2 * k].mirrored[:5] for k in range(1, PARTS, 2)]
    assert np.mean(plain) >= 0.8
    assert np.mean(mirrored) >= 0.8
    for i, listed in enumerate(lists):
        assert i not in listed.plain
        assert i not in listed.mirrored
        assert len(set(listed.plain)) == len(listed.plain) <= LISTED[1]
        assert len(listed.mirrored) <= MIRRORED[1]
    again = shortlists(photos)
    assert all(np.array_equal(a.plain, b.plain) for a, b in zip(lists, again, strict=True))


def test_photos_without_keypoints_are_on_no_list() -> None:
    blank = find_keypoints(np.zeros((64, 64, 3), np.uint8))
    photos: list[Keypoints] = [blank, *(find_keypoints(shot) for shot in _shots(2)[:3]), blank]
    lists = shortlists(photos)
    assert all(0 not in listed.plain and 4 not in listed.plain for listed in lists)
    assert len(lists[0].plain) == len(lists[4].mirrored) == 0
    assert [len(listed.plain) for listed in shortlists([blank, blank])] == [0, 0]
    assert shortlists([]) == []
