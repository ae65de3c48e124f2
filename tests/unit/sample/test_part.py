"""Parts of the rendered sample: known again at every size and pose."""

import cv2
import numpy as np
import pytest

from fastdefect.sample.part import OVERSAMPLING, stream
from fastdefect.sample.render import (
    DEFECTS,
    Defect,
    Part,
    photograph,
    render_part,
)
from fastdefect.sample.scene import draw_pose

# --- the parts and the photos ----------------------------------------------------------------


def test_a_part_is_the_same_at_every_size() -> None:
    for kind in DEFECTS:
        small, large = (
            photograph(render_part(2, size=size, defect=Defect(kind, 1)), 9) for size in (64, 192)
        )
        assert small.box is not None
        assert large.box is not None
        assert np.abs(3 * np.array(small.box) - large.box).max() <= 9
        shrunk = cv2.resize(large.pixels, (64, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(shrunk.astype(int) - small.pixels).mean() < 8


def turned_back(part: Part, seed: int) -> np.ndarray:
    """The fine structure of a photo, (size, size), turned back to the part's own frame."""
    pose = draw_pose(stream(seed, 0), OVERSAMPLING * part.size)
    matrix = pose.matrix() / OVERSAMPLING / (part.size / 2.4)
    shift = np.array(pose.centre) / OVERSAMPLING - matrix.dot([part.size / 2] * 2)
    grey = cv2.cvtColor(photograph(part, seed).pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    flat = cv2.warpAffine(grey, np.column_stack([matrix, shift]), grey.shape, flags=how)
    return flat - cv2.GaussianBlur(flat, (0, 0), 1.5)


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation in the pocket; the tilt moves its floor, so the best within three pixels."""
    axis = (np.arange(len(first)) - len(first) / 2) / (len(first) / 2.4)
    radius = np.hypot(*np.meshgrid(axis, axis))
    pocket = (radius > 0.34) & (radius < 0.53)
    moves = [(dy, dx) for dy in range(-3, 4) for dx in range(-3, 4)]
    return max(
        float(np.corrcoef(first[pocket], np.roll(second, move, (0, 1))[pocket])[0, 1])
        for move in moves
    )


@pytest.mark.slow
def test_photos_of_one_part_are_distinguished_from_those_of_another() -> None:
    """The casting skin is the part's own: it is alike in its photos only."""
    views = []
    for k in range(5):
        part = render_part(k, size=224)
        views.append([turned_back(part, 10 * k + j) for j in (0, 1)])
    for i, (query, _) in enumerate(views):
        found = [likeness(query, second) for _, second in views]
        own = found.pop(i)
        assert own > max(found) + 0.1


def test_a_part_is_never_mirrored() -> None:
    for seed in range(50):
        assert np.linalg.det(draw_pose(stream(seed, 0), 100).matrix()) > 0


def test_all_of_a_part_is_in_the_picture() -> None:
    for seed in range(200):
        pose = draw_pose(stream(seed, 0), 100)
        outermost = 1.125 * pose.radius  # with the tallest burr
        assert outermost <= min(pose.centre) <= max(pose.centre) <= 100 - outermost
