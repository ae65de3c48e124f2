"""Resemblance: one individual under another pose, and another individual of the same design."""

import cv2
import numpy as np
import pytest

from fastdefect.data.parts.candidates import Shortlist
from fastdefect.data.parts.keypoints import Keypoints, find_keypoints
from fastdefect.data.parts.matching import Resemblance, resemblances
from fastdefect.sample.render import photograph, render_part

NONE = np.zeros(0, np.int64)


@pytest.fixture(scope="module")
def others() -> list[Keypoints]:
    return [
        find_keypoints(photograph(render_part(50 + k, size=192, defect=None), 500 + k).pixels)
        for k in range(8)
    ]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return photograph(render_part(1, size=192, defect=None), 2).pixels


def _between(
    one: np.ndarray, other: np.ndarray, others: list[Keypoints], *, mirrored: bool = False
) -> dict[int, Resemblance]:
    """What photo 0 (``one``) finds in photo 1 (``other``) and in eight other parts."""
    photos = [find_keypoints(one), find_keypoints(other), *others]
    strangers = np.arange(2, len(photos))
    listed = (
        Shortlist(strangers, np.array([1]))
        if mirrored
        else Shortlist(np.array([1, *strangers]), NONE)
    )
    return {found.other: found for found in resemblances(photos, 0, listed)}


def _turned(pixels: np.ndarray, degrees: float, scale: float) -> np.ndarray:
    side = pixels.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, scale)
    turn[:, 2] += (6, -9)
    return np.asarray(
        cv2.warpAffine(pixels, turn, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def test_a_turned_shifted_rescaled_copy_is_explained(
    pixels: np.ndarray, others: list[Keypoints]
) -> None:
    found = _between(pixels, _turned(pixels, 37, 0.85), others)
    assert found[1].count > 100
    assert found[1].aligned > 0.8 * found[1].worth
    assert all(found[1].aligned > 5 * found[i].aligned for i in found if i != 1)
    assert found[1].copied == 0


def test_a_mirrored_copy_is_explained_as_such(pixels: np.ndarray, others: list[Keypoints]) -> None:
    flipped = np.ascontiguousarray(_turned(pixels, 120, 1.0)[:, ::-1])
    found = _between(pixels, flipped, others, mirrored=True)
    assert found[1].mirrored
    assert found[1].count > 100


def test_a_second_shot_resembles_more_than_other_parts(others: list[Keypoints]) -> None:
    part = render_part(1, size=192, defect=None)
    found = _between(photograph(part, 2).pixels, photograph(part, 9).pixels, others)
    assert max(found.values(), key=lambda r: r.aligned).other == 1
    assert found[1].copied < 0.15


def test_a_recompressed_copy_is_one(pixels: np.ndarray, others: list[Keypoints]) -> None:
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 50])
    copy = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    assert _between(pixels, copy, others)[1].copied > 0.15


def test_nothing_to_compare(pixels: np.ndarray) -> None:
    photo, blank = find_keypoints(pixels), find_keypoints(np.zeros((64, 64, 3), np.uint8))
    assert resemblances([blank, photo], 0, Shortlist(np.array([1]), NONE)) == []
    assert resemblances([photo, blank], 0, Shortlist(np.array([1]), np.array([1]))) == []
    assert resemblances([photo], 0, Shortlist(NONE, NONE)) == []
