"""Shortlists: mates and mirrored mates are on them."""

import numpy as np
import pytest

from fastdefect.data.parts import candidates
from fastdefect.data.parts.candidates import LISTED, MIRRORED, shortlists
from fastdefect.data.parts.keypoints import MIRROR, Keypoints, find_keypoints
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


def _noise(photos: int, each: int) -> list[Keypoints]:
    """Photos of random descriptors; neighbours have half of them in common."""
    rng = np.random.default_rng(1)
    pool = rng.integers(-60, 60, ((photos + 1) * each, len(MIRROR))).astype(np.int8)
    floats = np.zeros(2 * each, np.float32)
    return [
        Keypoints(
            np.zeros((2 * each, 2), np.float32), floats, floats, pool[k * each : (k + 2) * each]
        )
        for k in range(photos)
    ]


def _clear_of_borders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Move the borders of the hashes: a median is a descriptor's value, where rounding decides."""
    draw = candidates._Index._draw
    monkeypatch.setattr(
        candidates._Index, "_draw", lambda *of: (draw(*of)[0], draw(*of)[1] + np.float32(0.01))
    )


def test_votes_are_the_weighted_hashes_in_common(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "_FEW", 2)  # a hash of more than two of twelve photos is common
    _clear_of_borders(monkeypatch)
    photos = _noise(12, 15)
    index = candidates._Index(photos, threads=2)
    hashes = []  # of each photo: (table, hash)
    for photo in photos:
        codes = index._codes(photo.packed, slice(None), None)
        hashes.append({(t, code) for row in codes.tolist() for t, code in enumerate(row)})
    owners = {one: sum(one in of for of in hashes) for one in set().union(*hashes)}
    weight = {one: np.log(13 / (n + 1)) ** 2 if n <= 2 else 0.0 for one, n in owners.items()}
    lengths = [np.sqrt(sum(weight[one] for one in of)) for of in hashes]
    assert any(n > 2 for n in owners.values())
    for own in (0, 5):
        expected = [
            sum(weight[one] for one in hashes[own] & of) / length
            for of, length in zip(hashes, lengths, strict=True)
        ]
        np.testing.assert_allclose(index.votes(photos[own].packed), expected, rtol=1e-6)
    mirrored = np.rint(photos[5].packed * MIRROR).astype(np.int8)
    np.testing.assert_allclose(index.votes(mirrored, MIRROR), index.votes(photos[5].packed))


def test_an_index_that_is_built_in_steps_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    _clear_of_borders(monkeypatch)
    photos = [*_noise(12, 15), *_noise(3, 4)]
    at_once = candidates._Index(photos, threads=1)
    monkeypatch.setattr(candidates, "_CODES", 1)  # one table at a time
    monkeypatch.setattr(candidates, "_HASHES", 3)
    in_steps = candidates._Index(photos, threads=2)
    for photo in photos:
        votes = at_once.votes(photo.packed)
        np.testing.assert_allclose(in_steps.votes(photo.packed), votes, rtol=1e-12)


def test_lists_do_not_depend_on_the_number_of_threads() -> None:
    photos = _noise(40, 10)
    done: list[tuple[int, int]] = []
    one = shortlists(photos, threads=1, on_progress=lambda *at: done.append(at))
    three = shortlists(photos, threads=3)
    assert done == [(i + 1, 40) for i in range(40)]
    for a, b in zip(one, three, strict=True):
        assert np.array_equal(a.plain, b.plain)
        assert np.array_equal(a.mirrored, b.mirrored)
    assert set(one[7].plain[:2]) == {6, 8}
